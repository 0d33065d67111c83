extension OperatorSchema {
  /// Linear attention: a state S `[B, Hkv, Dk, Dv]` that each token's key and value update, read out by its query.
  ///
  /// query `[B, T, Hq Dk]`, key `[B, T, Hkv Dk]`, value `[B, T, Hkv Dv]`, decay `[B, T, Hkv]` or `[B, T, Hkv Dk]`, beta
  /// `[B, T, Hkv]` or `[B, T, 1]`; output `[B, T, Hq Dv]` and the new state. Attribute `update_rule` is linear, gated, delta
  /// or gated_delta.
  public static let linearAttention = OperatorSchema(
    name: "LinearAttention", versions: [27],
    inputs: [
      Parameter("query", .floats), Parameter("key", .floats), Parameter("value", .floats),
      Parameter("past_state", .floats, group: 2, .optional), Parameter("decay", .floats, .optional),
      Parameter("beta", .floats, .optional),
    ],
    outputs: [Parameter("output", .floats), Parameter("present_state", .floats, group: 2)],
    attributes: [
      AttributeSchema("chunk_size", default: .int(64)), AttributeSchema("kv_num_heads", .int, required: true),
      AttributeSchema("q_num_heads", .int, required: true), AttributeSchema("scale", default: .float(0)),
      AttributeSchema("update_rule", default: .string("gated_delta")),
    ]
  ) { context throws(ApusError) in
    let type = try context.elementType(0)
    let rule = context.attributes.string("update_rule") ?? "gated_delta"
    guard rule == "linear" || rule == "gated" || rule == "delta" || rule == "gated_delta" else {
      throw context.attributeError("update_rule", expected: "linear, gated, delta or gated_delta", actual: rule.string)
    }
    for (input, isUsed) in [(4, rule == "gated" || rule == "gated_delta"), (5, rule == "delta" || rule == "gated_delta")] {
      guard (context.input(input) != nil) == isUsed else {
        throw context.error(
          "the input does not go with the update rule", input: input, expected: isUsed ? "an input" : "none",
          actual: rule.string)
      }
    }
    let (heads, keyHeads) = (try context.positiveCount("q_num_heads"), try context.positiveCount("kv_num_heads"))
    guard heads % keyHeads == 0 else {
      throw context.attributeError("q_num_heads", expected: "a multiple of \(keyHeads)", actual: "\(heads)")
    }
    for index in [0, 1, 2, 4, 5] { try context.requireRank(index, 3) }
    try context.requireRank(3, 4)
    let stateType = context.input(3)?.type.elementType ?? type
    guard let q = context.shape(0), let k = context.shape(1), let v = context.shape(2) else {
      context.setOutput(0, type, nil)
      return context.setOutput(1, stateType, nil)
    }
    var tokens = (batch: q[0], count: q[1])
    for index in [1, 2, 4, 5] {
      guard let shape = context.shape(index) else { continue }
      tokens.batch = try context.unified(tokens.batch, shape[0], "batch sizes")
      tokens.count = try context.unified(tokens.count, shape[1], "sequence lengths")
    }
    let keySize = try context.unified(
      try context.quotient(q[2], heads, "query size by q_num_heads", input: 0),
      try context.quotient(k[2], keyHeads, "key size by kv_num_heads", input: 1), "sizes of queries and keys")
    let valueSize = try context.quotient(v[2], keyHeads, "value size by kv_num_heads", input: 2)
    if let width = context.shape(4)?[2].value, width != keyHeads, let size = keySize.value, width != keyHeads * size {
      throw context.error("wrong width", input: 4, expected: "\(keyHeads) or \(keyHeads * size)", actual: "\(width)")
    }
    if let width = context.shape(5)?[2].value, width != keyHeads, width != 1 {
      throw context.error("wrong width", input: 5, expected: "\(keyHeads) or 1", actual: "\(width)")
    }
    let state: [Dimension] = [tokens.batch, .known(keyHeads), keySize, valueSize]
    if let past = context.shape(3) {
      for axis in 0..<4 { _ = try context.unified(past[axis], state[axis], "extents of the state") }
    }
    context.setOutput(0, type, Shape([tokens.batch, tokens.count, try valueSize.multiplied(by: heads)]))
    context.setOutput(1, stateType, Shape(state))
  }

  /// A causal depthwise convolution along the last axis that carries its last inputs from call to call.
  ///
  /// input `[B, C, L]`, weight `[C, 1, k]`, bias `[C]`, past_state `[B, C, k - 1]`; output `[B, C, L]` and the new state.
  public static let causalConvWithState = OperatorSchema(
    name: "CausalConvWithState", versions: [27],
    inputs: [
      Parameter("input", .floats), Parameter("weight", .floats), Parameter("bias", .floats, .optional),
      Parameter("past_state", .floats, .optional),
    ],
    outputs: [Parameter("output", .floats), Parameter("present_state", .floats)],
    attributes: [AttributeSchema("activation", default: .string("none"))]
  ) { context throws(ApusError) in
    let activation = context.attributes.string("activation") ?? "none"
    guard activation == "none" || activation == "silu" || activation == "swish" else {
      throw context.attributeError("activation", expected: "none, silu or swish", actual: activation.string)
    }
    for index in [0, 1, 3] { try context.requireRank(index, 3) }
    try context.requireRank(2, 1)
    try context.propagate()
    let type = try context.elementType(0)
    guard let x = context.shape(0), let w = context.shape(1) else { return context.setOutput(1, type, nil) }
    _ = try context.unified(x[1], w[0], "channels of input and weight")
    _ = try context.unified(w[1], .known(1), "channels of a group")
    if let bias = context.shape(2) { _ = try context.unified(x[1], bias[0], "channels of input and bias") }
    guard w[2].value != 0 else { throw context.error("the kernel is empty", input: 1) }
    let state = [x[0], x[1], try w[2].adding(.known(-1))]
    if let past = context.shape(3) {
      for axis in 0..<3 { _ = try context.unified(past[axis], state[axis], "extents of the state") }
    }
    context.setOutput(1, type, Shape(state))
  }
}
