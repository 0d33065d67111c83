import ApusGraph
import CApusKernels

extension PlanBuilder {
  /// Emits a rotary embedding of `[B, H, T, D]`, or `[B, T, H D]`, into memory of the same layout.
  fileprivate func emitRotary(
    _ node: BoundNode, cosine: Int, sine: Int, positions: Int, scale: Float
  ) throws(ApusError) {
    let extents = try extents(node.input(0))
    let caches = try self.extents(node.input(cosine))
    let stated = node.attributes.int("rotary_embedding_dim") ?? 0
    var arguments = apusk_rotary_args()
    let heads: Int
    let size: Int
    if extents.count == 4 {
      (heads, size) = (extents[1], extents[3])
    } else {
      let count = node.attributes.int("num_heads") ?? 0
      size = count > 0 ? extents[2] / count : 2 * caches[caches.count - 1]
      heads = count > 0 ? count : extents[2] / size
    }
    let tokens = extents.count == 4 ? extents[2] : extents[1]
    arguments.batch = Int64(extents[0])
    arguments.sequence = Int64(tokens)
    arguments.heads = Int64(heads)
    arguments.head_size = Int64(size)
    arguments.half = Int64((stated > 0 ? stated : size) / 2)
    arguments.batch_stride = Int64(heads * tokens * size)
    arguments.token_stride = Int64(extents.count == 4 ? size : heads * size)
    arguments.head_stride = Int64(extents.count == 4 ? tokens * size : size)
    arguments.interleaved = node.attributes.flag("interleaved") ? 1 : 0
    arguments.scale = scale
    arguments.position_operand = Int64(positions)
    arguments.cache_rows = Int64(caches[0])
    var indices: BufferID?
    if let id = node.optionalInput(positions) {
      indices = try input(id)
      let shape = try self.extents(id)
      arguments.one_position = shape.count < 2 ? 1 : 0
      arguments.position_batch_stride = Int64(tokens)
      arguments.position_token_stride = 1
    }
    var plan = apusk_plan()
    try check(apusk_rotary_plan(&arguments, &plan))
    let base = arguments
    let (x, c, s) = (try input(node.input(0)), try input(node.input(cosine)), try input(node.input(sine)))
    let output = try output(node.output(0))
    try emit(plan, [x, c, s, indices, output]) { pointers in
      var arguments = base
      arguments.input = UnsafePointer(pointers.floats(x))
      arguments.cosine = UnsafePointer(pointers.floats(c))
      arguments.sine = UnsafePointer(pointers.floats(s))
      arguments.positions = UnsafePointer(pointers.integers(indices))
      arguments.output = pointers.floats(output)
      return arguments
    }
  }
}

extension KernelBinding {
  static let rotaryEmbedding = KernelBinding(
    "RotaryEmbedding", native: TypeSet(.float32, .int64)
  ) { builder, node throws(ApusError) in
    try builder.emitRotary(node, cosine: 1, sine: 2, positions: 3, scale: 1)
  }

  static let rotaryEmbeddingMicrosoft = KernelBinding(
    "RotaryEmbedding", domain: .microsoft, native: TypeSet(.float32, .int64)
  ) { builder, node throws(ApusError) in
    try builder.emitRotary(node, cosine: 2, sine: 3, positions: 1, scale: node.attributes.float("scale") ?? 1)
  }
}
