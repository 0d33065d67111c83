extension OperatorSchema {
  /// ONNX Runtime's attention with grouped heads, a key/value cache and rotary embedding in one.
  ///
  /// query `[B, L, Hq D]` with key and value `[B, L, Hkv D]`, or all three side by side in query; past `[B, Hkv, P, D]`;
  /// seqlens_k `[B]`: the length of each item with its new tokens, less 1; total_sequence_length: the longest. Present
  /// `[B, Hkv, C, D]`, C the larger of P and the longest length; what is beyond an item's own length is 0.
  public static let groupQueryAttention = OperatorSchema(
    domain: .microsoft, name: "GroupQueryAttention", versions: [1],
    inputs: [
      Parameter("query", .floats), Parameter("key", .floats, .optional), Parameter("value", .floats, .optional),
      Parameter("past_key", .floats, .optional), Parameter("past_value", .floats, .optional),
      Parameter("seqlens_k", TypeSet(.int32), group: 2),
      Parameter("total_sequence_length", TypeSet(.int32), group: 2, steers: true),
      Parameter("cos_cache", .floats, .optional), Parameter("sin_cache", .floats, .optional),
      Parameter("position_ids", TypeSet(.int64), group: 3, .optional), Parameter("attention_bias", .floats, .optional),
    ],
    outputs: [Parameter("output", .floats), Parameter("present_key", .floats), Parameter("present_value", .floats)],
    attributes: [
      AttributeSchema("causal", default: .int(1)), AttributeSchema("do_rotary", default: .int(0)),
      AttributeSchema("k_quant_type", default: .string("NONE")), AttributeSchema("kv_cache_bit_width", default: .int(0)),
      AttributeSchema("kv_num_heads", .int, required: true), AttributeSchema("local_window_size", default: .int(-1)),
      AttributeSchema("num_heads", .int, required: true), AttributeSchema("qk_norm_epsilon", default: .float(1e-6)),
      AttributeSchema("qk_output", default: .int(0)), AttributeSchema("rotary_interleaved", default: .int(0)),
      AttributeSchema("scale", default: .float(0)), AttributeSchema("sliding_window_cache", default: .int(0)),
      AttributeSchema("smooth_softmax", default: .int(0)), AttributeSchema("softcap", default: .float(0)),
      AttributeSchema("v_quant_type", default: .string("NONE")),
    ]
  ) { context throws(ApusError) in
    for name: StaticString in ["kv_cache_bit_width", "qk_output", "sliding_window_cache", "smooth_softmax"]
    where (context.attributes.int(name) ?? 0) > 0 {
      throw ApusError(
        .unsupported, "attribute '" + name.text + "' is set", operatorName: context.node.label, expected: "0")
    }
    let (heads, keyHeads) = (try context.positiveCount("num_heads"), try context.positiveCount("kv_num_heads"))
    guard heads % keyHeads == 0 else {
      throw context.attributeError("num_heads", expected: "a multiple of \(keyHeads)", actual: "\(heads)")
    }
    for index in 0..<3 { try context.requireRank(index, 3) }
    for index in 3...4 { try context.requireRank(index, 4) }
    guard (context.input(1) == nil) == (context.input(2) == nil), (context.input(3) == nil) == (context.input(4) == nil) else {
      throw context.error("key and value go together, as do past_key and past_value", input: 1)
    }
    let type = try context.elementType(0)
    guard let query = context.shape(0) else {
      for index in 0..<3 { context.setOutput(index, type, nil) }
      return
    }
    let isPacked = context.input(1) == nil
    let size = try context.quotient(query[2], isPacked ? heads + 2 * keyHeads : heads, "hidden size by heads", input: 0)
    for index in 1...2 {
      guard let shape = context.shape(index) else { continue }
      for axis in 0..<2 { _ = try context.unified(shape[axis], query[axis], "batch sizes and lengths") }
      _ = try context.unified(shape[2], try size.multiplied(by: keyHeads), "hidden sizes of keys and values")
    }
    var capacity = Dimension.known(0)
    for index in 3...4 {
      guard context.input(index) != nil else { continue }
      guard let past = context.shape(index) else {
        capacity = .unknown
        continue
      }
      _ = try context.unified(past[0], query[0], "batch sizes")
      _ = try context.unified(past[1], .known(keyHeads), "heads of the cache")
      _ = try context.unified(past[3], size, "head sizes")
      capacity = index == 3 ? past[2] : try context.unified(capacity, past[2], "lengths of the caches")
    }
    if let total = context.input(6)?.integers?.first, let length = capacity.value, let tokens = query[1].value {
      guard total >= 0 else {
        throw context.error("wrong length", input: 6, expected: "0 or more", actual: "\(total)")
      }
      capacity = .known(max(Int(total), length, tokens))
    } else {
      capacity = .unknown
    }
    if let lengths = context.shape(5), lengths.rank > 0, let count = elementCount(lengths.known ?? []),
      let batch = query[0].value, lengths.known != nil
    {
      guard count == batch else {
        throw context.error("wrong number of lengths", input: 5, expected: "\(batch)", actual: "\(count)")
      }
    }
    if context.attributes.flag("do_rotary") {
      for index in 7...8 {
        guard context.input(index) != nil else {
          throw context.error("the cache of a rotary embedding is left out", input: index)
        }
        try context.requireRank(index, 2)
        guard let cache = context.shape(index), let half = cache[1].value, let whole = size.value, 2 * half > whole else {
          continue
        }
        throw context.error("the cache is wider than half of a head", input: index, expected: "\(whole / 2)", actual: "\(half)")
      }
    }
    let present = Shape([query[0], .known(keyHeads), capacity, size])
    context.setOutput(0, type, Shape([query[0], query[1], try size.multiplied(by: heads)]))
    context.setOutput(1, type, present)
    context.setOutput(2, type, present)
  }
}
