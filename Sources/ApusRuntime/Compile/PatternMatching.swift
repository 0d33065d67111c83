import ApusGraph

/// Where a pattern was found.
struct PatternMatch {
  /// By letter: the value that it stands for.
  var values: [ValueID?] = Array(repeating: nil, count: GraphPattern.letters)
  /// By letter: the constant that was kept.
  var kept: [Double?] = Array(repeating: nil, count: GraphPattern.letters)
  /// The nodes of the pattern, the one that makes its result first.
  private(set) var nodes: [Int] = []

  mutating func add(_ position: Int) {
    if !nodes.contains(position) { nodes.append(position) }
  }
}

/// Finds patterns in a program, with who writes and who reads each value.
struct PatternMatcher {
  let compiler: Compiler
  private(set) var writers: [Int?]
  private(set) var readers: [Int]

  init(_ compiler: Compiler) {
    self.compiler = compiler
    writers = compiler.program.writers()
    readers = compiler.program.readerCounts()
  }

  /// The pattern with its result at a value, if nobody else reads what lies inside of it.
  func match(_ pattern: GraphPattern, at value: ValueID) -> PatternMatch? {
    var match = PatternMatch()
    guard fits(pattern, pattern.root, value, &match), isClosed(match) else { return nil }
    return match
  }

  /// Whether the results of all nodes but the first are read by these nodes alone.
  func isClosed(_ match: PatternMatch) -> Bool {
    for position in match.nodes.dropFirst() {
      let result = compiler.program.nodes[position].node.outputs[0]
      var inside = 0
      for reader in match.nodes { inside += compiler.program.nodes[reader].reads.count { $0 == result } }
      guard inside == readers[Int(result)] else { return false }
    }
    return true
  }

  private func fits(_ pattern: GraphPattern, _ index: Int, _ value: ValueID, _ match: inout PatternMatch) -> Bool {
    guard value >= 0 else { return false }
    switch pattern.elements[index] {
    case .value(let letter):
      if let known = match.values[letter] { return known == value }
      match.values[letter] = value
      return true
    case .kept(let letter):
      guard let number = compiler.scalar(value) else { return false }
      if let known = match.kept[letter] { return known == number }
      match.kept[letter] = number
      return true
    case .number(let wanted):
      guard let number = compiler.scalar(value) else { return false }
      return abs(number - wanted) <= 1e-6 * abs(wanted)
    case .either(let forms):
      for form in forms {
        var attempt = match
        guard fits(pattern, form, value, &attempt) else { continue }
        match = attempt
        return true
      }
      return false
    case .operation(let name, let tag, let operands):
      guard let node = node(name, tag, writing: value) else { return false }
      let inputs = node.node.node.inputs
      match.add(node.position)
      if name == "Add" || name == "Mul" {
        return fitsGroup(pattern, name, operands, inputs[0], inputs[1], &match)
      }
      guard inputs.count >= operands.count, tag != nil || inputs.count == operands.count else { return false }
      for (operand, input) in zip(operands, inputs) {
        guard fits(pattern, operand, input, &match) else { return false }
      }
      return true
    }
  }

  /// Two values and the operands that they hold: each operand is, or is part of, one of them.
  private func fitsGroup(
    _ pattern: GraphPattern, _ name: Name, _ operands: [Int], _ a: ValueID, _ b: ValueID, _ match: inout PatternMatch
  ) -> Bool {
    for subset in 1..<(1 << operands.count) - 1 {
      var (left, right) = ([Int](), [Int]())
      for (bit, operand) in operands.enumerated() {
        if subset >> bit & 1 == 1 { left.append(operand) } else { right.append(operand) }
      }
      var attempt = match
      guard fitsPart(pattern, name, left, a, &attempt), fitsPart(pattern, name, right, b, &attempt) else { continue }
      match = attempt
      return true
    }
    return false
  }

  private func fitsPart(
    _ pattern: GraphPattern, _ name: Name, _ operands: [Int], _ value: ValueID, _ match: inout PatternMatch
  ) -> Bool {
    if operands.count == 1 { return fits(pattern, operands[0], value, &match) }
    guard let node = node(name, nil, writing: value) else { return false }
    match.add(node.position)
    return fitsGroup(pattern, name, operands, node.node.node.inputs[0], node.node.node.inputs[1], &match)
  }

  /// The node that writes a value, if it is the operator, with nothing fused into it.
  func node(_ name: Name, _ tag: [Double]?, writing value: ValueID) -> (node: ProgramNode, position: Int)? {
    guard value >= 0, let position = writers[Int(value)] else { return nil }
    let node = compiler.program.nodes[position]
    guard compiler.isStandard(node, named: name), node.isPlain, node.node.outputs.count == 1 else { return nil }
    if let tag, !compiler.has(node, tag) { return nil }
    return (node, position)
  }
}

extension Compiler {
  /// Makes one operator of each pattern, where this build has the operator.
  func fusePatterns(_ patterns: [GraphPattern], _ bindings: KernelBindings) throws(ApusError) {
    for pattern in patterns {
      guard let version = registry.schemas(domain: .onnx, name: pattern.result).last?.versions.last else { continue }
      var made = Node(operatorName: pattern.result, sinceVersion: version, inputs: [], outputs: [])
      guard bindings.canRun(made) else { continue }
      var matcher = PatternMatcher(self)
      var removed: [Int] = []
      for position in program.nodes.indices {
        let last = program.nodes[position].node
        guard pattern.mayEnd(with: last.operatorName), let match = matcher.match(pattern, at: last.outputs[0]),
          isAllowed(pattern, match, result: last.outputs[0])
        else { continue }
        made.name = last.name
        made.inputs = pattern.operands.map { match.values[$0] ?? .absent }
        made.outputs = last.outputs
        made.attributes = pattern.parameters.map { parameter in
          switch parameter.value {
          case .number(let number): Attribute(parameter.name, .float(Float(number)))
          case .kept(let letter): Attribute(parameter.name, .float(Float(match.kept[letter] ?? 0)))
          case .text(let text): Attribute(parameter.name, .string(text))
          }
        }
        program.nodes[position] = ProgramNode(made)
        // What was inside stays for now, without readers: positions must not move.
        removed += match.nodes.filter { $0 != position }
        matcher = PatternMatcher(self)
      }
      remove(removed)
    }
  }

  /// Whether the operator gives the shape that the pattern's parts give: no operand or constant widens the first one.
  private func isAllowed(_ pattern: GraphPattern, _ match: PatternMatch, result: ValueID) -> Bool {
    guard let id = match.values[pattern.operands[0]], let x = program.graph.values[Int(id)].type?.tensor,
      let y = program.graph.values[Int(result)].type?.tensor, x.elementType == .float32, y.elementType == .float32,
      let shape = x.shape, let made = y.shape, shape.rank == made.rank
    else { return false }
    for letter in pattern.operands.dropFirst() {
      // Factors and shifts of a normalization: one number for each element of a row.
      guard let id = match.values[letter], let factor = program.graph.values[Int(id)].type?.tensor,
        factor.elementType == .float32, let extents = factor.shape, extents.rank <= shape.rank,
        let last = extents.dimensions.last, last == shape.dimensions.last, last != .unknown
      else { return false }
      for extent in extents.dimensions.dropLast() where extent != .known(1) { return false }
    }
    return true
  }

  /// The number that a constant of one element is, or nil.
  func scalar(_ id: ValueID) -> Double? {
    guard let tensor = constant(id), elementCount(constants.tensors[Int(tensor)].dimensions) == 1,
      let contents = try? constants.contents(tensor)
    else { return nil }
    let type = constants.tensors[Int(tensor)].elementType
    return type.floats(contents)?.first ?? type.integers(contents)?.first.map { Double($0) }
  }

  /// The numbers of a small constant of integers, or nil.
  func integers(_ id: ValueID) -> [Int]? {
    guard let tensor = constant(id), let count = elementCount(constants.tensors[Int(tensor)].dimensions),
      count <= Int(TypeInference.steeringElements), let contents = try? constants.contents(tensor)
    else { return nil }
    return constants.tensors[Int(tensor)].elementType.integers(contents)?.map { Int($0) }
  }

  /// Whether a node has the parameters that a pattern asks for: the axes of a reduction that keeps them, the axis of a
  /// softmax, a permutation, the alpha and beta of a HardSigmoid.
  func has(_ node: ProgramNode, _ wanted: [Double]) -> Bool {
    guard let reader = try? attributes(of: node) else { return false }
    if isStandard(node, "HardSigmoid") {
      return zip([reader.float("alpha") ?? 0, reader.float("beta") ?? 0], wanted).allSatisfy {
        abs(Double($0) - $1) <= 1e-6
      }
    }
    var found: [Int]
    if isStandard(node, "Transpose") {
      found = reader.ints("perm") ?? []
    } else {
      let rank = program.graph.values[Int(node.node.inputs[0])].type?.tensor?.shape?.rank ?? 0
      if isStandard(node, "Softmax") {
        found = [reader.int("axis") ?? -1]
      } else {
        guard (reader.int("keepdims") ?? 1) == 1, node.node.inputs.count == 2, let axes = integers(node.node.inputs[1]) else {
          return false
        }
        found = axes
      }
      found = found.map { $0 == rank - 1 ? -1 : $0 }
    }
    return found.map { Double($0) } == wanted
  }
}
