import ApusGraph

/// How a window moves over images [N, C, H, W]: the attributes that Conv, MaxPool and AveragePool share.
struct WindowGeometry: Sendable {
  let batch: Int, channels: Int, height: Int, width: Int
  let kernelHeight: Int, kernelWidth: Int
  let strideY: Int, strideX: Int
  let dilationY: Int, dilationX: Int
  let padTop: Int, padLeft: Int
  let outputHeight: Int, outputWidth: Int

  var inputPlane: Int { height * width }
  var outputPlane: Int { outputHeight * outputWidth }

  /// - Throws: `shapeMismatch` where the input is no batch of images or the window does not fit, `invalidAttribute` for extents
  ///   that no window has.
  init(_ call: Application, input: [Int], kernel: [Int]) throws(ApusError) {
    guard input.count == 4 else {
      throw ApusError(.shapeMismatch, "images are needed", expected: "[N, C, H, W]", actual: "\(input)")
    }
    let strides = call.ints("strides", default: [1, 1])
    let dilations = call.ints("dilations", default: [1, 1])
    let pads = call.ints("pads", default: [0, 0, 0, 0])
    guard kernel.count == 2, strides.count == 2, dilations.count == 2, pads.count == 4,
      (kernel + strides + dilations).allSatisfy({ (1...Self.largest).contains($0) }),
      pads.allSatisfy({ (0...Self.largest).contains($0) })
    else {
      throw ApusError(
        .invalidAttribute, "a window of this form does not exist",
        expected: "2 kernel extents, strides and dilations of at least 1 and 4 pads of at least 0",
        actual: "kernel \(kernel), strides \(strides), dilations \(dilations), pads \(pads)")
    }
    (batch, channels, height, width) = (input[0], input[1], input[2], input[3])
    (kernelHeight, kernelWidth) = (kernel[0], kernel[1])
    (strideY, strideX) = (strides[0], strides[1])
    (dilationY, dilationX) = (dilations[0], dilations[1])
    (padTop, padLeft) = (pads[0], pads[1])
    let spaceY = height + pads[0] + pads[2] - (dilationY * (kernelHeight - 1) + 1)
    let spaceX = width + pads[1] + pads[3] - (dilationX * (kernelWidth - 1) + 1)
    guard spaceY >= 0, spaceX >= 0 else {
      throw ApusError(
        .shapeMismatch, "the window is larger than the padded image", actual: "kernel \(kernel) on \(input) with pads \(pads)")
    }
    outputHeight = spaceY / strideY + 1
    outputWidth = spaceX / strideX + 1
  }

  private static let largest = 1 << 20

  /// The outputs x whose window column `kx` falls inside the image.
  @inline(__always)
  func validColumns(_ kx: Int) -> Range<Int> {
    Self.valid(offset: kx * dilationX - padLeft, stride: strideX, input: width, output: outputWidth)
  }

  /// The outputs y whose window row `ky` falls inside the image.
  @inline(__always)
  func validRows(_ ky: Int) -> Range<Int> {
    Self.valid(offset: ky * dilationY - padTop, stride: strideY, input: height, output: outputHeight)
  }

  /// The o in 0 ..< output with 0 <= o * stride + offset < input.
  @inline(__always)
  static func valid(offset: Int, stride: Int, input: Int, output: Int) -> Range<Int> {
    let first = offset >= 0 ? 0 : (-offset + stride - 1) / stride
    let end = input > offset ? (input - offset - 1) / stride + 1 : 0
    let clamped = min(output, end)
    return min(first, clamped)..<clamped
  }
}
