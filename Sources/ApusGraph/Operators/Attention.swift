/// The extents of an attention over queries `[B, Hq, L, D]`, keys `[B, Hkv, S, D]` and values `[B, Hkv, S, Dv]`, which may
/// stand as `[B, L, Hq D]` and so on.
struct AttentionShape {
  var batch, queryHeads, keyHeads, queries, keys, headSize, valueSize: Dimension
  var isPacked: Bool

  /// From inputs 0 to 2; nil while a shape is not known.
  init?(_ context: InferenceContext) throws(ApusError) {
    guard let q = context.shape(0), let k = context.shape(1), let v = context.shape(2) else { return nil }
    guard q.rank == 3 || q.rank == 4 else {
      throw context.error("wrong rank", input: 0, expected: "rank 3 or 4", actual: q.text(symbols: []))
    }
    try context.requireRank(1, q.rank)
    try context.requireRank(2, q.rank)
    isPacked = q.rank == 3
    batch = try context.unified(q[0], try context.unified(k[0], v[0], "batch sizes"), "batch sizes")
    if isPacked {
      let heads = try context.positiveCount("q_num_heads")
      let keyHeads = try context.positiveCount("kv_num_heads")
      (queryHeads, self.keyHeads) = (.known(heads), .known(keyHeads))
      queries = q[1]
      keys = try context.unified(k[1], v[1], "lengths of K and V")
      headSize = try context.unified(
        try context.quotient(q[2], heads, "hidden size by q_num_heads", input: 0),
        try context.quotient(k[2], keyHeads, "hidden size by kv_num_heads", input: 1), "head sizes of Q and K")
      valueSize = try context.quotient(v[2], keyHeads, "hidden size by kv_num_heads", input: 2)
    } else {
      queryHeads = q[1]
      keyHeads = try context.unified(k[1], v[1], "heads of K and V")
      queries = q[2]
      keys = try context.unified(k[2], v[2], "lengths of K and V")
      headSize = try context.unified(q[3], k[3], "head sizes of Q and K")
      valueSize = v[3]
    }
    if let heads = queryHeads.value, let shared = keyHeads.value {
      guard shared > 0, heads % shared == 0 else {
        throw context.error("heads of Q can not share those of K", expected: "a multiple of \(shared)", actual: "\(heads)")
      }
    }
  }
}

extension OperatorSchema {
  /// Scaled dot-product attention `softmax(softcap(Q K^T * scale) + mask) V` with grouped heads, a causal mask and a key/value
  /// cache.
  ///
  /// Q `[B, Hq, L, D]`, K `[B, Hkv, S, D]`, V `[B, Hkv, S, Dv]`, or all of rank 3 with the heads inside the last axis. Past
  /// keys and values `[B, Hkv, P, ...]` go before the new ones. The mask is broadcast to `[B, Hq, L, P + S]`; its last axis may
  /// be shorter.
  public static let attention = OperatorSchema(
    name: "Attention", versions: [23, 24],
    inputs: [
      Parameter("Q", .floats), Parameter("K", .floats), Parameter("V", .floats, group: 2),
      Parameter("attn_mask", [.numeric, TypeSet(.bool)], group: 3, .optional), Parameter("past_key", .floats, .optional),
      Parameter("past_value", .floats, group: 2, .optional),
      Parameter("nonpad_kv_seqlen", TypeSet(.int64), group: 4, .optional),
    ],
    outputs: [
      Parameter("Y", .floats), Parameter("present_key", .floats, .optional),
      Parameter("present_value", .floats, group: 2, .optional), Parameter("qk_matmul_output", .floats, .optional),
    ],
    attributes: [
      AttributeSchema("is_causal", default: .int(0)), AttributeSchema("kv_num_heads", .int),
      AttributeSchema("q_num_heads", .int), AttributeSchema("qk_matmul_output_mode", default: .int(0)),
      AttributeSchema("scale", .float), AttributeSchema("softcap", default: .float(0)),
      AttributeSchema("softmax_precision", .int),
    ]
  ) { context throws(ApusError) in
    let (type, valueType) = (try context.elementType(0), try context.elementType(2))
    let mode = context.attributes.int("qk_matmul_output_mode") ?? 0
    guard (0...3).contains(mode) else {
      throw context.attributeError("qk_matmul_output_mode", expected: "0 to 3", actual: "\(mode)")
    }
    guard (context.input(4) == nil) == (context.input(5) == nil) else {
      throw context.error("past_key and past_value go together", input: 4)
    }
    guard let shape = try AttentionShape(context) else {
      context.setOutput(0, type, nil)
      context.setOutput(1, type, nil)
      context.setOutput(2, valueType, nil)
      return context.setOutput(3, type, nil)
    }
    var total = shape.keys
    if context.input(4) != nil {
      let past = try pastLength(context, 4, shape, shape.headSize)
      total = try total.adding(try context.unified(past, try pastLength(context, 5, shape, shape.valueSize), "past lengths"))
    }
    if let mask = context.shape(3) { try checkMask(context, mask, shape, total) }
    if let lengths = context.shape(6) {
      try context.requireRank(6, 1)
      _ = try context.unified(lengths[0], shape.batch, "batch sizes")
    }
    context.setOutput(
      0, type,
      shape.isPacked
        ? Shape([shape.batch, shape.queries, try shape.queryHeads.multiplied(by: shape.valueSize)])
        : Shape([shape.batch, shape.queryHeads, shape.queries, shape.valueSize]))
    context.setOutput(1, type, Shape([shape.batch, shape.keyHeads, total, shape.headSize]))
    context.setOutput(2, valueType, Shape([shape.batch, shape.keyHeads, total, shape.valueSize]))
    context.setOutput(3, type, Shape([shape.batch, shape.queryHeads, shape.queries, total]))
  }

  /// The length P of a past tensor `[B, Hkv, P, size]`.
  private static func pastLength(
    _ context: InferenceContext, _ input: Int, _ shape: AttentionShape, _ size: Dimension
  ) throws(ApusError) -> Dimension {
    try context.requireRank(input, 4)
    guard let past = context.shape(input) else { return .unknown }
    _ = try context.unified(past[0], shape.batch, "batch sizes")
    _ = try context.unified(past[1], shape.keyHeads, "heads of past and present")
    _ = try context.unified(past[3], size, "head sizes of past and present")
    return past[2]
  }

  private static func checkMask(
    _ context: InferenceContext, _ mask: Shape, _ shape: AttentionShape, _ total: Dimension
  ) throws(ApusError) {
    let whole = [shape.batch, shape.queryHeads, shape.queries]
    guard (1...4).contains(mask.rank) else {
      throw context.error("wrong rank", input: 3, expected: "rank 1 to 4", actual: mask.text(symbols: []))
    }
    for (axis, extent) in mask.dimensions.dropLast().enumerated() {
      guard let stated = extent.value, stated != 1, let expected = whole[axis + 4 - mask.rank].value else { continue }
      guard stated == expected else {
        throw context.error(
          "the mask can not be broadcast", input: 3, expected: Shape(whole + [total]).text(symbols: []),
          actual: mask.text(symbols: []))
      }
    }
    if let keys = mask[mask.rank - 1].value, let most = total.value, keys > most {
      throw context.error("the mask has more keys than K", input: 3, expected: "at most \(most)", actual: "\(keys)")
    }
  }

  /// Rotary position embedding of `[B, H, T, D]` or `[B, T, H D]`, by caches of cosines and sines: `[positions, R / 2]` with
  /// position_ids `[B, T]`, or `[B, T, R / 2]`.
  public static let rotaryEmbedding = OperatorSchema(
    name: "RotaryEmbedding", versions: [23],
    inputs: [
      Parameter("X", .floats), Parameter("cos_cache", .floats), Parameter("sin_cache", .floats),
      Parameter("position_ids", TypeSet(.int64), group: 2, .optional),
    ],
    outputs: [Parameter("Y", .floats)],
    attributes: [
      AttributeSchema("interleaved", default: .int(0)), AttributeSchema("num_heads", default: .int(0)),
      AttributeSchema("rotary_embedding_dim", default: .int(0)),
    ]
  ) { context throws(ApusError) in
    try context.checkRotary(cosine: 1, sine: 2, positions: 3)
    try context.propagate()
  }

  /// The same in ONNX Runtime's form: position_ids is `[B, T]` or one offset `[1]`, and comes before the caches
  /// `[positions, R / 2]`.
  public static let rotaryEmbeddingMicrosoft = OperatorSchema(
    domain: .microsoft, name: "RotaryEmbedding", versions: [1],
    inputs: [
      Parameter("input", .floats), Parameter("position_ids", TypeSet(.int64), group: 2), Parameter("cos_cache", .floats),
      Parameter("sin_cache", .floats),
    ],
    outputs: [Parameter("output", .floats)],
    attributes: [
      AttributeSchema("interleaved", default: .int(0)), AttributeSchema("is_packed_batching", default: .int(0)),
      AttributeSchema("num_heads", default: .int(0)), AttributeSchema("rotary_embedding_dim", default: .int(0)),
      AttributeSchema("scale", default: .float(1)),
    ]
  ) { context throws(ApusError) in
    guard !context.attributes.flag("is_packed_batching") else {
      throw ApusError(
        .unsupported, "packed batches", operatorName: context.node.label, expected: "is_packed_batching 0")
    }
    try context.checkRotary(cosine: 2, sine: 3, positions: 1)
    try context.propagate()
  }
}

extension InferenceContext {
  /// Checks the ranks and the sizes of heads and caches of a rotary embedding.
  fileprivate func checkRotary(cosine: Int, sine: Int, positions: Int) throws(ApusError) {
    guard let x = shape(0) else { return }
    guard x.rank == 3 || x.rank == 4 else {
      throw error("wrong rank", input: 0, expected: "rank 3 or 4", actual: x.text(symbols: []))
    }
    guard let cosines = shape(cosine), let sines = shape(sine) else { return }
    let rank = input(positions) == nil ? 3 : 2
    try requireRank(cosine, rank)
    try requireRank(sine, rank)
    for axis in 0..<rank { _ = try unified(cosines[axis], sines[axis], "extents of the caches") }
    var size = x[x.rank - 1]
    let stated = attributes.int("rotary_embedding_dim") ?? 0
    if x.rank == 3 {
      // ONNX Runtime's form leaves num_heads out where the caches cover a whole head.
      let heads = attributes.int("num_heads") ?? 0
      if heads > 0 {
        size = try quotient(size, heads, "hidden size by num_heads", input: 0)
      } else if stated == 0, cosines[rank - 1].value == nil {
        size = .unknown
      } else {
        guard stated == 0, let half = cosines[rank - 1].value, half > 0 else {
          throw attributeError("num_heads", expected: "1 or more", actual: "\(heads)")
        }
        _ = try quotient(size, try half.checkedMultiplied(by: 2), "hidden size by head size", input: 0)
        size = .known(2 * half)
      }
    }
    let rotated = stated > 0 ? Dimension.known(stated) : size
    if let rotated = rotated.value {
      guard rotated % 2 == 0, rotated <= size.value ?? rotated else {
        throw attributeError(
          "rotary_embedding_dim", expected: "an even number up to the head size", actual: "\(rotated)")
      }
      _ = try unified(.known(rotated / 2), cosines[rank - 1], "half of the rotated size and the caches")
    }
    if rank == 3 {
      _ = try unified(cosines[0], x[0], "batch sizes")
      _ = try unified(cosines[1], x.rank == 3 ? x[1] : x[2], "sequence lengths")
    } else if let ids = shape(positions), ids.rank == 2 {
      _ = try unified(ids[0], x[0], "batch sizes")
      _ = try unified(ids[1], x.rank == 3 ? x[1] : x[2], "sequence lengths")
    } else if let ids = shape(positions) {
      guard ids.rank <= 1, elementCount(ids.known ?? [1]) == 1 else {
        throw error("wrong shape", input: positions, expected: "[batch, sequence] or one", actual: ids.text(symbols: []))
      }
    }
  }
}
