import ApusGraph

// ONNX Runtime's attention operators as ONNX's Attention, on operands `[batch, length, heads * size]`.

extension Lowering {
  static let attentions: [Rule] = [
    Rule("MultiHeadAttention", { node throws(ApusError) in try multiHead(node) }),
    Rule("Attention", { node throws(ApusError) in try selfAttention(node, isQuantized: false) }),
    Rule("QAttention", { node throws(ApusError) in try selfAttention(node, isQuantized: true) }),
  ]

  /// Attributes that all of them have.
  private struct Settings {
    let heads: Int64
    let scale: Float?
    let filter: Float
    let isCausal: Bool

    init(_ node: Adaptation) throws(ApusError) {
      guard let heads = try node.takeInt("num_heads") else { throw node.missing("num_heads") }
      self.heads = heads
      let stated = try node.takeFloat("scale") ?? 0
      scale = stated == 0 ? nil : stated
      filter = try node.takeFloat("mask_filter_value") ?? -10000
      isCausal = try node.takeInt("unidirectional") ?? 0 != 0
      for name: Name in ["do_rotary", "past_present_share_buffer", "output_qk", "rotary_embedding_dim"] {
        guard try node.takeInt(name) ?? 0 == 0 else {
          throw node.unsupported("attribute '" + name.string + "' is set", expected: "0")
        }
      }
    }

    var attributes: [Attribute] {
      var list = [
        Attribute("q_num_heads", .int(heads)), Attribute("kv_num_heads", .int(heads)),
        Attribute("is_causal", .int(isCausal ? 1 : 0)),
      ]
      if let scale { list.append(Attribute("scale", .float(scale))) }
      return list
    }
  }

  // MARK: Masks

  /// What is added to the scores, and how many keys of each item are valid; either may be absent.
  private static func masks(
    _ node: Adaptation, _ mask: ValueID, _ bias: ValueID, _ settings: Settings, like query: ValueID
  ) throws(ApusError) -> (bias: ValueID, lengths: ValueID) {
    guard mask >= 0 else { return (bias, .absent) }
    let rank = try node.rank(mask)
    if rank == 1 {
      if let count = node.shape(mask)?[0].value, let batch = node.shape(query)?[0].value, count != batch {
        throw node.unsupported(
          "a mask of beginnings and ends of items", expected: "\(batch) lengths", actual: "\(count) elements")
      }
      return (bias, try node.emit("Cast", [mask], [Attribute("to", .int(Int64(ElementType.int64.rawValue)))]))
    }
    let isKept = try node.emit("Cast", [mask], [Attribute("to", .int(Int64(ElementType.bool.rawValue)))])
    var added = try node.emit(
      "Where", [isKept, try node.scalar(0, like: query), try node.scalar(settings.filter, like: query)])
    if rank < 4 { added = try node.emit("Unsqueeze", [added, try node.constant(rank == 2 ? [1, 2] : [1])]) }
    return (bias >= 0 ? try node.emit("Add", [added, bias]) : added, .absent)
  }

  // MARK: Operators

  /// query, key, value, bias, key_padding_mask, attention_bias, past_key, past_value, past_sequence_length, cache_indirection.
  private static func multiHead(_ node: Adaptation) throws(ApusError) {
    let settings = try Settings(node)
    for index in 8...9 where node.input(index) >= 0 {
      throw node.unsupported("a cache in a shared buffer", expected: "no input \(index)")
    }
    var operands = try separated(node, heads: settings.heads)
    if node.input(3) >= 0 {
      guard let q = node.shape(operands[0])?.dimensions.last?.value, let v = node.shape(operands[2])?.dimensions.last?.value
      else { throw node.unsupported("a bias where the sizes of query and value are not known") }
      var start = 0
      for (index, size) in [q, q, v].enumerated() {
        let part = try node.emit(
          "Slice",
          [
            node.input(3), try node.constant([Int64(start)]), try node.constant([Int64(start + size)]), try node.constant([0]),
          ])
        operands[index] = try node.emit("Add", [operands[index], part])
        start += size
      }
    }
    let mask = try masks(node, node.input(4), node.input(5), settings, like: operands[0])
    node.replace(
      "Attention", operands + [mask.bias, node.input(6), node.input(7), mask.lengths], settings.attributes)
  }

  /// Queries, keys and values, each `[batch, length, heads * size]`, out of the forms that MultiHeadAttention takes.
  private static func separated(_ node: Adaptation, heads: Int64) throws(ApusError) -> [ValueID] {
    func part(_ packed: ValueID, _ index: Int64) throws(ApusError) -> ValueID {
      let heads = try node.emit("Gather", [packed, try node.scalar(index)], [Attribute("axis", .int(3))])
      return try node.emit("Reshape", [heads, try node.constant([0, 0, -1])])
    }
    let (query, key, value) = (node.input(0), node.input(1), node.input(2))
    if key < 0 {
      guard try node.rank(query) == 5 else {
        throw node.unsupported("queries alone", expected: "[batch, length, heads, 3, size]")
      }
      return [try part(query, 0), try part(query, 1), try part(query, 2)]
    }
    if value < 0 {
      guard try node.rank(key) == 5 else {
        throw node.unsupported("keys without values", expected: "[batch, length, heads, 2, size]")
      }
      return [query, try part(key, 0), try part(key, 1)]
    }
    var operands = [query, key, value]
    for index in 1...2 where try node.rank(operands[index]) == 4 {
      let turned = try node.emit("Transpose", [operands[index]], [permutation([0, 2, 1, 3])])
      operands[index] = try node.emit("Reshape", [turned, try node.constant([0, 0, -1])])
    }
    return operands
  }

  /// input, weights, bias, mask_index, past, attention_bias, past_sequence_length; quantized: input, weight, bias, input_scale,
  /// weight_scale, mask_index, input_zero_point, weight_zero_point, past.
  private static func selfAttention(_ node: Adaptation, isQuantized: Bool) throws(ApusError) {
    try node.requireInputs(2)
    let settings = try Settings(node)
    let input = node.input(0)
    let stated = try node.takeInts("qkv_hidden_sizes") ?? []
    var projected: ValueID
    let (mask, past, attentionBias): (ValueID, ValueID, ValueID)
    if isQuantized {
      projected = try integerProduct(
        node, (input, node.input(3), node.input(6)), (node.input(1), node.input(4), node.input(7)))
      (mask, past, attentionBias) = (node.input(5), node.input(8), .absent)
    } else {
      guard node.input(6) < 0 else { throw node.unsupported("a cache in a shared buffer", expected: "no input 6") }
      projected = try node.emit("MatMul", [input, node.input(1)])
      (mask, past, attentionBias) = (node.input(3), node.input(4), node.input(5))
    }
    if node.input(2) >= 0 { projected = try node.emit("Add", [projected, node.input(2)]) }
    var sizes = stated
    if sizes.isEmpty {
      guard let columns = node.shape(node.input(1))?.dimensions.last?.value, columns % 3 == 0 else {
        throw node.unsupported("weights whose number of columns is not known, or no multiple of 3")
      }
      sizes = Array(repeating: Int64(columns / 3), count: 3)
    }
    let parts = [node.temporary(), node.temporary(), node.temporary()]
    try node.emit("Split", [projected, try node.constant(sizes)], [Attribute("axis", .int(2))], outputs: parts)
    let added = try masks(node, mask, attentionBias, settings, like: parts[0])
    var operands = parts + [added.bias, .absent, .absent, added.lengths]
    if past >= 0 {
      for index in 0...1 {
        operands[4 + index] = try node.emit("Gather", [past, try node.scalar(Int64(index))], [Attribute("axis", .int(0))])
      }
    }
    guard node.output(1) >= 0 else { return node.replace("Attention", operands, settings.attributes) }
    // Present keys and values are one tensor [2, batch, heads, length, size].
    let present = [node.temporary(), node.temporary()]
    try node.emit("Attention", operands, settings.attributes, outputs: [node.output(0)] + present)
    var stacked: [ValueID] = []
    for value in present { stacked.append(try node.emit("Unsqueeze", [value, try node.constant([0])])) }
    node.replace("Concat", stacked, [Attribute("axis", .int(0))], outputs: [node.output(1)])
  }
}
