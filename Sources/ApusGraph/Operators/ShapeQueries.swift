// Operators whose results follow from shapes and small operands alone: Shape, Size, Range and filled tensors.

extension OperatorSchema {
  /// The axes `start ..< end` that a Shape node asks for, each bound counted from the end where negative, and clamped.
  private static func askedAxes(_ context: InferenceContext, rank: Int) -> Range<Int> {
    func clamped(_ bound: Int) -> Int { min(max(bound < 0 ? bound + rank : bound, 0), rank) }
    let start = clamped(context.attributes.int("start") ?? 0)
    let end = clamped(context.attributes.int("end") ?? rank)
    return start..<max(start, end)
  }

  /// The extents of a tensor, those of axes `start ..< end`.
  public static let shape = OperatorSchema(
    name: "Shape", versions: [21, 23, 24, 25], inputs: [Parameter("data", .all)],
    outputs: [Parameter("shape", TypeSet(.int64), group: 2)],
    attributes: [AttributeSchema("end", .int), AttributeSchema("start", default: .int(0))],
    contents: { context in
      guard let shape = context.shape(0) else { return nil }
      var extents: [Int64] = []
      for axis in askedAxes(context, rank: shape.rank) {
        guard let extent = shape[axis].value else { return nil }
        extents.append(Int64(extent))
      }
      return extents
    }
  ) { context throws(ApusError) in
    guard let shape = context.shape(0) else { return context.setOutput(0, .int64, Shape([.unknown])) }
    context.setOutput(0, .int64, [askedAxes(context, rank: shape.rank).count])
  }

  /// The number of elements of a tensor.
  public static let size = OperatorSchema(
    name: "Size", versions: [21, 23, 24, 25], inputs: [Parameter("data", .all)],
    outputs: [Parameter("size", TypeSet(.int64), group: 2)],
    contents: { context in
      guard let extents = context.shape(0)?.known, let count = elementCount(extents) else { return nil }
      return [Int64(count)]
    }
  ) { context throws(ApusError) in
    context.setOutput(0, .int64, [])
  }

  /// A tensor of the extents `input`, each element the one of attribute `value` (float32 0 where it is left out).
  public static let constantOfShape = OperatorSchema(
    name: "ConstantOfShape", versions: [21, 23, 24, 25],
    inputs: [Parameter("input", TypeSet(.int64), steers: true)], outputs: [Parameter("output", .all, group: 2)],
    attributes: [AttributeSchema("value", .tensor)]
  ) { context throws(ApusError) in
    var type = ElementType.float32
    if let id = context.attributes.tensor("value") {
      guard id >= 0, Int(id) < context.tensors.count else {
        throw context.attributeError("value", expected: "a tensor of the model", actual: "\(id)")
      }
      let tensor = context.tensors[Int(id)]
      guard elementCount(tensor.dimensions) == 1 else {
        throw context.attributeError(
          "value", expected: "one element", actual: Shape(tensor.dimensions).text(symbols: []))
      }
      type = tensor.elementType
    }
    context.setOutput(0, type, try context.statedShape(0))
  }

  /// The identity matrix, shifted by `k` diagonals, of the extents of the input and the type `dtype` or the input's.
  public static let eyeLike = OperatorSchema(
    name: "EyeLike", versions: [22], inputs: [Parameter("input", .all)], outputs: [Parameter("output", .all, group: 2)],
    attributes: [AttributeSchema("dtype", .int), AttributeSchema("k", default: .int(0))]
  ) { context throws(ApusError) in
    try context.requireRank(0, 2)
    var type = try context.elementType(0)
    if let number = context.attributes.int("dtype") {
      guard let code = Int32(exactly: number), let stated = ElementType(rawValue: code), stated != .string else {
        throw context.attributeError("dtype", expected: "a numeric element type's number", actual: "\(number)")
      }
      type = stated
    }
    context.setOutput(0, type, context.shape(0))
  }

  private static let rangeTypes: TypeSet = [.floats, TypeSet(.int16, .int32, .int64)]

  /// `start, start + delta, ...` up to but without `limit`.
  public static let range = OperatorSchema(
    name: "Range", versions: [11, 27],
    inputs: [
      Parameter("start", rangeTypes, steers: true), Parameter("limit", rangeTypes, steers: true),
      Parameter("delta", rangeTypes, steers: true),
    ],
    outputs: [Parameter("output", rangeTypes)], attributes: [AttributeSchema("stash_type", default: .int(1))]
  ) { context throws(ApusError) in
    context.setOutput(0, try context.elementType(0), Shape([try rangeCount(context)]))
  }

  private static func rangeCount(_ context: InferenceContext) throws(ApusError) -> Dimension {
    if let start = context.input(0)?.integers?.first, let limit = context.input(1)?.integers?.first,
      let delta = context.input(2)?.integers?.first
    {
      guard delta != 0 else { throw context.error("a step of zero", input: 2, expected: "another step") }
      guard delta > 0 ? start < limit : start > limit else { return .known(0) }
      let distance =
        delta > 0 ? Int(limit).subtractingReportingOverflow(Int(start)) : Int(start).subtractingReportingOverflow(Int(limit))
      guard !distance.overflow else { throw Int.overflowError("limit - start of a Range") }
      // The distance is 1 or more here.
      return .known(Int((UInt64(distance.partialValue) - 1) / delta.magnitude) + 1)
    }
    guard let start = context.input(0)?.floats?.first, let limit = context.input(1)?.floats?.first,
      let delta = context.input(2)?.floats?.first
    else { return .unknown }
    let steps = ((limit - start) / delta).rounded(.up)
    guard steps == steps, steps < 0x1p53, let count = Int(exactly: max(steps, 0)) else {
      throw context.error("a range without end", input: 2, expected: "fewer than 2^53 steps", actual: "\(steps)")
    }
    return .known(count)
  }
}

extension InferenceContext {
  /// The shape that the elements of an integer input state; their number alone where they are not known.
  func statedShape(_ index: Int) throws(ApusError) -> Shape? {
    try requireRank(index, 1)
    guard let extents = input(index)?.integers else {
      guard let rank = shape(index)?[0].value, rank <= TypeInference.maximumRank else { return nil }
      return Shape(Array(repeating: .unknown, count: rank))
    }
    for extent in extents where extent < 0 {
      throw error("negative extent", input: index, expected: "0 or more", actual: "\(extent)")
    }
    return Shape(extents.map { Int($0) })
  }
}
