extension OperatorSchema {
  private static func extreme(_ name: StaticString) -> OperatorSchema {
    OperatorSchema(
      name: name, versions: [13], inputs: [Parameter("data", .numeric)],
      outputs: [Parameter("reduced", TypeSet(.int64), group: 0)],
      attributes: [
        AttributeSchema("axis", default: .int(0)), AttributeSchema("keepdims", default: .int(1)),
        AttributeSchema("select_last_index", default: .int(0)),
      ]
    ) { context throws(ApusError) in
      guard var shape = context.shape(0) else { return context.setOutput(0, .int64, nil) }
      // A scalar is its own only element.
      guard shape.rank > 0 else { return context.setOutput(0, .int64, shape) }
      let axis = try context.normalizedAxis(context.attributes.int("axis") ?? 0, rank: shape.rank)
      if shape[axis] == .known(0) {
        throw context.error("no element is the largest or smallest of none", input: 0, actual: shape.text(symbols: []))
      }
      if context.attributes.flag("keepdims") {
        shape[axis] = .known(1)
      } else {
        shape.dimensions.remove(at: axis)
      }
      context.setOutput(0, .int64, shape)
    }
  }

  /// The places of the largest elements along `axis`: the first of equal ones, or the last with `select_last_index`.
  public static let argMax = extreme("ArgMax")
  /// The places of the smallest elements along `axis`.
  public static let argMin = extreme("ArgMin")

  private static func cumulative(_ name: StaticString, versions: [Int32]) -> OperatorSchema {
    let types: TypeSet = [.floats, TypeSet(.int32, .int64, .uint32, .uint64)]
    return OperatorSchema(
      name: name, versions: versions,
      inputs: [Parameter("x", types), Parameter("axis", .indices, group: 2, steers: true)], outputs: [Parameter("y", types)],
      attributes: [AttributeSchema("exclusive", default: .int(0)), AttributeSchema("reverse", default: .int(0))]
    ) { context throws(ApusError) in
      if let shape = context.shape(0), let axis = context.input(1)?.integers {
        _ = try cumulativeAxis(context, axis, rank: shape.rank)
      }
      try context.propagate()
    }
  }

  private static func cumulativeAxis(_ context: InferenceContext, _ axis: [Int64], rank: Int) throws(ApusError) -> Int {
    guard axis.count == 1 else {
      throw context.error("the axis is one number", input: 1, expected: "1 element", actual: "\(axis.count)")
    }
    return try context.normalizedAxis(Int(axis[0]), rank: rank)
  }

  /// `y[i] = x[0] + ... + x[i]` along the axis that the second operand names; `exclusive` leaves x[i] out, `reverse` starts at
  /// the end.
  public static let cumSum = cumulative("CumSum", versions: [14])
  /// `y[i] = x[0] ... x[i]`, as CumSum.
  public static let cumProd = cumulative("CumProd", versions: [26])

  /// The `K` largest (or smallest) elements along `axis`, in order, and their places; of equal elements the first come first.
  public static let topK = OperatorSchema(
    name: "TopK", versions: [11, 24],
    inputs: [Parameter("X", .numeric), Parameter("K", TypeSet(.int64), group: 2, steers: true)],
    outputs: [Parameter("Values", .numeric), Parameter("Indices", TypeSet(.int64), group: 0)],
    attributes: [
      AttributeSchema("axis", default: .int(-1)), AttributeSchema("largest", default: .int(1)),
      AttributeSchema("sorted", default: .int(1)),
    ]
  ) { context throws(ApusError) in
    let type = try context.elementType(0)
    try context.requireRank(0, atLeast: 1)
    guard var shape = context.shape(0) else {
      context.setOutput(0, type, nil)
      return context.setOutput(1, .int64, nil)
    }
    let axis = try context.normalizedAxis(context.attributes.int("axis") ?? -1, rank: shape.rank)
    if let k = context.input(1)?.integers {
      guard k.count == 1, k[0] >= 0 else {
        throw context.error(
          "K is one count", input: 1, expected: "one number, 0 or more", actual: Shape(k.map { Int($0) }).text(symbols: []))
      }
      if let extent = shape[axis].value, k[0] > extent {
        throw context.error("K is over the extent of the axis", input: 1, expected: "0 to \(extent)", actual: "\(k[0])")
      }
      shape[axis] = .known(Int(k[0]))
    } else {
      shape[axis] = .unknown
    }
    context.setOutput(0, type, shape)
    context.setOutput(1, .int64, shape)
  }

  private static func alongAxis(
    _ name: StaticString, versions: [Int32], _ more: [AttributeSchema] = [],
    _ check: @escaping @Sendable (InferenceContext) throws(ApusError) -> Void = { _ in }
  ) -> OperatorSchema {
    OperatorSchema(
      name: name, versions: versions, inputs: [Parameter("input", .floats)], outputs: [Parameter("output", .floats)],
      attributes: [AttributeSchema("axis", default: .int(-1))] + more
    ) { context throws(ApusError) in
      if let shape = context.shape(0) {
        _ = try context.normalizedAxis(context.attributes.int("axis") ?? -1, rank: max(shape.rank, 1))
      }
      try check(context)
      try context.propagate()
    }
  }

  /// `exp(x - max) / sum(exp(x - max))` along `axis`.
  public static let softmax = alongAxis("Softmax", versions: [13])
  /// `(x - max) - log(sum(exp(x - max)))` along `axis`.
  public static let logSoftmax = alongAxis("LogSoftmax", versions: [13])
  /// 1 at the first of the largest elements along `axis`, else 0.
  public static let hardmax = alongAxis("Hardmax", versions: [13])
  /// `x / norm` along `axis`, the norm being the sum of |x| (`p` 1) or the root of that of x^2 (`p` 2); 0 where it is 0.
  public static let lpNormalization = alongAxis(
    "LpNormalization", versions: [22], [AttributeSchema("p", default: .int(2))]
  ) { context throws(ApusError) in
    let p = context.attributes.int("p") ?? 2
    guard p == 1 || p == 2 else { throw context.attributeError("p", expected: "1 or 2", actual: "\(p)") }
  }
}
