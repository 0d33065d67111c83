extension OperatorSchema {
  /// `Y = alpha A' B' + beta C`, where `A'` and `B'` are A and B, transposed if asked for.
  ///
  /// A' `[M, K]`, B' `[K, N]`, C broadcast to `[M, N]`, Y `[M, N]`.
  public static let gemm = OperatorSchema(
    name: "Gemm", versions: [13],
    inputs: [
      Parameter("A", gemmTypes), Parameter("B", gemmTypes), Parameter("C", gemmTypes, .optional),
    ],
    outputs: [Parameter("Y", gemmTypes)],
    attributes: [
      AttributeSchema("alpha", default: .float(1)), AttributeSchema("beta", default: .float(1)),
      AttributeSchema("transA", default: .int(0)), AttributeSchema("transB", default: .int(0)),
    ]
  ) { context throws(ApusError) in
    try context.requireRank(0, 2)
    try context.requireRank(1, 2)
    let type = try context.elementType(0)
    guard let a = context.shape(0), let b = context.shape(1) else { return context.setOutput(0, type, nil) }
    let transposedA = context.attributes.flag("transA")
    let transposedB = context.attributes.flag("transB")
    _ = try context.unified(a[transposedA ? 0 : 1], b[transposedB ? 1 : 0], "inner extents of A and B")
    let result = Shape([a[transposedA ? 1 : 0], b[transposedB ? 0 : 1]])
    if let c = context.shape(2) {
      guard c.rank <= 2, let whole = broadcast(c, result) else {
        throw context.error(
          "C can not be broadcast", input: 2, expected: result.text(symbols: []), actual: c.text(symbols: []))
      }
      for axis in 0..<2 {
        // One-way: C must not enlarge the product.
        guard let size = result[axis].value, let size2 = whole[axis].value, size != size2 else { continue }
        throw context.error(
          "C is larger than the product", input: 2, expected: result.text(symbols: []), actual: c.text(symbols: []))
      }
    }
    context.setOutput(0, type, result)
  }

  private static let gemmTypes: TypeSet = [.floats, TypeSet(.int32, .int64, .uint32, .uint64)]

  /// NumPy's matmul: the last two axes are matrices, the others broadcast; a vector is a row at the left, a column at the right.
  public static let matMul = OperatorSchema(
    name: "MatMul", versions: [13], inputs: [Parameter("A", gemmTypes), Parameter("B", gemmTypes)],
    outputs: [Parameter("Y", gemmTypes)]
  ) { context throws(ApusError) in
    try context.setMatrixProduct(0, 1, try context.elementType(0))
  }
}

extension InferenceContext {
  /// Declares that output 0 has the shape of NumPy's matmul of inputs `left` and `right`.
  mutating func setMatrixProduct(_ left: Int, _ right: Int, _ type: ElementType) throws(ApusError) {
    try requireRank(left, atLeast: 1)
    try requireRank(right, atLeast: 1)
    guard let a = shape(left), let b = shape(right) else { return setOutput(0, type, nil) }
    _ = try unified(a[a.rank - 1], b[max(b.rank - 2, 0)], "inner extents of A and B")
    let batchA = Shape(Array(a.dimensions.dropLast(2)))
    let batchB = Shape(Array(b.dimensions.dropLast(2)))
    guard let batch = broadcast(batchA, batchB) else {
      throw error("batch axes can not be broadcast", expected: a.text(symbols: []), actual: b.text(symbols: []))
    }
    var result = batch.dimensions
    if a.rank > 1 { result.append(a[a.rank - 2]) }
    if b.rank > 1 { result.append(b[b.rank - 1]) }
    setOutput(0, type, Shape(result))
  }
}
