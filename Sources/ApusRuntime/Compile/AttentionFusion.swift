import ApusGraph

extension GraphPattern {
  /// Scaled dot-product attention over `[B, H, L, D]`; `t` are the keys, transposed to `[B, H, D, S]`.
  fileprivate static let attention = GraphPattern(
    "P=MatMul(q,t); A=Mul(P,#c)|Div(P,#d)|P; MatMul(Softmax[-1](Add(A,m)|A),v)", "Attention(q,t,v,m,c,d)")
}

extension Compiler {
  /// Makes an Attention of `softmax(Q K^T scale + mask) V`, which reads queries, keys and values where the projections left
  /// them: transpositions and reshapes from `[B, L, H D]` to `[B, H, L, D]` and back vanish where all of them are there.
  ///
  /// The scale multiplies the products of rows, also where it stood at queries or keys: results differ by a few units of the
  /// last place.
  func fuseAttention(_ bindings: KernelBindings) throws(ApusError) {
    let pattern = GraphPattern.attention
    guard let version = registry.schemas(domain: .onnx, name: pattern.result).last?.versions.last else { return }
    guard bindings.canRun(Node(operatorName: pattern.result, sinceVersion: version, inputs: [], outputs: [])) else { return }
    var position = 0
    var matcher = PatternMatcher(self)
    while position < program.nodes.count {
      position += 1
      let product = program.nodes[position - 1].node
      guard isStandard(program.nodes[position - 1], "MatMul"), let match = matcher.match(pattern, at: product.outputs[0]),
        let parts = AttentionParts(matcher, pattern.operands, match, result: product.outputs[0])
      else { continue }
      var node = Node(
        name: product.name, operatorName: pattern.result, sinceVersion: version,
        inputs: [parts.queries.value, parts.keys.value, parts.values.value], outputs: [parts.result],
        attributes: [Attribute("scale", .float(Float(parts.scale)))])
      if let mask = parts.mask { node.inputs.append(mask) }
      var made = [ProgramNode(node)]
      if let heads = parts.packedHeads {
        made[0].node.attributes += [
          Attribute("q_num_heads", .int(Int64(heads))), Attribute("kv_num_heads", .int(Int64(heads))),
        ]
      } else if parts.keys.isByPixel {
        let turned = Node(
          operatorName: "Transpose", sinceVersion: parts.keys.version, inputs: node.inputs[1...1].map { $0 },
          outputs: [addValue(turnedValue(of: node.inputs[1]))], attributes: [Attribute("perm", .ints([0, 2, 1, 3]))])
        made[0].node.inputs[1] = turned.outputs[0]
        made.insert(ProgramNode(turned), at: 0)
      }
      let unread = program.nodes[parts.last].node.inputs
      program.nodes.replaceSubrange(parts.last...parts.last, with: made)
      removeUnread(unread)
      matcher = PatternMatcher(self)
      position = 0
    }
  }

  /// `[B, S, H, D]` as `[B, H, S, D]`.
  private func turnedValue(of id: ValueID) -> Value {
    var value = program.graph.values[Int(id)]
    if case .tensor(var type) = value.type {
      type.shape?.dimensions.swapAt(1, 2)
      value.type = .tensor(type)
    }
    return value
  }

  /// Removes the nodes that write values which nobody reads any more, and what they alone read.
  func removeUnread(_ values: [ValueID]) {
    var readers = program.readerCounts()
    let writers = program.writers()
    var pending = values
    var removed: [Int] = []
    while let value = pending.popLast() {
      guard value >= 0, readers[Int(value)] == 0, let writer = writers[Int(value)], !removed.contains(writer) else { continue }
      guard !program.nodes[writer].node.outputs.contains(where: { $0 >= 0 && readers[Int($0)] > 0 }) else { continue }
      removed.append(writer)
      for id in program.nodes[writer].reads {
        readers[Int(id)] -= 1
        pending.append(id)
      }
    }
    remove(removed)
  }
}

/// The operands of an attention as an exporter wrote it, freed of scales, transpositions and reshapes.
private struct AttentionParts {
  struct Operand {
    var value: ValueID
    /// `[B, S, H, D]` instead of `[B, H, S, D]`; for keys, whose transposition was one with that of the heads.
    var isByPixel = false
    /// Of the transposition's operator.
    var version: Int32 = 1
    /// The same in `[B, L, H D]`, and the heads.
    var packed: (value: ValueID, heads: Int)?
  }

  var queries: Operand
  var keys: Operand
  var values: Operand
  var mask: ValueID?
  var scale = 1.0
  /// Where operands and result are of rank 3.
  var packedHeads: Int?
  var result: ValueID
  /// The node that writes the result.
  var last: Int

  init?(_ matcher: PatternMatcher, _ letters: [Int], _ match: PatternMatch, result: ValueID) {
    guard let q = match.values[letters[0]], let t = match.values[letters[1]], let v = match.values[letters[2]],
      let position = matcher.writers[Int(result)], matcher.rank(q) == 4, matcher.rank(t) == 4, matcher.rank(v) == 4,
      matcher.compiler.elementType(of: result) == .float32
    else { return nil }
    scale = (match.kept[letters[4]] ?? 1) / (match.kept[letters[5]] ?? 1)
    var unscaled = [q, t]
    for index in unscaled.indices {
      while let inner = matcher.unscaled(unscaled[index]) {
        unscaled[index] = inner.value
        scale *= inner.factor
      }
    }
    guard let turned = matcher.node("Transpose", nil, writing: unscaled[1]) else { return nil }
    keys = Operand(value: turned.node.node.inputs[0], version: turned.node.node.sinceVersion)
    // The scale of keys may also stand before their transposition.
    while let inner = matcher.unscaled(keys.value) {
      keys.value = inner.value
      scale *= inner.factor
    }
    if matcher.compiler.has(turned.node, [0, 2, 3, 1]) {
      keys.isByPixel = true
      keys.packed = matcher.merged(keys.value)
    } else if matcher.compiler.has(turned.node, [0, 1, 3, 2]) {
      keys.packed = matcher.packed(keys.value)
    } else {
      return nil
    }
    queries = Operand(value: unscaled[0], packed: matcher.packed(unscaled[0]))
    values = Operand(value: v, packed: matcher.packed(v))
    (self.result, last) = (result, position)
    if let m = match.values[letters[3]] {
      guard matcher.isMask(m, queries: q, keys: t) else { return nil }
      mask = m
    }
    guard let heads = queries.packed?.heads, keys.packed?.heads == heads, values.packed?.heads == heads,
      let merged = matcher.merging(result, heads: heads), let q3 = queries.packed, let k3 = keys.packed, let v3 = values.packed
    else { return }
    packedHeads = heads
    (queries.value, keys.value, values.value) = (q3.value, k3.value, v3.value)
    (self.result, last) = merged
  }
}

extension PatternMatcher {
  fileprivate func shape(_ id: ValueID) -> Shape? { compiler.program.graph.values[Int(id)].type?.tensor?.shape }

  fileprivate func rank(_ id: ValueID) -> Int? { shape(id)?.rank }

  /// The operand of a product with, or quotient by, one number, of the same rank.
  fileprivate func unscaled(_ id: ValueID) -> (value: ValueID, factor: Double)? {
    for (name, isQuotient): (Name, Bool) in [("Mul", false), ("Div", true)] {
      guard let inputs = node(name, nil, writing: id)?.node.node.inputs else { continue }
      for (value, factor) in [(inputs[0], inputs[1]), (inputs[1], inputs[0])] {
        if let number = compiler.scalar(factor), compiler.constant(value) == nil, rank(value) == rank(id) {
          return (value, isQuotient ? 1 / number : number)
        }
        if isQuotient { break }
      }
    }
    return nil
  }

  /// `[B, L, H D]` and H, if the value is that as `[B, H, L, D]`.
  fileprivate func packed(_ id: ValueID) -> (value: ValueID, heads: Int)? {
    node("Transpose", [0, 2, 1, 3], writing: id).flatMap { merged($0.node.node.inputs[0]) }
  }

  /// The same, if the value is that as `[B, L, H, D]`.
  fileprivate func merged(_ id: ValueID) -> (value: ValueID, heads: Int)? {
    guard let split = node("Reshape", nil, writing: id)?.node.node.inputs, let whole = shape(split[0]), let parts = shape(id),
      whole.rank == 3, parts.rank == 4, let heads = parts[2].value, let size = parts[3].value, whole[2] == .known(heads * size),
      keepsRows(whole, parts, compiler.integers(split[1]))
    else { return nil }
    return (split[0], heads)
  }

  /// The value `[B, L, H D]` and its writer, if `[B, H, L, D]` becomes that and is read for nothing else.
  fileprivate func merging(_ id: ValueID, heads: Int) -> (value: ValueID, writer: Int)? {
    guard let turned = reader(id, "Transpose"), compiler.has(turned.node, [0, 2, 1, 3]),
      let merged = reader(turned.node.node.outputs[0], "Reshape"), let parts = shape(turned.node.node.outputs[0]),
      let whole = shape(merged.node.node.outputs[0]), whole.rank == 3, let size = parts[3].value,
      parts[2] == .known(heads), whole[2] == .known(heads * size),
      keepsRows(parts, whole, compiler.integers(merged.node.node.inputs[1]))
    else { return nil }
    return (merged.node.node.outputs[0], merged.position)
  }

  /// Whether a reshape keeps the first two axes: with the others' product kept, one of the two is enough.
  private func keepsRows(_ from: Shape, _ to: Shape, _ wanted: [Int]?) -> Bool {
    if let wanted, wanted.count > 1, wanted[0] == 0 || wanted[1] == 0 { return true }
    return (from[0] == to[0] && from[0] != .unknown) || (from[1] == to[1] && from[1] != .unknown)
  }

  /// The only reader of a value, if it is an operator.
  private func reader(_ id: ValueID, _ name: Name) -> (node: ProgramNode, position: Int)? {
    guard readers[Int(id)] == 1 else { return nil }
    let nodes = compiler.program.nodes
    guard let position = nodes.firstIndex(where: { $0.node.inputs.contains(id) }),
      compiler.isStandard(nodes[position], named: name)
    else { return nil }
    return (nodes[position], position)
  }

  /// Whether a value is added to scores of queries `[B, H, L, D]` and keys `[B, H, D, S]` without making them larger.
  fileprivate func isMask(_ id: ValueID, queries: ValueID, keys: ValueID) -> Bool {
    guard compiler.elementType(of: id) == .float32, let mask = shape(id), let q = shape(queries), let k = shape(keys),
      mask.rank >= 1, mask.rank <= 4
    else { return false }
    let scores = [q[0], q[1], q[2], k[3]]
    for (axis, extent) in mask.dimensions.enumerated() {
      let own = scores[axis + 4 - mask.rank]
      // A last axis of 1 would be a mask of one key.
      if extent == own && extent != .unknown { continue }
      guard extent == .known(1), axis < mask.rank - 1 else { return false }
    }
    return true
  }
}
