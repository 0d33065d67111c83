/// How a Resize treats one axis.
public struct ResizedAxis: Equatable, Sendable {
  public var inputSize: Int
  public var outputSize: Int
  /// Output elements an input element, as given: `outputSize` may be a rounded product.
  public var scale: Double
  /// The part of the axis that tf_crop_and_resize takes, in units of the axis.
  public var roiStart = 0.0
  public var roiEnd = 1.0

  /// Whether the axis stays as it is, whatever the mode.
  public var isIdentity: Bool { inputSize == outputSize && scale == 1 && roiStart == 0 && roiEnd == 1 }
}

extension OperatorSchema {
  /// The input sampled at more or fewer places along some axes, by `scales` or to `sizes`.
  public static let resize = OperatorSchema(
    name: "Resize", versions: [19],
    inputs: [
      Parameter("X", .all), Parameter("roi", .floats, group: 2, .optional, steers: true),
      Parameter("scales", TypeSet(.float32), group: 3, .optional, steers: true),
      Parameter("sizes", TypeSet(.int64), group: 4, .optional, steers: true),
    ],
    outputs: [Parameter("Y", .all)],
    attributes: [
      AttributeSchema("mode", default: .string("nearest")),
      AttributeSchema("coordinate_transformation_mode", default: .string("half_pixel")),
      AttributeSchema("nearest_mode", default: .string("round_prefer_floor")),
      AttributeSchema("cubic_coeff_a", default: .float(-0.75)), AttributeSchema("exclude_outside", default: .int(0)),
      AttributeSchema("extrapolation_value", default: .float(0)), AttributeSchema("antialias", default: .int(0)),
      AttributeSchema("axes", .ints), AttributeSchema("keep_aspect_ratio_policy", default: .string("stretch")),
    ]
  ) { context throws(ApusError) in
    let type = try context.elementType(0)
    guard let shape = context.shape(0) else { return context.setOutput(0, type, nil) }
    if let extents = shape.known, let axes = try context.resizedAxes(extents) {
      return context.setOutput(0, type, Shape(axes.map { $0.outputSize }))
    }
    context.setOutput(0, type, try context.openResizedShape(shape))
  }
}

extension InferenceContext {
  /// The axes that the operands of a Resize are about, in their order.
  private func resizeAxes(rank: Int) throws(ApusError) -> [Int] {
    var axes: [Int] = []
    for axis in attributes.ints("axes") ?? Array(0..<rank) {
      let normalized = try normalizedAxis(axis, rank: rank, attribute: "axes")
      guard !axes.contains(normalized) else {
        throw attributeError("axes", expected: "each axis once", actual: "\(axis) twice")
      }
      axes.append(normalized)
    }
    return axes
  }

  /// Scales or sizes, of which an empty one counts as left out; nil while they are not known.
  private func resizeOperands(_ count: Int) throws(ApusError) -> (scales: [Double]?, sizes: [Int64]?)? {
    // An operand that is left out or has no elements leaves the word to the other.
    let hasSizes = input(3) != nil && shape(3)?.known != [0]
    let hasScales = input(2) != nil && shape(2)?.known != [0]
    let stated: Int
    let result: (scales: [Double]?, sizes: [Int64]?)
    if hasSizes {
      guard let sizes = input(3)?.integers else { return nil }
      (stated, result) = (sizes.count, (nil, sizes))
    } else if hasScales {
      guard let scales = input(2)?.floats else { return nil }
      (stated, result) = (scales.count, (scales, nil))
    } else {
      throw error("neither scales nor sizes", input: 2, expected: "one of them")
    }
    guard stated == count else {
      throw error(
        "one number an axis", input: hasSizes ? 3 : 2, expected: "\(count)", actual: "\(stated)")
    }
    return result
  }

  /// How a Resize treats each axis of a known shape; nil while its operands are not known.
  public func resizedAxes(_ extents: [Int]) throws(ApusError) -> [ResizedAxis]? {
    let axes = try resizeAxes(rank: extents.count)
    guard let operands = try resizeOperands(axes.count) else { return nil }
    var result = extents.map { ResizedAxis(inputSize: $0, outputSize: $0, scale: 1) }
    if let scales = operands.scales {
      for (axis, scale) in zip(axes, scales) {
        // In float, as ONNX's own shape inference multiplies: 1.4 * 5 is 7.
        let size = (Float(scale) * Float(extents[axis])).rounded(.down)
        guard scale > 0, let count = Int(exactly: size) else {
          throw error("no usable scale", input: 2, expected: "a positive number", actual: "\(scale)")
        }
        result[axis].scale = scale
        result[axis].outputSize = count
      }
    }
    if let sizes = operands.sizes { try setSizes(sizes, axes, &result) }
    if attributes.string("coordinate_transformation_mode") == "tf_crop_and_resize" {
      guard let roi = input(1)?.floats else {
        if input(1) != nil { return nil }
        throw error("tf_crop_and_resize needs a region", input: 1, expected: "\(2 * axes.count) numbers")
      }
      guard roi.count == 2 * axes.count else {
        throw error("two numbers an axis", input: 1, expected: "\(2 * axes.count)", actual: "\(roi.count)")
      }
      for (position, axis) in axes.enumerated() {
        result[axis].roiStart = roi[position]
        result[axis].roiEnd = roi[axes.count + position]
      }
    }
    return result
  }

  private func setSizes(_ sizes: [Int64], _ axes: [Int], _ result: inout [ResizedAxis]) throws(ApusError) {
    var ratios: [Double] = []
    for (axis, size) in zip(axes, sizes) {
      guard size >= 0, size == 0 || result[axis].inputSize > 0 else {
        throw error("no usable size", input: 3, expected: "0 or more, 0 for an axis of 0", actual: "\(size)")
      }
      let ratio = result[axis].inputSize == 0 ? 1 : Double(size) / Double(result[axis].inputSize)
      result[axis].outputSize = Int(size)
      result[axis].scale = ratio
      ratios.append(ratio)
    }
    let policy = attributes.string("keep_aspect_ratio_policy") ?? "stretch"
    guard policy != "stretch" else { return }
    guard policy == "not_larger" || policy == "not_smaller" else {
      throw attributeError(
        "keep_aspect_ratio_policy", expected: "stretch, not_larger or not_smaller", actual: policy.string)
    }
    guard let scale = policy == "not_larger" ? ratios.min() : ratios.max() else { return }
    for axis in axes {
      let size = (scale * Double(result[axis].inputSize) + 0.5).rounded(.down)
      guard let count = Int(exactly: size) else { throw Int.overflowError("the sizes of a Resize") }
      result[axis].scale = scale
      result[axis].outputSize = count
    }
  }

  /// What can be told of a Resize's shape while extents or operands are open.
  fileprivate func openResizedShape(_ shape: Shape) throws(ApusError) -> Shape {
    var result = shape
    let axes = try resizeAxes(rank: shape.rank)
    let operands = try resizeOperands(axes.count)
    let isStretched = (attributes.string("keep_aspect_ratio_policy") ?? "stretch") == "stretch"
    for (position, axis) in axes.enumerated() {
      if let sizes = operands?.sizes, isStretched {
        guard sizes[position] >= 0 else {
          throw error("no usable size", input: 3, expected: "0 or more", actual: "\(sizes[position])")
        }
        result[axis] = .known(Int(sizes[position]))
      } else if let scales = operands?.scales, let extent = shape[axis].value {
        result[axis] =
          Int(exactly: (Float(scales[position]) * Float(extent)).rounded(.down)).map { .known(max(0, $0)) } ?? .unknown
      } else if operands?.scales?[position] != 1 {
        result[axis] = .unknown
      }
    }
    return result
  }
}
