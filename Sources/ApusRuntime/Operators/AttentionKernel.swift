import ApusGraph
import CApusKernels

/// Queries, keys or values as an attention reads them: matrices `[length, size]`, one for each batch item and head.
struct AttentionOperand {
  var buffer: BufferID
  let batch: Int
  let heads: Int
  let length: Int
  let size: Int
  /// Elements from item to item, head to head and row to row.
  var batchStride: Int
  var headStride: Int
  var rowStride: Int

  /// Dense `[batch, heads, length, size]`, or `[batch, length, heads, size]` where `isPacked`.
  init(_ buffer: BufferID, batch: Int, heads: Int, length: Int, size: Int, isPacked: Bool) {
    self.buffer = buffer
    self.batch = batch
    self.heads = heads
    self.length = length
    self.size = size
    batchStride = heads &* length &* size
    headStride = isPacked ? size : length &* size
    rowStride = isPacked ? heads &* size : size
  }

  /// Where the matrix of each item and head begins.
  func offsets() -> [Int64] {
    var result: [Int64] = []
    for item in 0..<batch {
      for head in 0..<heads { result.append(Int64(item * batchStride + head * headStride)) }
    }
    return result
  }

  /// From item to item, head to head and row to row.
  var strides: (Int64, Int64, Int64) { (Int64(batchStride), Int64(headStride), Int64(rowStride)) }

  var isDense: Bool { headStride == length &* size }
}

/// How scores become weights.
struct AttentionMask {
  var mask: BufferID?
  /// Extents `[batch, heads, queries, keys]`; the first three are 1 where it is broadcast, the last may end early.
  var extents = [1, 1, 1, 1]
  var isBool = false
  var validKeys: BufferID?
  var isCausal = false
  var causalOffset = 0
  /// The same for each batch item.
  var causalOffsets: BufferID?
  var window = 0
  var softcap: Float = 0
  var zeroEmptyRows = false

  /// What a step that uses it reads.
  var buffers: [BufferID?] { [mask, validKeys, causalOffsets] }

  func arguments(_ pointers: PointerTable) -> apusk_attention_mask {
    var result = apusk_attention_mask()
    result.mask = UnsafeRawPointer(pointers.bytes(mask))
    result.valid_keys = UnsafePointer(pointers.integers(validKeys))
    result.offsets = UnsafePointer(pointers.integers(causalOffsets))
    result.mask_keys = Int64(extents[3])
    result.mask_key = 1
    result.mask_query = extents[2] == 1 ? 0 : Int64(extents[3])
    result.mask_head = extents[1] == 1 ? 0 : Int64(extents[2] * extents[3])
    result.mask_batch = extents[0] == 1 ? 0 : Int64(extents[1] * extents[2] * extents[3])
    result.mask_is_bool = isBool ? 1 : 0
    result.is_causal = isCausal ? 1 : 0
    result.causal_offset = Int64(causalOffset)
    result.window = Int64(window)
    return result
  }
}

/// One attention: softmax(Q K^T * scale + mask) V.
struct AttentionProduct {
  let builder: PlanBuilder
  let type: ElementType
  let q: AttentionOperand
  let k: AttentionOperand
  let v: AttentionOperand
  let scale: Float
  /// Query heads for each head of keys and values.
  var group: Int { q.heads / k.heads }

  /// Emits `left [L, inner] right` for each query head; `turned` reads the right operand transposed.
  private func multiply(
    _ left: AttentionOperand, _ right: AttentionOperand, turned: Bool, scale: Float, into result: AttentionOperand
  ) throws(ApusError) {
    guard type == .float32 else {
      return try contract(left, right, turned: turned, scale: scale, into: result)
    }
    let (inner, columns) = turned ? (right.size, right.length) : (right.length, right.size)
    let operand = RightOperand(
      source: .buffer(right.buffer), k: inner, n: columns, strideK: turned ? 1 : right.rowStride,
      strideN: turned ? right.rowStride : 1, count: right.batch * right.heads, offsets: right.offsets())
    var product = MatrixProduct(a: left.buffer, right: operand, m: left.length)
    product.arguments.batches = Int64(left.batch * left.heads)
    product.arguments.a_row_stride = Int64(left.rowStride)
    product.arguments.c_row_stride = Int64(result.rowStride)
    product.arguments.tail.scale = scale
    product.offsetsA = left.offsets()
    product.matricesB = (0..<left.batch * left.heads).map { Int64($0 / group) }
    product.offsetsC = result.offsets()
    try builder.emitProduct(product, output: result.buffer)
  }

  /// The same for float64. The kernel writes dense results, so a packed one is written item by item, row by row, head by head.
  private func contract(
    _ left: AttentionOperand, _ right: AttentionOperand, turned: Bool, scale: Float, into result: AttentionOperand
  ) throws(ApusError) {
    let (inner, columns) = turned ? (right.size, right.length) : (right.length, right.size)
    let (strideK, strideN) = turned ? (1, right.rowStride) : (right.rowStride, 1)
    var arguments = apusk_contract_args.plain
    arguments.alpha = scale
    let heads: [(extent: Int, a: Int, b: Int)] = [
      (right.heads, group * left.headStride, right.headStride), (group, left.headStride, 0),
    ]
    let rows = [(extent: left.length, a: left.rowStride, b: 0)]
    let item = [(extent: left.batch, a: left.batchStride, b: right.batchStride)]
    let axes = item + (result.isDense ? heads + rows : rows + heads) + [(extent: columns, a: 0, b: strideN)]
    for axis in axes {
      try builder.check(apusk_contract_add_axis(&arguments, Int64(axis.extent), Int64(axis.a), Int64(axis.b), 0))
    }
    try builder.check(
      apusk_contract_add_sum(&arguments, Int64(inner), 1, Int64(strideK)))
    try builder.emitContraction(
      arguments, type, a: left.buffer, b: right.buffer, output: result.buffer)
  }

  /// Emits the attention into `output`.
  /// - Parameters:
  ///   - stage: which scores `stageOutput` receives: 0 the products, 1 after softcap, 2 with the mask, 3 the weights.
  func emit(
    _ mask: AttentionMask, output: AttentionOperand, stage: Int, stageOutput: BufferID?
  ) throws(ApusError) {
    guard type != .float32 || stageOutput != nil else { return try emitFused(mask, output: output) }
    let (heads, queries, keys) = (q.heads, q.length, k.length)
    let count = try checkedElementCount([q.batch, heads, queries, keys])
    let bytes = try count.checkedMultiplied(by: type.byteWidth ?? 4)
    var scores = builder.temporary(byteCount: bytes)
    var weights = scores
    if let stageOutput, stage == 0 {
      scores = stageOutput
    } else if let stageOutput, stage == 3 {
      weights = stageOutput
    }
    func matrices(_ buffer: BufferID) -> AttentionOperand {
      AttentionOperand(buffer, batch: q.batch, heads: heads, length: queries, size: keys, isPacked: false)
    }
    try multiply(q, k, turned: true, scale: scale, into: matrices(scores))
    try emitWeights(mask, scores, weights, stage: stage == 1 || stage == 2 ? stageOutput : nil, stage)
    try multiply(matrices(weights), v, turned: false, scale: 1, into: output)
  }

  /// One step, in which no score leaves the cache.
  private func emitFused(_ mask: AttentionMask, output: AttentionOperand) throws(ApusError) {
    var arguments = apusk_attention_f32_args()
    arguments.batch = Int64(q.batch)
    arguments.heads = Int64(k.heads)
    arguments.group = Int64(group)
    arguments.queries = Int64(q.length)
    arguments.keys = Int64(k.length)
    arguments.size = Int64(q.size)
    arguments.value_size = Int64(v.size)
    (arguments.q_batch, arguments.q_head, arguments.q_row) = q.strides
    (arguments.k_batch, arguments.k_head, arguments.k_row) = k.strides
    (arguments.v_batch, arguments.v_head, arguments.v_row) = v.strides
    (arguments.output_batch, arguments.output_head, arguments.output_row) = output.strides
    arguments.scale = scale
    arguments.softcap = mask.softcap
    arguments.zero_empty_rows = mask.zeroEmptyRows || k.length == 0 ? 1 : 0
    var plan = apusk_plan()
    try builder.check(apusk_attention_f32_plan(builder.level, &arguments, &plan))
    let base = arguments
    let (query, key, value, result) = (q.buffer, k.buffer, v.buffer, output.buffer)
    try builder.emit(plan, [query, key, value, result] + mask.buffers) { pointers in
      var arguments = base
      arguments.q = UnsafePointer(pointers.floats(query))
      arguments.k = UnsafePointer(pointers.floats(key))
      arguments.v = UnsafePointer(pointers.floats(value))
      arguments.output = pointers.floats(result)
      arguments.mask = mask.arguments(pointers)
      return arguments
    }
  }

  private func emitWeights(
    _ mask: AttentionMask, _ scores: BufferID, _ weights: BufferID, stage: BufferID?, _ kind: Int
  ) throws(ApusError) {
    var arguments = apusk_attention_weights_args()
    arguments.element_type = type.rawValue
    arguments.batch = Int64(q.batch)
    arguments.heads = Int64(q.heads)
    arguments.queries = Int64(q.length)
    arguments.keys = Int64(k.length)
    arguments.softcap = mask.softcap
    arguments.zero_empty_rows = mask.zeroEmptyRows ? 1 : 0
    arguments.stage_kind = Int32(kind)
    var plan = apusk_plan()
    try builder.check(apusk_attention_weights_plan(&arguments, &plan))
    let base = arguments
    try builder.emit(plan, [scores, weights, stage] + mask.buffers) { pointers in
      var arguments = base
      arguments.scores = UnsafeRawPointer(pointers[scores])
      arguments.weights = pointers[weights]
      arguments.stage = pointers.bytes(stage)
      arguments.mask = mask.arguments(pointers)
      return arguments
    }
  }
}

extension PlanBuilder {
  /// Past rows and then new ones, dense `[batch, heads, past + length, size]`: written to `present`, or to memory of the
  /// step's own.
  func emitPresent(
    _ past: (buffer: BufferID, length: Int)?, _ new: AttentionOperand, type: ElementType, present: BufferID?
  ) throws(ApusError) -> AttentionOperand {
    if past == nil, present == nil { return new }
    let width = type.byteWidth ?? 4
    let length = new.length + (past?.length ?? 0)
    let count = try checkedElementCount([new.batch, new.heads, length, new.size])
    let bytes = try count.checkedMultiplied(by: width)
    let target = present ?? temporary(byteCount: bytes)
    var source = new.buffer
    if !new.isDense {
      // `new` has no more elements than `present`, whose bytes did not overflow.
      source = past == nil ? target : temporary(byteCount: new.batch * new.heads * new.length * new.size * width)
      try emitTranspose(
        new.buffer, source, extents: [new.batch, new.length, new.heads, new.size], order: [0, 2, 1, 3], elementBytes: width)
    }
    let rows = new.batch * new.heads
    let rowBytes = length * new.size * width
    if let past {
      try emitBlocks(
        past.buffer, target, rows: rows, blockBytes: past.length * new.size * width, rowBytes: rowBytes, offset: 0)
    }
    if source != target {
      try emitBlocks(
        source, target, rows: rows, blockBytes: new.length * new.size * width, rowBytes: rowBytes,
        offset: rowBytes - new.length * new.size * width)
    }
    return AttentionOperand(
      target, batch: new.batch, heads: new.heads, length: length, size: new.size, isPacked: false)
  }
}

extension KernelBinding {
  static let attention = KernelBinding(
    "Attention", native: TypeSet(.float32, .float64, .bool, .int64)
  ) { builder, node throws(ApusError) in
    let extents = try (0..<3).map { index throws(ApusError) in try builder.extents(node.input(index)) }
    let type = try builder.elementType(node.input(0))
    guard try builder.elementType(node.input(2)) == type else {
      throw node.unsupported("keys and values of two element types", expected: type.name.text)
    }
    let isPacked = extents[0].count == 3
    func operand(_ index: Int, heads attribute: StaticString) throws(ApusError) -> AttentionOperand {
      let shape = extents[index]
      let heads = isPacked ? node.attributes.int(attribute) ?? 1 : shape[1]
      return AttentionOperand(
        try builder.input(node.input(index)), batch: shape[0], heads: heads, length: isPacked ? shape[1] : shape[2],
        size: isPacked ? shape[2] / heads : shape[3], isPacked: isPacked)
    }
    let q = try operand(0, heads: "q_num_heads")
    func cached(_ index: Int, past: Int, present: Int) throws(ApusError) -> (all: AttentionOperand, past: Int) {
      let new = try operand(index, heads: "kv_num_heads")
      let target = try node.optionalOutput(present).map { id throws(ApusError) in try builder.output(id) }
      guard let id = node.optionalInput(past) else {
        return (try builder.emitPresent(nil, new, type: type, present: target), 0)
      }
      let length = try builder.extents(id)[2]
      let old = try builder.input(id)
      return (try builder.emitPresent((old, length), new, type: type, present: target), length)
    }
    let keys = try cached(1, past: 4, present: 1)
    let values = try cached(2, past: 5, present: 2)

    var mask = AttentionMask()
    mask.isCausal = node.attributes.flag("is_causal")
    mask.causalOffset = keys.past
    mask.softcap = node.attributes.float("softcap") ?? 0
    mask.validKeys = try node.optionalInput(6).map { id throws(ApusError) in try builder.input(id) }
    if let id = node.optionalInput(3) {
      let shape = try builder.extents(id)
      mask.extents = Array(repeating: 1, count: 4 - shape.count) + shape
      mask.isBool = try builder.elementType(id) == .bool
      // Numbers of other types are converted to that of the scores.
      mask.mask = try mask.isBool ? builder.input(id) : builder.input(id, as: type)
    }
    let size = Float(max(q.size, 1))
    let product = AttentionProduct(
      builder: builder, type: type, q: q, k: keys.all, v: values.all,
      scale: node.attributes.float("scale") ?? 1 / size.squareRoot())
    let output = AttentionOperand(
      try builder.output(node.output(0)), batch: q.batch, heads: q.heads, length: q.length, size: values.all.size,
      isPacked: isPacked)
    let stageOutput = try node.optionalOutput(3).map { id throws(ApusError) in try builder.output(id) }
    try product.emit(
      mask, output: output, stage: node.attributes.int("qk_matmul_output_mode") ?? 0, stageOutput: stageOutput)
  }
}
