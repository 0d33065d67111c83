// Operators that add, remove, repeat or exchange axes.

extension OperatorSchema {
  /// Removes axes of extent 1: those named, or all.
  public static let squeeze = OperatorSchema(
    name: "Squeeze", versions: [21, 23, 24, 25],
    inputs: [Parameter("data", .all), Parameter("axes", TypeSet(.int64), group: 2, .optional, steers: true)],
    outputs: [Parameter("squeezed", .all)]
  ) { context throws(ApusError) in
    let type = try context.elementType(0)
    guard let shape = context.shape(0) else { return context.setOutput(0, type, nil) }
    if context.input(1) == nil {
      // Whether an open extent will be 1 is not known: nor is the rank then.
      guard let extents = shape.known else { return context.setOutput(0, type, nil) }
      return context.setOutput(0, type, Shape(extents.filter { $0 != 1 }))
    }
    guard let axes = try context.statedAxes(1, rank: shape.rank) else {
      guard let count = context.shape(1)?.known?.first, count <= shape.rank else { return context.setOutput(0, type, nil) }
      return context.setOutput(0, type, Shape(Array(repeating: .unknown, count: shape.rank - count)))
    }
    var kept: [Dimension] = []
    for axis in 0..<shape.rank {
      if !axes.contains(axis) {
        kept.append(shape[axis])
      } else if let extent = shape[axis].value, extent != 1 {
        throw context.error("an axis that is not 1 can not be removed", input: 0, expected: "1", actual: "\(extent)")
      }
    }
    context.setOutput(0, type, Shape(kept))
  }

  /// Inserts axes of extent 1 at the places `axes` of the result.
  public static let unsqueeze = OperatorSchema(
    name: "Unsqueeze", versions: [21, 23, 24, 25],
    inputs: [Parameter("data", .all), Parameter("axes", TypeSet(.int64), group: 2, steers: true)],
    outputs: [Parameter("expanded", .all)]
  ) { context throws(ApusError) in
    let type = try context.elementType(0)
    guard let shape = context.shape(0), let count = context.shape(1)?.known.map({ $0.first ?? 1 }) else {
      return context.setOutput(0, type, nil)
    }
    let rank = try shape.rank.checkedAdding(count)
    guard rank <= TypeInference.maximumRank else {
      throw context.error("too many axes", input: 1, expected: "a rank of at most \(TypeInference.maximumRank)")
    }
    guard let axes = try context.statedAxes(1, rank: rank) else {
      return context.setOutput(0, type, Shape(Array(repeating: .unknown, count: rank)))
    }
    var result: [Dimension] = []
    var next = 0
    for axis in 0..<rank {
      if axes.contains(axis) {
        result.append(.known(1))
      } else if next < shape.rank {
        result.append(shape[next])
        next += 1
      }
    }
    context.setOutput(0, type, Shape(result))
  }

  /// The input broadcast with `shape`, in both directions.
  public static let expand = OperatorSchema(
    name: "Expand", versions: [13],
    inputs: [Parameter("input", .all), Parameter("shape", TypeSet(.int64), group: 2, steers: true)],
    outputs: [Parameter("output", .all)]
  ) { context throws(ApusError) in
    let type = try context.elementType(0)
    guard let shape = context.shape(0), let stated = try context.statedShape(1) else {
      return context.setOutput(0, type, nil)
    }
    guard let result = broadcast(shape, stated) else {
      throw context.error(
        "shapes can not be broadcast", input: 1, expected: "compatible with " + shape.text(symbols: []),
        actual: stated.text(symbols: []))
    }
    context.setOutput(0, type, result)
  }

  /// The input, `repeats[d]` times one after the other along each axis d.
  public static let tile = OperatorSchema(
    name: "Tile", versions: [13],
    inputs: [Parameter("input", .all), Parameter("repeats", TypeSet(.int64), group: 2, steers: true)],
    outputs: [Parameter("output", .all)]
  ) { context throws(ApusError) in
    let type = try context.elementType(0)
    guard let shape = context.shape(0) else { return context.setOutput(0, type, nil) }
    guard let repeats = try context.statedShape(1)?.known else {
      return context.setOutput(0, type, Shape(Array(repeating: .unknown, count: shape.rank)))
    }
    guard repeats.count == shape.rank else {
      throw context.error("one repeat an axis", input: 1, expected: "\(shape.rank)", actual: "\(repeats.count)")
    }
    var result = shape
    for axis in 0..<shape.rank where repeats[axis] != 1 {
      result[axis] =
        try shape[axis].value.map { extent throws(ApusError) in
          .known(try extent.checkedMultiplied(by: repeats[axis]))
        } ?? (repeats[axis] == 0 ? .known(0) : .unknown)
    }
    context.setOutput(0, type, result)
  }

  /// Blocks of channels `[N, C * b * b, H, W]` to space `[N, C, H * b, W * b]`.
  public static let depthToSpace = OperatorSchema(
    name: "DepthToSpace", versions: [13], inputs: [Parameter("input", .all)], outputs: [Parameter("output", .all)],
    attributes: [AttributeSchema("mode", default: .string("DCR")), AttributeSchema("blocksize", .int, required: true)]
  ) { context throws(ApusError) in
    let block = try blockSize(context)
    let type = try context.elementType(0)
    guard let mode = context.attributes.string("mode"), mode == "DCR" || mode == "CRD" else {
      throw context.attributeError(
        "mode", expected: "DCR or CRD", actual: context.attributes.string("mode")?.string ?? "nothing")
    }
    guard let shape = context.shape(0) else { return context.setOutput(0, type, nil) }
    context.setOutput(
      0, type,
      Shape([
        shape[0], try quotient(context, shape[1], by: try block.checkedMultiplied(by: block)), try product(shape[2], block),
        try product(shape[3], block),
      ]))
  }

  /// Blocks of space `[N, C, H, W]` to channels `[N, C * b * b, H / b, W / b]`.
  public static let spaceToDepth = OperatorSchema(
    name: "SpaceToDepth", versions: [13], inputs: [Parameter("input", .all)], outputs: [Parameter("output", .all)],
    attributes: [AttributeSchema("blocksize", .int, required: true)]
  ) { context throws(ApusError) in
    let block = try blockSize(context)
    let type = try context.elementType(0)
    guard let shape = context.shape(0) else { return context.setOutput(0, type, nil) }
    context.setOutput(
      0, type,
      Shape([
        shape[0], try product(shape[1], try block.checkedMultiplied(by: block)), try quotient(context, shape[2], by: block),
        try quotient(context, shape[3], by: block),
      ]))
  }

  private static func blockSize(_ context: InferenceContext) throws(ApusError) -> Int {
    try context.requireRank(0, 4)
    guard let block = context.attributes.int("blocksize"), block > 0 else {
      throw context.attributeError(
        "blocksize", expected: "1 or more", actual: "\(context.attributes.int("blocksize") ?? 0)")
    }
    return block
  }

  private static func product(_ dimension: Dimension, _ factor: Int) throws(ApusError) -> Dimension {
    guard factor != 1 else { return dimension }
    guard let extent = dimension.value else { return .unknown }
    return .known(try extent.checkedMultiplied(by: factor))
  }

  private static func quotient(
    _ context: InferenceContext, _ dimension: Dimension, by divisor: Int
  ) throws(ApusError) -> Dimension {
    guard divisor != 1 else { return dimension }
    guard let extent = dimension.value else { return .unknown }
    guard extent % divisor == 0 else {
      throw context.error(
        "an extent is no multiple of the block size", input: 0, expected: "a multiple of \(divisor)", actual: "\(extent)")
    }
    return .known(extent / divisor)
  }

  /// Steps `0 ..< sequence_lens[b]` of each batch entry in reverse order.
  public static let reverseSequence = OperatorSchema(
    name: "ReverseSequence", versions: [10],
    inputs: [Parameter("input", .all), Parameter("sequence_lens", TypeSet(.int64), group: 2)],
    outputs: [Parameter("Y", .all)],
    attributes: [AttributeSchema("batch_axis", default: .int(1)), AttributeSchema("time_axis", default: .int(0))]
  ) { context throws(ApusError) in
    try context.requireRank(0, atLeast: 2)
    try context.requireRank(1, 1)
    let (batch, time) = (context.attributes.int("batch_axis") ?? 1, context.attributes.int("time_axis") ?? 0)
    guard (batch == 0 && time == 1) || (batch == 1 && time == 0) else {
      throw context.attributeError(
        "time_axis", expected: "0 and 1 for the two axes, in either order", actual: "time \(time), batch \(batch)")
    }
    if let shape = context.shape(0), let lengths = context.shape(1) {
      _ = try context.unified(shape[batch], lengths[0], "the batch's extent and the number of lengths")
    }
    try context.propagate()
  }
}

extension InferenceContext {
  /// Axes that an integer input states, each once, negative ones counted from the end; nil while they are not known.
  public func statedAxes(_ index: Int, rank: Int) throws(ApusError) -> [Int]? {
    guard let stated = input(index)?.integers else { return nil }
    var axes: [Int] = []
    for axis in stated {
      guard axis >= Int64(-rank), axis < Int64(rank) else {
        throw error("axis out of range", input: index, expected: "-\(rank) <= axis < \(rank)", actual: "\(axis)")
      }
      let normalized = axis < 0 ? Int(axis) + rank : Int(axis)
      guard !axes.contains(normalized) else {
        throw error("an axis stands twice", input: index, actual: "\(axis)")
      }
      axes.append(normalized)
    }
    return axes
  }
}
