/// The axes that a reduction with the operand `axes` (its second) removes, ascending; nil while they are not known.
///
/// No axes mean all of them, or none with `noop_with_empty_axes`.
public func reducedAxes(_ context: InferenceContext, rank: Int) throws(ApusError) -> [Int]? {
  var axes: [Int] = []
  if context.node.inputs.count > 1, context.node.inputs[1] >= 0 {
    guard let integers = context.input(1)?.integers else { return nil }
    for integer in integers {
      let axis = try context.normalizedAxis(Int(integer), rank: rank, attribute: "axes")
      if axes.contains(axis) { throw context.error("an axis is given twice", input: 1, actual: "\(integer)") }
      axes.append(axis)
    }
  }
  if axes.isEmpty, !context.attributes.flag("noop_with_empty_axes") { return Array(0..<rank) }
  return axes.inOrder()
}

extension OperatorSchema {
  private static let reducible: TypeSet = [.floats, TypeSet(.int32, .int64, .uint32, .uint64)]

  /// What can be compared: the bounds of booleans are false and true.
  private static let ordered: TypeSet = reducible.union(TypeSet(.int8, .uint8, .bool))

  private static func reduction(_ name: StaticString, versions: [Int32] = [18], _ types: TypeSet = reducible) -> OperatorSchema {
    OperatorSchema(
      name: name, versions: versions,
      inputs: [Parameter("data", types), Parameter("axes", TypeSet(.int64), group: 2, .optional, steers: true)],
      outputs: [Parameter("reduced", types)],
      attributes: [
        AttributeSchema("keepdims", default: .int(1)), AttributeSchema("noop_with_empty_axes", default: .int(0)),
      ]
    ) { context throws(ApusError) in
      let type = try context.elementType(0)
      guard let shape = context.shape(0) else { return context.setOutput(0, type, nil) }
      let keepsAxes = context.attributes.flag("keepdims")
      guard let axes = try reducedAxes(context, rank: shape.rank) else {
        let result = keepsAxes ? Shape(Array(repeating: Dimension.unknown, count: shape.rank)) : nil
        return context.setOutput(0, type, result)
      }
      var result: [Dimension] = []
      for axis in 0..<shape.rank {
        if !axes.contains(axis) { result.append(shape[axis]) } else if keepsAxes { result.append(.known(1)) }
      }
      context.setOutput(0, type, Shape(result))
    }
  }

  public static let reduceL1 = reduction("ReduceL1")
  public static let reduceL2 = reduction("ReduceL2")
  public static let reduceLogSum = reduction("ReduceLogSum")
  public static let reduceLogSumExp = reduction("ReduceLogSumExp")
  public static let reduceMax = reduction("ReduceMax", versions: [20], ordered)
  public static let reduceMean = reduction("ReduceMean")
  public static let reduceMin = reduction("ReduceMin", versions: [20], ordered)
  public static let reduceProd = reduction("ReduceProd")
  public static let reduceSum = reduction("ReduceSum", versions: [13])
  public static let reduceSumSquare = reduction("ReduceSumSquare")
}
