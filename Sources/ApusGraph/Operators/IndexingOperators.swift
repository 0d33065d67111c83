// Operators that read or write elements at places told by other tensors.

extension OperatorSchema {
  /// `output[i, j, k] = data[indices[i, j, k], j, k]`, for axis 0.
  public static let gatherElements = OperatorSchema(
    name: "GatherElements", versions: [13], inputs: [Parameter("data", .all), Parameter("indices", .indices, group: 2)],
    outputs: [Parameter("output", .all)], attributes: [AttributeSchema("axis", default: .int(0))]
  ) { context throws(ApusError) in
    try context.checkElementIndices()
    context.setOutput(0, try context.elementType(0), context.shape(1))
  }

  /// Slices of `data` at tuples of indices: `output[i...] = data[b..., indices[i...]]`.
  public static let gatherND = OperatorSchema(
    name: "GatherND", versions: [13],
    inputs: [Parameter("data", .all), Parameter("indices", TypeSet(.int64), group: 2)], outputs: [Parameter("output", .all)],
    attributes: [AttributeSchema("batch_dims", default: .int(0))]
  ) { context throws(ApusError) in
    let type = try context.elementType(0)
    try context.requireRank(0, atLeast: 1)
    try context.requireRank(1, atLeast: 1)
    guard let data = context.shape(0), let indices = context.shape(1), let depth = indices.dimensions.last?.value else {
      return context.setOutput(0, type, nil)
    }
    let batches = context.attributes.int("batch_dims") ?? 0
    guard batches >= 0, batches < min(data.rank, indices.rank) else {
      throw context.attributeError(
        "batch_dims", expected: "0 <= batch_dims < \(min(data.rank, indices.rank))", actual: "\(batches)")
    }
    guard depth <= data.rank - batches else {
      throw context.error(
        "tuples longer than the data's rank", input: 1, expected: "at most \(data.rank - batches)", actual: "\(depth)")
    }
    for axis in 0..<batches {
      _ = try context.unified(data[axis], indices[axis], "extents of batch axis \(axis)")
    }
    context.setOutput(
      0, type, Shape(Array(indices.dimensions.dropLast() + data.dimensions[(batches + depth)...])))
  }

  /// `data` with `updates[i, j, k]` written to, or combined with, `[indices[i, j, k], j, k]`, for axis 0.
  public static let scatterElements = OperatorSchema(
    name: "ScatterElements", versions: [18],
    inputs: [Parameter("data", .all), Parameter("indices", .indices, group: 2), Parameter("updates", .all)],
    outputs: [Parameter("output", .all)],
    attributes: [AttributeSchema("reduction", default: .string("none")), AttributeSchema("axis", default: .int(0))]
  ) { context throws(ApusError) in
    try context.checkElementIndices()
    if let indices = context.shape(1), let updates = context.shape(2) {
      guard indices.rank == updates.rank else {
        throw context.error(
          "updates and indices have different ranks", input: 2, expected: indices.text(symbols: []),
          actual: updates.text(symbols: []))
      }
      for axis in 0..<indices.rank {
        _ = try context.unified(indices[axis], updates[axis], "extents of indices and updates along axis \(axis)")
      }
    }
    try context.propagate()
  }

  /// `data` with the slices at tuples of `indices` replaced by, or combined with, those of `updates`.
  public static let scatterND = OperatorSchema(
    name: "ScatterND", versions: [18],
    inputs: [Parameter("data", .all), Parameter("indices", TypeSet(.int64), group: 2), Parameter("updates", .all)],
    outputs: [Parameter("output", .all)], attributes: [AttributeSchema("reduction", default: .string("none"))]
  ) { context throws(ApusError) in
    try context.requireRank(0, atLeast: 1)
    try context.requireRank(1, atLeast: 1)
    if let data = context.shape(0), let indices = context.shape(1), let depth = indices.dimensions.last?.value {
      guard depth <= data.rank else {
        throw context.error(
          "tuples longer than the data's rank", input: 1, expected: "at most \(data.rank)", actual: "\(depth)")
      }
      if let updates = context.shape(2) {
        let expected = Shape(Array(indices.dimensions.dropLast() + data.dimensions[depth...]))
        guard expected.rank == updates.rank else {
          throw context.error(
            "wrong shape", input: 2, expected: expected.text(symbols: []), actual: updates.text(symbols: []))
        }
        for axis in 0..<expected.rank {
          _ = try context.unified(expected[axis], updates[axis], "extents of indices and updates along axis \(axis)")
        }
      }
    }
    try context.propagate()
  }

  /// A cache with `update` written over its rows from `write_indices[b]` on, for each batch entry b.
  public static let tensorScatter = OperatorSchema(
    name: "TensorScatter", versions: [24],
    inputs: [
      Parameter("past_cache", .all), Parameter("update", .all),
      Parameter("write_indices", TypeSet(.int64), group: 2, .optional),
    ],
    outputs: [Parameter("present_cache", .all)],
    attributes: [AttributeSchema("mode", default: .string("linear")), AttributeSchema("axis", default: .int(-2))]
  ) { context throws(ApusError) in
    guard let mode = context.attributes.string("mode"), mode == "linear" || mode == "circular" else {
      throw context.attributeError(
        "mode", expected: "linear or circular", actual: context.attributes.string("mode")?.string ?? "nothing")
    }
    try context.requireRank(0, atLeast: 2)
    if let cache = context.shape(0), let update = context.shape(1) {
      let axis = try context.normalizedAxis(context.attributes.int("axis") ?? -2, rank: cache.rank)
      guard axis > 0 else { throw context.attributeError("axis", expected: "an axis after the batch's", actual: "0") }
      guard update.rank == cache.rank else {
        throw context.error("wrong rank", input: 1, expected: "\(cache.rank)", actual: "\(update.rank)")
      }
      for other in 0..<cache.rank where other != axis {
        _ = try context.unified(cache[other], update[other], "extents of cache and update along axis \(other)")
      }
      if let size = cache[axis].value, let length = update[axis].value, length > size {
        throw context.error("more rows than the cache has", input: 1, expected: "at most \(size)", actual: "\(length)")
      }
      try context.requireRank(2, 1)
      if let starts = context.shape(2) {
        _ = try context.unified(cache[0], starts[0], "the batch's extent and the number of write_indices")
      }
    }
    try context.propagate()
  }

  /// `values[1]` where an index is the position along a new axis of `depth` elements, else `values[0]`.
  public static let oneHot = OperatorSchema(
    name: "OneHot", versions: [11],
    inputs: [
      Parameter("indices", .numeric), Parameter("depth", .numeric, group: 2, steers: true),
      Parameter("values", .all, group: 3),
    ],
    outputs: [Parameter("output", .all, group: 3)], attributes: [AttributeSchema("axis", default: .int(-1))]
  ) { context throws(ApusError) in
    let type = try context.elementType(2)
    if let values = context.shape(2)?.known, values != [2] {
      throw context.error("wrong shape", input: 2, expected: "[2]", actual: Shape(values).text(symbols: []))
    }
    guard let indices = context.shape(0) else { return context.setOutput(0, type, nil) }
    let axis = try context.normalizedAxis(context.attributes.int("axis") ?? -1, rank: indices.rank + 1)
    var depth: Int?
    if let integers = context.input(1)?.integers { depth = integers.first.map { Int($0) } }
    if let floats = context.input(1)?.floats { depth = floats.first.flatMap { Int(exactly: $0.rounded(.towardZero)) } }
    if let depth, depth < 0 { throw context.error("negative depth", input: 1, expected: "0 or more", actual: "\(depth)") }
    var result = indices.dimensions
    result.insert(depth.map { .known($0) } ?? .unknown, at: axis)
    context.setOutput(0, type, Shape(result))
  }

  /// The upper or lower triangle of matrices, from diagonal `k` on; the rest is zero.
  public static let trilu = OperatorSchema(
    name: "Trilu", versions: [14],
    inputs: [Parameter("input", .all), Parameter("k", TypeSet(.int64), group: 2, .optional, steers: true)],
    outputs: [Parameter("output", .all)], attributes: [AttributeSchema("upper", default: .int(1))]
  ) { context throws(ApusError) in
    try context.requireRank(0, atLeast: 2)
    try context.propagate()
  }

  // MARK: Results whose size depends on data

  /// The indices `[rank, found]` of all elements that are not zero.
  public static let nonZero = OperatorSchema(
    name: "NonZero", versions: [13], inputs: [Parameter("X", .all)],
    outputs: [Parameter("Y", TypeSet(.int64), group: 2)]
  ) { context throws(ApusError) in
    context.setOutput(0, .int64, Shape([context.shape(0).map { .known($0.rank) } ?? .unknown, .unknown]))
  }

  /// The slices along `axis`, or the elements, whose condition is true.
  public static let compress = OperatorSchema(
    name: "Compress", versions: [11], inputs: [Parameter("input", .all), Parameter("condition", TypeSet(.bool), group: 2)],
    outputs: [Parameter("output", .all)], attributes: [AttributeSchema("axis", .int)]
  ) { context throws(ApusError) in
    let type = try context.elementType(0)
    try context.requireRank(1, 1)
    guard let stated = context.attributes.int("axis") else { return context.setOutput(0, type, Shape([.unknown])) }
    guard var shape = context.shape(0) else { return context.setOutput(0, type, nil) }
    shape[try context.normalizedAxis(stated, rank: shape.rank)] = .unknown
    context.setOutput(0, type, shape)
  }

  /// The different slices along `axis`, or elements, with first positions, classes and counts.
  public static let unique = OperatorSchema(
    name: "Unique", versions: [11], inputs: [Parameter("X", .all)],
    outputs: [
      Parameter("Y", .all), Parameter("indices", TypeSet(.int64), group: 2, .optional),
      Parameter("inverse_indices", TypeSet(.int64), group: 2, .optional),
      Parameter("counts", TypeSet(.int64), group: 2, .optional),
    ],
    attributes: [AttributeSchema("axis", .int), AttributeSchema("sorted", default: .int(1))]
  ) { context throws(ApusError) in
    let type = try context.elementType(0)
    for index in 1..<4 { context.setOutput(index, .int64, Shape([.unknown])) }
    guard let stated = context.attributes.int("axis") else { return context.setOutput(0, type, Shape([.unknown])) }
    guard var shape = context.shape(0) else { return context.setOutput(0, type, nil) }
    let axis = try context.normalizedAxis(stated, rank: shape.rank)
    context.setOutput(2, .int64, Shape([shape[axis]]))
    shape[axis] = .unknown
    context.setOutput(0, type, shape)
  }
}

extension InferenceContext {
  /// What GatherElements and ScatterElements demand: indices of the data's rank, inside of it along all axes but one.
  fileprivate func checkElementIndices() throws(ApusError) {
    try requireRank(0, atLeast: 1)
    guard let data = shape(0), let indices = shape(1) else { return }
    guard data.rank == indices.rank else {
      throw error("wrong rank", input: 1, expected: "\(data.rank)", actual: "\(indices.rank)")
    }
    let axis = try normalizedAxis(attributes.int("axis") ?? 0, rank: data.rank)
    for other in 0..<data.rank where other != axis {
      guard let extent = data[other].value, let asked = indices[other].value, asked > extent else { continue }
      throw error(
        "indices reach beyond the data along axis \(other)", input: 1, expected: "at most \(extent)", actual: "\(asked)")
    }
  }
}
