import ApusGraph
import CApusKernels

/// Sizes and steps of a GroupQueryAttention.
private struct GroupQueryAttention {
  let builder: PlanBuilder
  let node: BoundNode
  let batch: Int
  let tokens: Int
  let heads: Int
  let keyHeads: Int
  let size: Int
  let capacity: Int

  init(_ builder: PlanBuilder, _ node: BoundNode) throws(ApusError) {
    self.builder = builder
    self.node = node
    let query = try builder.extents(node.input(0))
    let present = try builder.extents(node.output(1))
    (batch, tokens) = (query[0], query[1])
    (keyHeads, capacity, size) = (present[1], present[2], present[3])
    heads = node.attributes.int("num_heads") ?? 1
  }

  /// Queries, keys and values, dense `[batch, tokens, heads, size]`; out of one tensor where they lie side by side.
  func operands() throws(ApusError) -> [BufferID] {
    let query = try builder.input(node.input(0))
    if let key = node.optionalInput(1), let value = node.optionalInput(2) {
      return [query, try builder.input(key), try builder.input(value)]
    }
    var result: [BufferID] = []
    var start = 0
    for count in [heads, keyHeads, keyHeads] {
      var copy = apusk_block_copy_args()
      copy.rows = Int64(batch * tokens)
      copy.input_offset = Int64(start * size * 4)
      copy.block_bytes = Int64(count * size * 4)
      copy.input_row_bytes = Int64((heads + 2 * keyHeads) * size * 4)
      copy.output_row_bytes = copy.block_bytes
      var plan = apusk_plan()
      apusk_block_copy_plan(&copy, &plan)
      let target = builder.temporary(byteCount: batch * tokens * count * size * 4)
      try builder.emit(plan, copy, from: query, to: target)
      result.append(target)
      start += count
    }
    return result
  }

  /// Where each item's new tokens begin, how many keys it has, and each token's position.
  func positions() throws(ApusError) -> (starts: BufferID, valid: BufferID, positions: BufferID) {
    var arguments = apusk_cache_positions_args()
    arguments.batch = Int64(batch)
    arguments.tokens = Int64(tokens)
    arguments.capacity = Int64(capacity)
    var plan = apusk_plan()
    try builder.check(apusk_cache_positions_plan(&arguments, &plan))
    let (starts, valid) = (builder.temporary(byteCount: batch * 8), builder.temporary(byteCount: batch * 8))
    let positions = builder.temporary(byteCount: try batch.checkedMultiplied(by: tokens).checkedMultiplied(by: 8))
    let lengths = try builder.input(node.input(5))
    let base = arguments
    try builder.emit(plan, [lengths, starts, valid, positions]) { pointers in
      var arguments = base
      arguments.lengths = UnsafePointer(pointers[lengths]?.assumingMemoryBound(to: Int32.self))
      arguments.starts = pointers.integers(starts)
      arguments.valid = pointers.integers(valid)
      arguments.positions = pointers.integers(positions)
      return arguments
    }
    return (starts, valid, positions)
  }

  func rotated(_ source: BufferID, heads: Int, _ positions: BufferID) throws(ApusError) -> BufferID {
    let caches = try builder.extents(node.input(7))
    var arguments = apusk_rotary_args()
    arguments.batch = Int64(batch)
    arguments.sequence = Int64(tokens)
    arguments.heads = Int64(heads)
    arguments.head_size = Int64(size)
    arguments.half = Int64(caches[1])
    arguments.batch_stride = Int64(tokens * heads * size)
    arguments.token_stride = Int64(heads * size)
    arguments.head_stride = Int64(size)
    arguments.position_batch_stride = Int64(tokens)
    arguments.position_token_stride = 1
    arguments.position_operand = 5
    arguments.cache_rows = Int64(caches[0])
    arguments.interleaved = node.attributes.flag("rotary_interleaved") ? 1 : 0
    arguments.scale = 1
    var plan = apusk_plan()
    try builder.check(apusk_rotary_plan(&arguments, &plan))
    let target = builder.temporary(byteCount: batch * tokens * heads * size * 4)
    let (cosine, sine) = (try builder.input(node.input(7)), try builder.input(node.input(8)))
    let base = arguments
    try builder.emit(plan, [source, cosine, sine, positions, target]) { pointers in
      var arguments = base
      arguments.input = UnsafePointer(pointers.floats(source))
      arguments.cosine = UnsafePointer(pointers.floats(cosine))
      arguments.sine = UnsafePointer(pointers.floats(sine))
      arguments.positions = UnsafePointer(pointers.integers(positions))
      arguments.output = pointers.floats(target)
      return arguments
    }
    return target
  }

  /// Past rows and the new ones of `rows` in output `index`.
  func append(_ rows: BufferID, past: Int, output index: Int, starts: BufferID) throws(ApusError) -> AttentionOperand {
    var arguments = apusk_cache_append_args()
    arguments.batch = Int64(batch)
    arguments.heads = Int64(keyHeads)
    arguments.tokens = Int64(tokens)
    arguments.capacity = Int64(capacity)
    arguments.row_bytes = Int64(size * 4)
    arguments.batch_stride = Int64(tokens * keyHeads * size * 4)
    arguments.head_stride = Int64(size * 4)
    arguments.row_stride = Int64(keyHeads * size * 4)
    var old: BufferID?
    if let id = node.optionalInput(past) {
      arguments.past_rows = Int64(try builder.extents(id)[2])
      old = try builder.input(id)
    }
    var plan = apusk_plan()
    try builder.check(apusk_cache_append_plan(&arguments, &plan))
    let present = try builder.output(node.output(index))
    let base = arguments
    try builder.emit(plan, [old, rows, starts, present]) { pointers in
      var arguments = base
      arguments.past = UnsafeRawPointer(pointers.bytes(old))
      arguments.rows = UnsafeRawPointer(pointers[rows])
      arguments.starts = UnsafePointer(pointers.integers(starts))
      arguments.present = pointers[present]
      return arguments
    }
    return AttentionOperand(
      present, batch: batch, heads: keyHeads, length: capacity, size: size, isPacked: false)
  }
}

extension KernelBinding {
  static let groupQueryAttention = KernelBinding(
    "GroupQueryAttention", domain: .microsoft, native: TypeSet(.float32, .int32, .int64)
  ) { builder, node throws(ApusError) in
    let attention = try GroupQueryAttention(builder, node)
    let operands = try attention.operands()
    let (starts, valid, ownPositions) = try attention.positions()
    var (query, key) = (operands[0], operands[1])
    if node.attributes.flag("do_rotary") {
      var positions = ownPositions
      if let id = node.optionalInput(9), try builder.extents(id) == [attention.batch, attention.tokens] {
        positions = try builder.input(id)
      }
      query = try attention.rotated(query, heads: attention.heads, positions)
      key = try attention.rotated(key, heads: attention.keyHeads, positions)
    }
    let keys = try attention.append(key, past: 3, output: 1, starts: starts)
    let values = try attention.append(operands[2], past: 4, output: 2, starts: starts)
    var mask = AttentionMask()
    mask.isCausal = (node.attributes.int("causal") ?? 1) != 0
    mask.causalOffsets = starts
    mask.validKeys = valid
    mask.softcap = node.attributes.float("softcap") ?? 0
    mask.window = max(0, node.attributes.int("local_window_size") ?? -1)
    mask.zeroEmptyRows = true
    if let id = node.optionalInput(10) {
      let shape = try builder.extents(id)
      mask.extents = Array(repeating: 1, count: 4 - shape.count) + shape
      mask.mask = try builder.input(id)
    }
    func packed(_ buffer: BufferID) -> AttentionOperand {
      AttentionOperand(
        buffer, batch: attention.batch, heads: attention.heads, length: attention.tokens, size: attention.size, isPacked: true)
    }
    let stated = node.attributes.float("scale") ?? 0
    let product = AttentionProduct(
      builder: builder, type: .float32, q: packed(query), k: keys, v: values,
      scale: stated == 0 ? 1 / Float(max(attention.size, 1)).squareRoot() : stated)
    try product.emit(mask, output: packed(try builder.output(node.output(0))), stage: 0, stageOutput: nil)
  }
}
