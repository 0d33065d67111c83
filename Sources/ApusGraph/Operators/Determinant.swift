extension OperatorSchema {
  /// The determinant of each square matrix of `[..., M, M]`.
  public static let det = OperatorSchema(
    name: "Det", versions: [22], inputs: [Parameter("X", .floats)], outputs: [Parameter("Y", .floats)]
  ) { context throws(ApusError) in
    try context.requireRank(0, atLeast: 2)
    let type = try context.elementType(0)
    guard let shape = context.shape(0) else { return context.setOutput(0, type, nil) }
    _ = try context.unified(shape[shape.rank - 2], shape[shape.rank - 1], "extents of the matrices")
    context.setOutput(0, type, Shape(Array(shape.dimensions.dropLast(2))))
  }
}
