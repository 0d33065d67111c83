import ApusGraph

/// Makes images of any size and of grey fit an input: resized where the options say so, grey as color where the input has three
/// channels.
///
/// Resizing is that of Pillow's `BILINEAR`, which torchvision's `Resize` uses: a triangle as wide as the step between result
/// pixels, two at least, so that shrinking averages; rows first, rounded to 8 bits, then columns. The part that is cut out is
/// where torchvision's `CenterCrop` has it.
struct ImageFitting {
  private let resizing: SampleOptions.Resizing?
  /// Of the input, where it is an image with a known size.
  private let target: (width: Int, height: Int)?
  private let isColor: Bool

  init(_ options: SampleOptions, _ input: SampleInput) {
    resizing = options.resizing
    guard let shape = input.shape, shape.rank == 4 else {
      (target, isColor) = (nil, false)
      return
    }
    let isChannelsLast = options.layout.map { $0 == .nhwc } ?? input.isChannelsLast(of: [1, 3])
    let axis = isChannelsLast ? 1 : 2
    isColor = shape[isChannelsLast ? 3 : 1].value == 3
    if let height = shape[axis].value, let width = shape[axis + 1].value { target = (width, height) } else { target = nil }
  }

  /// - Throws: `limitExceeded` where the result would be out of range.
  func apply(_ image: SampleImage) throws(ApusError) -> SampleImage {
    let image = isColor ? image.inColor : image
    switch resizing {
    case nil: return image
    case .stretched(let width, let height): return try image.resized(width: width, height: height)
    case .shorterSide(let side):
      let shorter = min(image.width, image.height)
      let resized = try image.resized(width: image.width * side / shorter, height: image.height * side / shorter)
      guard let target, target.width <= resized.width, target.height <= resized.height else { return resized }
      return resized.middle(width: target.width, height: target.height)
    }
  }
}

extension SampleImage {
  /// The middle of the image, which is at least as large.
  func middle(width newWidth: Int, height newHeight: Int) -> SampleImage {
    func start(_ all: Int, _ part: Int) -> Int { Int((Double(all - part) / 2).rounded(.toNearestOrEven)) }
    let (left, top) = (start(width, newWidth), start(height, newHeight))
    var cut: [UInt8] = []
    cut.reserveCapacity(newWidth * newHeight * channels)
    for row in top..<top + newHeight {
      let first = (row * width + left) * channels
      cut += pixels[first..<first + newWidth * channels]
    }
    return SampleImage(width: newWidth, height: newHeight, channels: channels, pixels: cut)
  }

  func resized(width newWidth: Int, height newHeight: Int) throws(ApusError) -> SampleImage {
    _ = try Self.byteCount(width: newWidth, height: max(height, newHeight), channels: channels)
    var result = self
    if newWidth != width {
      let taps = Self.taps(from: width, to: newWidth)
      var made = [UInt8](repeating: 0, count: height * newWidth * channels)
      for row in 0..<height {
        for (column, tap) in taps.enumerated() {
          for channel in 0..<channels {
            var sum = Self.half
            for (offset, weight) in tap.weights.enumerated() {
              sum += weight * Int32(pixels[(row * width + tap.first + offset) * channels + channel])
            }
            made[(row * newWidth + column) * channels + channel] = UInt8(clamping: sum >> Self.weightBits)
          }
        }
      }
      result = SampleImage(width: newWidth, height: height, channels: channels, pixels: made)
    }
    guard newHeight != height else { return result }
    let size = result.width * channels
    var made = [UInt8](repeating: 0, count: newHeight * size)
    var sums = [Int32](repeating: 0, count: size)
    for (row, tap) in Self.taps(from: height, to: newHeight).enumerated() {
      for index in 0..<size { sums[index] = Self.half }
      for (offset, weight) in tap.weights.enumerated() {
        let first = (tap.first + offset) * size
        for index in 0..<size { sums[index] += weight * Int32(result.pixels[first + index]) }
      }
      for index in 0..<size { made[row * size + index] = UInt8(clamping: sums[index] >> Self.weightBits) }
    }
    return SampleImage(width: result.width, height: newHeight, channels: channels, pixels: made)
  }

  /// Weights are whole numbers of so many bits, as Pillow's.
  private static let weightBits: Int32 = 22
  private static let half: Int32 = 1 << 21

  /// For each result pixel the first source pixel and the weights of those from there on; they sum up to 1.
  private static func taps(from old: Int, to new: Int) -> [(first: Int, weights: [Int32])] {
    let step = Double(old) / Double(new)
    let support = max(step, 1)
    return (0..<new).map { index in
      let center = (Double(index) + 0.5) * step
      let first = max(0, Int(center - support + 0.5))
      let end = min(old, Int(center + support + 0.5))
      var weights = (first..<max(end, first + 1)).map { max(0, 1 - abs((Double($0) + 0.5 - center) / support)) }
      let sum = weights.reduce(0, +)
      if sum > 0 { weights = weights.map { $0 / sum } } else { weights = [1] }
      return (first, weights.map { Int32(($0 * Double(1 << weightBits)).rounded(.toNearestOrAwayFromZero)) })
    }
  }
}
