import ApusGraph
import CApusKernels

extension PlanBuilder {
  /// Row-major strides of a dense tensor, in elements.
  fileprivate func strides(_ extents: [Int]) throws(ApusError) -> [Int] {
    var strides = Array(repeating: 1, count: extents.count)
    for axis in extents.indices.dropLast().reversed() {
      strides[axis] = try strides[axis + 1].checkedMultiplied(by: max(1, extents[axis + 1]))
    }
    return strides
  }

  /// The memory of a value that begins as a copy of an operand: the operand's own where it dies here and no other one lies there.
  fileprivate func copied(_ id: ValueID, of operand: ValueID, others: [BufferID?]) throws(ApusError) -> BufferID {
    let source = try input(operand)
    if !others.contains(source), let reused = try output(id, .plain, over: operand, in: .plain) { return reused }
    let target = try output(id)
    try emitCopy(source, target, byteCount: try byteCount(operand))
    return target
  }

  /// The places that tuples of indices name in a tensor of `extents`, after `batches` axes that both share.
  fileprivate func indexTuples(
    _ extents: [Int], _ indices: [Int], batches: Int, width: Int
  ) throws(ApusError) -> apusk_index_tuples {
    let depth = indices.last ?? 0
    let dense = try strides(extents)
    var places = apusk_index_tuples()
    places.tuples = Int64(try checkedElementCount(Array(indices.dropLast())))
    places.batches = Int64(max(1, try checkedElementCount(Array(extents[..<batches]))))
    places.batch_bytes = Int64(try checkedElementCount(Array(extents[batches...])).checkedMultiplied(by: width))
    places.block_bytes = Int64(try checkedElementCount(Array(extents[(batches + depth)...])).checkedMultiplied(by: width))
    places.depth = Int32(depth)
    guard depth <= Int(APUSK_INDEX_MAX_RANK) else { throw rankError(depth) }
    setArray(&places.sizes, extents[batches..<(batches + depth)].map { Int64($0) })
    var strides: [Int64] = []
    for stride in dense[batches..<(batches + depth)] { strides.append(Int64(try stride.checkedMultiplied(by: width))) }
    setArray(&places.strides, strides)
    return places
  }

  fileprivate func rankError(_ rank: Int) -> ApusError {
    ApusError(.unsupported, "too many axes", expected: "at most \(APUSK_INDEX_MAX_RANK)", actual: "\(rank)")
  }
}

extension BoundNode {
  /// What a Scatter does where an update meets an element.
  fileprivate func reduction() throws(ApusError) -> Int32 {
    guard let name = attributes.string("reduction") else { return APUSK_SCATTER_SET }
    if name == "none" { return APUSK_SCATTER_SET }
    if name == "add" { return APUSK_SCATTER_ADD }
    if name == "mul" { return APUSK_SCATTER_MUL }
    if name == "min" { return APUSK_SCATTER_MIN }
    if name == "max" { return APUSK_SCATTER_MAX }
    throw context.attributeError("reduction", expected: "none, add, mul, min or max", actual: name.string)
  }
}

extension KernelBinding {
  static let gatherElements = KernelBinding("GatherElements", native: .wholeBytes) { builder, node throws(ApusError) in
    let (data, indices) = (try builder.extents(node.input(0)), try builder.extents(node.input(1)))
    guard data.count <= Int(APUSK_INDEX_MAX_RANK) else { throw builder.rankError(data.count) }
    var base = apusk_gather_elements_args()
    let axis = try node.context.normalizedAxis(node.attributes.int("axis") ?? 0, rank: data.count)
    base.axis = Int32(axis)
    base.axis_size = Int64(data[axis])
    base.rank = Int32(data.count)
    base.index_bytes = Int32(try builder.elementBytes(node.input(1)))
    base.element_bytes = Int32(try builder.elementBytes(node.input(0)))
    setArray(&base.shape, indices.map { Int64($0) })
    setArray(&base.data_strides, try builder.strides(data).map { Int64($0) })
    var plan = apusk_plan()
    apusk_gather_elements_plan(&base, &plan)
    let (source, places) = (try builder.input(node.input(0)), try builder.input(node.input(1)))
    let target = try builder.output(node.output(0))
    try builder.emit(plan, [source, places, target]) { pointers in
      var arguments = base
      arguments.data = UnsafeRawPointer(pointers[source])
      arguments.indices = UnsafeRawPointer(pointers[places])
      arguments.output = pointers[target]
      return arguments
    }
  }

  static let gatherND = KernelBinding("GatherND", native: .wholeBytes) { builder, node throws(ApusError) in
    var base = apusk_gather_nd_args()
    base.places = try builder.indexTuples(
      try builder.extents(node.input(0)), try builder.extents(node.input(1)),
      batches: node.attributes.int("batch_dims") ?? 0, width: try builder.elementBytes(node.input(0)))
    var plan = apusk_plan()
    apusk_gather_nd_plan(&base, &plan)
    let (source, indices) = (try builder.input(node.input(0)), try builder.input(node.input(1)))
    let target = try builder.output(node.output(0))
    try builder.emit(plan, [source, indices, target]) { pointers in
      var arguments = base
      arguments.places.indices = UnsafePointer(pointers.integers(indices))
      arguments.data = UnsafeRawPointer(pointers[source])
      arguments.output = pointers[target]
      return arguments
    }
  }

  static let scatterND = KernelBinding("ScatterND", native: .wholeBytes) { builder, node throws(ApusError) in
    let type = try builder.elementType(node.input(0))
    var base = apusk_scatter_nd_args()
    base.element_bytes = Int32(try builder.elementBytes(node.input(0)))
    base.element_type = type.rawValue
    base.reduction = try node.reduction()
    base.places = try builder.indexTuples(
      try builder.extents(node.input(0)), try builder.extents(node.input(1)), batches: 0, width: Int(base.element_bytes))
    var plan = apusk_plan()
    try builder.check(apusk_scatter_nd_plan(&base, &plan), type, of: node.input(0))
    let (indices, updates) = (try builder.input(node.input(1)), try builder.input(node.input(2)))
    let target = try builder.copied(node.output(0), of: node.input(0), others: [indices, updates])
    try builder.emit(plan, [indices, updates, target]) { pointers in
      var arguments = base
      arguments.places.indices = UnsafePointer(pointers.integers(indices))
      arguments.updates = UnsafeRawPointer(pointers[updates])
      arguments.output = pointers[target]
      return arguments
    }
  }

  static let scatterElements = KernelBinding("ScatterElements", native: .wholeBytes) { builder, node throws(ApusError) in
    let (data, shape) = (try builder.extents(node.input(0)), try builder.extents(node.input(1)))
    guard data.count <= Int(APUSK_INDEX_MAX_RANK) else { throw builder.rankError(data.count) }
    let type = try builder.elementType(node.input(0))
    var base = apusk_scatter_elements_args()
    let axis = try node.context.normalizedAxis(node.attributes.int("axis") ?? 0, rank: data.count)
    base.axis = Int32(axis)
    base.axis_size = Int64(data[axis])
    base.rank = Int32(data.count)
    base.index_bytes = Int32(try builder.elementBytes(node.input(1)))
    base.element_bytes = Int32(try builder.elementBytes(node.input(0)))
    base.element_type = type.rawValue
    base.reduction = try node.reduction()
    setArray(&base.shape, shape.map { Int64($0) })
    setArray(&base.output_strides, try builder.strides(data).map { Int64($0) })
    var plan = apusk_plan()
    try builder.check(apusk_scatter_elements_plan(&base, &plan), type, of: node.input(0))
    let (indices, updates) = (try builder.input(node.input(1)), try builder.input(node.input(2)))
    let target = try builder.copied(node.output(0), of: node.input(0), others: [indices, updates])
    try builder.emit(plan, [indices, updates, target]) { pointers in
      var arguments = base
      arguments.indices = UnsafeRawPointer(pointers[indices])
      arguments.updates = UnsafeRawPointer(pointers[updates])
      arguments.output = pointers[target]
      return arguments
    }
  }

  static let tensorScatter = KernelBinding("TensorScatter", native: .wholeBytes) { builder, node throws(ApusError) in
    let (cache, update) = (try builder.extents(node.input(0)), try builder.extents(node.input(1)))
    let axis = try node.context.normalizedAxis(node.attributes.int("axis") ?? -2, rank: cache.count)
    var base = apusk_tensor_scatter_args()
    base.batch = Int64(cache[0])
    base.outer = Int64(try checkedElementCount(Array(cache[1..<axis])))
    base.size = Int64(cache[axis])
    base.length = Int64(update[axis])
    base.block_bytes = Int64(
      try checkedElementCount(Array(cache[(axis + 1)...])).checkedMultiplied(by: try builder.elementBytes(node.input(0))))
    base.circular = node.attributes.string("mode") == "circular" ? 1 : 0
    var plan = apusk_plan()
    apusk_tensor_scatter_plan(&base, &plan)
    let updates = try builder.input(node.input(1))
    let starts = try node.optionalInput(2).map { id throws(ApusError) in try builder.input(id) }
    let target = try builder.copied(node.output(0), of: node.input(0), others: [updates, starts])
    try builder.emit(plan, [updates, starts, target]) { pointers in
      var arguments = base
      arguments.starts = UnsafePointer(pointers.integers(starts))
      arguments.updates = UnsafeRawPointer(pointers[updates])
      arguments.output = pointers[target]
      return arguments
    }
  }

  static let oneHot = KernelBinding("OneHot", native: .wholeBytes) { builder, node throws(ApusError) in
    let (indices, extents) = (try builder.extents(node.input(0)), try builder.extents(node.output(0)))
    let axis = try node.context.normalizedAxis(node.attributes.int("axis") ?? -1, rank: extents.count)
    let type = try builder.elementType(node.input(0))
    var base = apusk_one_hot_args()
    base.outer = Int64(try checkedElementCount(Array(indices[..<axis])))
    base.depth = Int64(extents[axis])
    base.inner = Int64(try checkedElementCount(Array(indices[axis...])))
    base.index_type = type.rawValue
    base.element_bytes = Int32(try builder.elementBytes(node.output(0)))
    var plan = apusk_plan()
    try builder.check(apusk_one_hot_plan(&base, &plan), type, of: node.input(0))
    let (places, values) = (try builder.input(node.input(0)), try builder.input(node.input(2)))
    let target = try builder.output(node.output(0))
    try builder.emit(plan, [places, values, target]) { pointers in
      var arguments = base
      arguments.indices = UnsafeRawPointer(pointers[places])
      arguments.values = UnsafeRawPointer(pointers[values])
      arguments.output = pointers[target]
      return arguments
    }
  }

  static let trilu = KernelBinding("Trilu", native: .wholeBytes) { builder, node throws(ApusError) in
    let extents = try builder.extents(node.input(0))
    var base = apusk_trilu_args()
    base.matrices = Int64(try checkedElementCount(Array(extents.dropLast(2))))
    base.rows = Int64(extents[extents.count - 2])
    base.columns = Int64(extents[extents.count - 1])
    base.k = node.context.input(1)?.integers?.first ?? 0
    base.upper = node.attributes.flag("upper") ? 1 : 0
    base.element_bytes = Int32(try builder.elementBytes(node.input(0)))
    var plan = apusk_plan()
    apusk_trilu_plan(&base, &plan)
    let source = try builder.input(node.input(0))
    try builder.emit(plan, base, from: source, to: try builder.output(node.output(0), .plain, over: node.input(0)))
  }

  static let reverseSequence = KernelBinding("ReverseSequence", native: .wholeBytes) { builder, node throws(ApusError) in
    let extents = try builder.extents(node.input(0))
    var base = apusk_reverse_sequence_args()
    (base.rows, base.columns) = (Int64(extents[0]), Int64(extents[1]))
    base.block_bytes = Int64(
      try checkedElementCount(Array(extents[2...])).checkedMultiplied(by: try builder.elementBytes(node.input(0))))
    base.time_axis = Int32(node.attributes.int("time_axis") ?? 0)
    var plan = apusk_plan()
    apusk_reverse_sequence_plan(&base, &plan)
    let (source, lengths) = (try builder.input(node.input(0)), try builder.input(node.input(1)))
    let target = try builder.output(node.output(0))
    try builder.emit(plan, [source, lengths, target]) { pointers in
      var arguments = base
      arguments.input = UnsafeRawPointer(pointers[source])
      arguments.lengths = UnsafePointer(pointers.integers(lengths))
      arguments.output = pointers[target]
      return arguments
    }
  }
}
