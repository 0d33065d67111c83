/// How scales and zero points lie beside the elements that they belong to: per tensor, along an axis, or per block of it.
///
/// Element `[o, a, i]` of the tensor seen as `[outer, axis, inner]` has number
/// `o outerStride + a / block blockStride + i innerStride`.
package struct QuantizationLayout: Sendable {
  package var outer = 1
  package var axis = 1
  package var inner: Int
  package var block = 1
  package var outerStride = 0
  package var blockStride = 0
  package var innerStride = 0

  /// The layout of a node's scale, operand 1, beside operand 0; nil while a shape is not known.
  /// - Throws: where the scale's shape, or that of the zero point, operand 2, does not fit.
  package init?(_ context: InferenceContext) throws(ApusError) {
    guard let x = context.shape(0)?.known, let scale = context.shape(1)?.known else { return nil }
    if let zero = context.shape(2)?.known, zero != scale, elementCount(zero) != 1 || elementCount(scale) != 1 {
      throw context.error(
        "the zero point's shape is not the scale's", input: 2, expected: Shape(scale).text(symbols: []),
        actual: Shape(zero).text(symbols: []))
    }
    inner = try checkedElementCount(x)
    let blockSize = context.attributes.int("block_size") ?? 0
    guard blockSize >= 0 else { throw context.attributeError("block_size", expected: "0 or more", actual: "\(blockSize)") }
    if elementCount(scale) == 1 && blockSize == 0 { return }
    guard !x.isEmpty else {
      throw context.error("a number has one scale", input: 1, expected: "[]", actual: Shape(scale).text(symbols: []))
    }
    // A vector has one axis: the attribute's default is made for matrices.
    let asked = context.attributes.int("axis") ?? 1
    let position = x.count == 1 && asked == 1 ? 0 : try context.normalizedAxis(asked, rank: x.count)
    outer = try checkedElementCount(Array(x[..<position]))
    axis = x[position]
    inner = try checkedElementCount(Array(x[(position + 1)...]))
    var expected = x
    if blockSize == 0 {
      expected = [axis]
      blockStride = 1
    } else {
      block = blockSize
      expected[position] = axis / blockSize + (axis % blockSize == 0 ? 0 : 1)
      blockStride = inner
      outerStride = try expected[position].checkedMultiplied(by: inner)
      // One scale for all of a block where the axis is the last one.
      innerStride = inner == 1 ? 0 : 1
    }
    guard scale == expected else {
      throw context.error(
        "the scale does not fit the operand", input: 1, expected: Shape(expected).text(symbols: []),
        actual: Shape(scale).text(symbols: []))
    }
  }
}

extension OperatorSchema {
  private static let quantizationVersions: [Int32] = [21, 23, 24, 25]
  private static let float8 = TypeSet(.float8e4m3fn, .float8e4m3fnuz, .float8e5m2, .float8e5m2fnuz)
  private static let quantized: TypeSet = [TypeSet(.int8, .uint8, .int16, .uint16), .packed, float8]
  private static let scales = TypeSet(.float32, .float16, .bfloat16, .float8e8m0)

  private static func quantize(domain: Name, versions: [Int32]) -> OperatorSchema {
    OperatorSchema(
      domain: domain, name: "QuantizeLinear", versions: versions,
      inputs: [
        Parameter("x", TypeSet(.float32, .float16, .bfloat16, .int32)),
        Parameter("y_scale", [scales, TypeSet(.int32)], group: 2),
        Parameter("y_zero_point", quantized, group: 3, .optional),
      ],
      outputs: [Parameter("y", quantized, group: 3)],
      attributes: [
        AttributeSchema("axis", default: .int(1)), AttributeSchema("block_size", default: .int(0)),
        AttributeSchema("output_dtype", default: .int(0)), AttributeSchema("precision", default: .int(0)),
        AttributeSchema("saturate", default: .int(1)),
      ]
    ) { context throws(ApusError) in
      _ = try QuantizationLayout(context)
      let precision = context.attributes.int("precision") ?? 0
      if precision != 0 { _ = try context.elementType("precision", among: .floats) }
      var type = ElementType.uint8
      if context.attributes.int("output_dtype") ?? 0 != 0 { type = try context.elementType("output_dtype", among: quantized) }
      if let zero = context.input(2)?.type.elementType {
        guard context.attributes.int("output_dtype") ?? 0 == 0 || zero == type else {
          throw context.attributeError("output_dtype", expected: zero.name.text, actual: type.name.text)
        }
        type = zero
      }
      context.setOutput(0, type, context.shape(0))
    }
  }

  /// `clamp(round(x / scale) + zero point)`, halves to even, per tensor, axis or block.
  public static let quantizeLinear = quantize(domain: .onnx, versions: quantizationVersions)
  /// The standard's form for the types that it had not.
  public static let microsoftQuantizeLinear = quantize(domain: "com.microsoft", versions: [1])

  private static func dequantize(domain: Name, versions: [Int32]) -> OperatorSchema {
    OperatorSchema(
      domain: domain, name: "DequantizeLinear", versions: versions,
      inputs: [
        Parameter("x", [quantized, TypeSet(.int32)]), Parameter("x_scale", scales, group: 2),
        Parameter("x_zero_point", [quantized, TypeSet(.int32)], .optional),
      ],
      outputs: [Parameter("y", TypeSet(.float32, .float16, .bfloat16), group: 3)],
      attributes: [
        AttributeSchema("axis", default: .int(1)), AttributeSchema("block_size", default: .int(0)),
        AttributeSchema("output_dtype", default: .int(0)),
      ]
    ) { context throws(ApusError) in
      _ = try QuantizationLayout(context)
      var type = try context.elementType(1)
      if type == .float8e8m0 { type = .float32 }
      if context.attributes.int("output_dtype") ?? 0 != 0 {
        type = try context.elementType("output_dtype", among: TypeSet(.float32, .float16, .bfloat16))
      }
      context.setOutput(0, type, context.shape(0))
    }
  }

  /// `(x - zero point) scale`, per tensor, axis or block.
  public static let dequantizeLinear = dequantize(domain: .onnx, versions: quantizationVersions)
  /// The standard's form for the types that it had not.
  public static let microsoftDequantizeLinear = dequantize(domain: "com.microsoft", versions: [1])

  /// x as uint8 with the scale and zero point that its range, widened to hold 0, asks for.
  public static let dynamicQuantizeLinear = OperatorSchema(
    name: "DynamicQuantizeLinear", versions: [11], inputs: [Parameter("x", TypeSet(.float32))],
    outputs: [
      Parameter("y", TypeSet(.uint8), group: 2), Parameter("y_scale", TypeSet(.float32), group: 3),
      Parameter("y_zero_point", TypeSet(.uint8), group: 2),
    ]
  ) { context throws(ApusError) in
    context.setOutput(0, .uint8, context.shape(0))
    context.setOutput(1, .float32, [])
    context.setOutput(2, .uint8, [])
  }
}

extension OperatorSchema {
  /// DynamicQuantizeLinear of the elements from `axis` on, for each index of the axes before it: y, and scale and zero point with
  /// the extents of x before `axis` and 1 for the others. With the last axis, rows of a matrix each keep their own range.
  public static let dynamicQuantizeRows = OperatorSchema(
    domain: .apus, name: "DynamicQuantizeLinear", versions: [1], inputs: [Parameter("x", TypeSet(.float32))],
    outputs: [
      Parameter("y", TypeSet(.uint8), group: 2), Parameter("y_scale", TypeSet(.float32), group: 3),
      Parameter("y_zero_point", TypeSet(.uint8), group: 2),
    ],
    attributes: [AttributeSchema("axis", default: .int(-1))]
  ) { context throws(ApusError) in
    try context.requireRank(0, atLeast: 1)
    context.setOutput(0, .uint8, context.shape(0))
    var parameters = context.shape(0)
    if let shape = parameters {
      let axis = try context.normalizedAxis(context.attributes.int("axis") ?? -1, rank: shape.rank)
      parameters = Shape(Array(shape.dimensions[..<axis]) + Array(repeating: .known(1), count: shape.rank - axis))
    }
    context.setOutput(1, .float32, parameters)
    context.setOutput(2, .uint8, parameters)
  }
}

extension InferenceContext {
  /// The element type that an attribute names by its number, one of `types`.
  func elementType(_ attribute: StaticString, among types: TypeSet) throws(ApusError) -> ElementType {
    let type = try elementType(attribute: attribute)
    guard types.contains(type) else {
      throw attributeError(attribute, expected: types.text, actual: type.name.text)
    }
    return type
  }
}
