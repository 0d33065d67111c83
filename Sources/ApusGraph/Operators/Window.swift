/// The sliding window of a convolution or a pooling: kernel, strides, dilations and padding for each spatial axis.
public struct Window: Sendable {
  public enum AutoPad: Sendable { case notSet, sameUpper, sameLower, valid }

  public var kernel: [Int]
  public var strides: [Int]
  public var dilations: [Int]
  public var padsBegin: [Int]
  public var padsEnd: [Int]
  public var autoPad: AutoPad
  public var ceilMode: Bool

  public static let attributes: [AttributeSchema] = [
    AttributeSchema("auto_pad", default: .string("NOTSET")),
    AttributeSchema("dilations", .ints),
    AttributeSchema("pads", .ints),
    AttributeSchema("strides", .ints),
  ]

  /// - Throws: `invalid_attribute` where a list has not one number an axis, or a number is out of range.
  public init(_ context: InferenceContext, kernel: [Int], ceilMode: Bool = false) throws(ApusError) {
    let axes = kernel.count
    self.kernel = kernel
    self.ceilMode = ceilMode
    strides = try Window.list("strides", context, count: axes, minimum: 1, otherwise: 1)
    dilations = try Window.list("dilations", context, count: axes, minimum: 1, otherwise: 1)
    let pads = try Window.list("pads", context, count: 2 * axes, minimum: 0, otherwise: 0)
    padsBegin = Array(pads[..<axes])
    padsEnd = Array(pads[axes...])
    for extent in kernel where extent < 1 {
      throw context.attributeError("kernel_shape", expected: "1 or more", actual: "\(extent)")
    }
    let name = context.attributes.string("auto_pad") ?? "NOTSET"
    if name == "NOTSET" || name.isEmpty {
      autoPad = .notSet
    } else if name == "SAME_UPPER" {
      autoPad = .sameUpper
    } else if name == "SAME_LOWER" {
      autoPad = .sameLower
    } else if name == "VALID" {
      autoPad = .valid
    } else {
      throw context.attributeError(
        "auto_pad", expected: "NOTSET, SAME_UPPER, SAME_LOWER or VALID", actual: name.string)
    }
  }

  static func list(
    _ name: StaticString, _ context: InferenceContext, count: Int, minimum: Int, otherwise: Int
  ) throws(ApusError) -> [Int] {
    guard let values = context.attributes.ints(name) else { return Array(repeating: otherwise, count: count) }
    guard values.count == count else {
      throw context.attributeError(name, expected: "\(count) numbers", actual: "\(values.count)")
    }
    for value in values where value < minimum || value > Int(Int32.max) {
      throw context.attributeError(name, expected: "\(minimum) to \(Int32.max)", actual: "\(value)")
    }
    return values
  }

  /// Input elements that the window spans along an axis: `dilation * (kernel - 1) + 1`.
  public func span(_ axis: Int) throws(ApusError) -> Int {
    try dilations[axis].checkedMultiplied(by: kernel[axis] - 1).checkedAdding(1)
  }

  /// The padding before and after an axis of `extent` input elements, and the number of window positions.
  ///
  /// As ONNX states it: `floor((extent + pads - span) / stride) + 1`, or `ceil` with `ceil_mode`, where a last window that
  /// would begin in the end padding is left out; SAME gives `ceil(extent / stride)` positions.
  /// - Throws: `shape_inference` where the window is larger than the padded input.
  public func resolve(
    _ axis: Int, extent: Int, _ context: InferenceContext
  ) throws(ApusError) -> (begin: Int, end: Int, output: Int) {
    let span = try span(axis)
    let stride = strides[axis]
    var begin = padsBegin[axis]
    var end = padsEnd[axis]
    if autoPad == .sameUpper || autoPad == .sameLower {
      let output = extent / stride + (extent % stride == 0 ? 0 : 1)
      guard output > 0 else { return (0, 0, 0) }
      let needed = try (output - 1).checkedMultiplied(by: stride).checkedAdding(span)
      let total = max(needed - extent, 0)
      begin = autoPad == .sameUpper ? total / 2 : total - total / 2
      return (begin, total - begin, output)
    }
    if autoPad == .valid { (begin, end) = (0, 0) }
    let room = try extent.checkedAdding(begin).checkedAdding(end).checkedSubtracting(span)
    guard room >= 0 else {
      throw context.error(
        "the window is larger than the padded input along spatial axis \(axis)", input: 0,
        expected: "at least \(span) elements", actual: "\(extent) + \(begin) + \(end)")
    }
    var output = room / stride + 1
    if ceilMode, room % stride != 0 {
      // The extra window must begin inside the input or its front padding.
      let start = try output.checkedMultiplied(by: stride)
      if start < extent + begin { output += 1 }
    }
    return (begin, end, output)
  }

  /// The output's spatial dimensions for an input of shape `[N, C, D1, ...]`.
  public func outputDimensions(_ input: Shape, _ context: InferenceContext) throws(ApusError) -> [Dimension] {
    var result: [Dimension] = []
    for axis in kernel.indices {
      if let extent = input[axis + 2].value {
        result.append(.known(try resolve(axis, extent: extent, context).output))
      } else if strides[axis] == 1, autoPad == .sameUpper || autoPad == .sameLower {
        result.append(input[axis + 2])
      } else {
        result.append(.unknown)
      }
    }
    return result
  }
}
