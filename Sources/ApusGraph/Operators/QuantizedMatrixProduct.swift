extension Name {
  /// The domain of the operators that ONNX Runtime adds.
  public static let microsoft: Name = "com.microsoft"
}

/// Products of 8-bit integers. Zero points and scales are scalars, or one for each row of A or column of B.
extension OperatorSchema {
  private static let bytes = TypeSet(.int8, .uint8)

  /// `Y = (A - a_zero_point) (B - b_zero_point)` with matmul's shapes, exact in int32.
  public static let matMulInteger = OperatorSchema(
    name: "MatMulInteger", versions: [10],
    inputs: [
      Parameter("A", bytes), Parameter("B", bytes, group: 2), Parameter("a_zero_point", bytes, .optional),
      Parameter("b_zero_point", bytes, group: 2, .optional),
    ],
    outputs: [Parameter("Y", TypeSet(.int32), group: 3)]
  ) { context throws(ApusError) in
    try context.setMatrixProduct(0, 1, .int32)
  }

  /// Quantized matmul: `y = saturate(round((a - za) (b - zb) * a_scale * b_scale / y_scale) + y_zero_point)`.
  public static let qLinearMatMul = OperatorSchema(
    name: "QLinearMatMul", versions: [21],
    inputs: [
      Parameter("a", bytes), Parameter("a_scale", .floats, group: 4), Parameter("a_zero_point", bytes),
      Parameter("b", bytes, group: 2), Parameter("b_scale", .floats, group: 4), Parameter("b_zero_point", bytes, group: 2),
      Parameter("y_scale", .floats, group: 4), Parameter("y_zero_point", bytes, group: 3),
    ],
    outputs: [Parameter("y", bytes, group: 3)]
  ) { context throws(ApusError) in
    try context.setMatrixProduct(0, 3, try context.elementType(7))
  }

  /// `Y = (A - a_zero_point) (B - b_zero_point) * a_scale * b_scale + bias`, in floats (com.microsoft).
  public static let matMulIntegerToFloat = OperatorSchema(
    domain: .microsoft, name: "MatMulIntegerToFloat", versions: [1],
    inputs: [
      Parameter("A", bytes), Parameter("B", bytes, group: 2), Parameter("a_scale", .floats, group: 3),
      Parameter("b_scale", .floats, group: 3), Parameter("a_zero_point", bytes, .optional),
      Parameter("b_zero_point", bytes, group: 2, .optional), Parameter("bias", .floats, group: 3, .optional),
    ],
    outputs: [Parameter("Y", .floats, group: 3)]
  ) { context throws(ApusError) in
    try context.setMatrixProduct(0, 1, try context.elementType(2))
    try context.requireColumns(6, of: 1)
  }

  /// `Y = alpha * a_scale * b_scale * ((A' - za) (B' - zb) + C)` with C int32, quantized where y_scale is given (com.microsoft).
  public static let qGemm = OperatorSchema(
    domain: .microsoft, name: "QGemm", versions: [1],
    inputs: [
      Parameter("A", bytes), Parameter("a_scale", TypeSet(.float32), group: 3), Parameter("a_zero_point", bytes),
      Parameter("B", bytes, group: 2), Parameter("b_scale", TypeSet(.float32), group: 3),
      Parameter("b_zero_point", bytes, group: 2),
      Parameter("C", TypeSet(.int32), group: 4, .optional), Parameter("y_scale", TypeSet(.float32), group: 3, .optional),
      Parameter("y_zero_point", bytes, group: 5, .optional),
    ],
    outputs: [Parameter("Y", TypeSet(.float32, .int8, .uint8), group: 0)],
    attributes: [
      AttributeSchema("alpha", default: .float(1)), AttributeSchema("transA", default: .int(0)),
      AttributeSchema("transB", default: .int(0)),
    ]
  ) { context throws(ApusError) in
    try context.requireRank(0, 2)
    try context.requireRank(3, 2)
    let type: ElementType = context.input(7) == nil ? .float32 : context.input(8)?.type.elementType ?? .uint8
    guard let a = context.shape(0), let b = context.shape(3) else { return context.setOutput(0, type, nil) }
    let (turnedA, turnedB) = (context.attributes.flag("transA"), context.attributes.flag("transB"))
    _ = try context.unified(a[turnedA ? 0 : 1], b[turnedB ? 1 : 0], "inner extents of A and B")
    context.setOutput(0, type, Shape([a[turnedA ? 1 : 0], b[turnedB ? 0 : 1]]))
  }

  /// `Y = A W^T + bias` with W `[N, K]` stored in 2, 4 or 8 bits, in blocks along K with a scale and a zero point each
  /// (com.microsoft). B `[N, blocks, block_size * bits / 8]`, scales `[N, blocks]`.
  public static let matMulNBits = OperatorSchema(
    domain: .microsoft, name: "MatMulNBits", versions: [1],
    inputs: [
      Parameter("A", .floats), Parameter("B", TypeSet(.uint8), group: 2), Parameter("scales", .floats),
      Parameter("zero_points", [.floats, TypeSet(.uint8)], group: 3, .optional),
      Parameter("g_idx", TypeSet(.int32), group: 4, .optional), Parameter("bias", .floats, .optional),
    ],
    outputs: [Parameter("Y", .floats)],
    attributes: [
      AttributeSchema("K", .int, required: true), AttributeSchema("N", .int, required: true),
      AttributeSchema("bits", default: .int(4)), AttributeSchema("block_size", .int, required: true),
      AttributeSchema("accuracy_level", default: .int(0)), AttributeSchema("weight_prepacked", default: .int(0)),
    ]
  ) { context throws(ApusError) in
    let (k, n, block) = (
      try context.positiveCount("K"), try context.positiveCount("N"), try context.positiveCount("block_size")
    )
    let bits = context.attributes.int("bits") ?? 4
    guard bits == 2 || bits == 4 || bits == 8 else {
      throw context.attributeError("bits", expected: "2, 4 or 8", actual: "\(bits)")
    }
    guard block >= 8, block % 8 == 0 else {
      throw context.attributeError("block_size", expected: "a multiple of 8", actual: "\(block)")
    }
    let blocks = (k - 1) / block + 1
    let columns = try n.checkedMultiplied(by: blocks)
    try context.requireElements(1, try columns.checkedMultiplied(by: block / 8 * bits))
    try context.requireElements(2, columns)
    if let zeros = context.input(3) {
      let packed = try n.checkedMultiplied(by: (blocks * bits + 7) / 8)
      try context.requireElements(3, zeros.type.elementType == .uint8 ? packed : columns)
    }
    guard context.input(4) == nil else {
      throw ApusError(
        .unsupported, "weights in another order along K", operatorName: context.node.label, tensorName: "g_idx",
        expected: "no g_idx")
    }
    try context.requireElements(5, n)
    try context.requireRank(0, atLeast: 1)
    let type = try context.elementType(0)
    guard let a = context.shape(0) else { return context.setOutput(0, type, nil) }
    _ = try context.unified(a[a.rank - 1], .known(k), "K and the last axis of A")
    context.setOutput(0, type, Shape(a.dimensions.dropLast() + [.known(n)]))
  }
}

extension InferenceContext {
  /// Demands as many elements of an input, where its shape is known.
  func requireElements(_ index: Int, _ count: Int) throws(ApusError) {
    guard let extents = shape(index)?.known, elementCount(extents) != count else { return }
    throw error("wrong number of elements", input: index, expected: "\(count)", actual: Shape(extents).text(symbols: []))
  }

  /// Demands one element for each column of a matrix.
  fileprivate func requireColumns(_ index: Int, of matrix: Int) throws(ApusError) {
    guard let columns = shape(matrix)?.dimensions.last?.value else { return }
    try requireElements(index, columns)
  }
}
