import ApusGraph

extension KernelBindings {
  /// Whether a node is planned as steps of kernels. One that reads or makes text is not: a host operator runs it, or else
  /// its kernel on the ranks of the strings (`TextRanks`).
  ///
  /// - Parameter type: what is known of a value's type by now, beside what the graph declares.
  func plans(_ node: ProgramNode, _ values: [Value], type: (ValueID) -> ValueType?) -> Bool {
    guard kernel(of: node.node) != nil else { return false }
    for id in node.node.inputs + node.node.outputs where id >= 0 {
      if (type(id) ?? values[Int(id)].type)?.tensor?.elementType == .string { return false }
    }
    return true
  }
}

/// Strings as numbers: each stands for its rank among all strings of a node's operands.
///
/// Operators that move elements, or ask whether two are equal or which comes first, do with ranks what they do with the
/// strings. So their kernels for int64 serve text, too. Rank 0 is the empty string, which operators put where there is no
/// element.
struct TextRanks {
  /// Ascending by bytes, each once.
  private let strings: [[UInt8]]

  init(_ tensors: [RuntimeTensor]) {
    var all: [[UInt8]] = [[]]
    for tensor in tensors { all += tensor.strings }
    var distinct: [[UInt8]] = []
    for string in all.inOrder(by: { $0.lexicographicallyPrecedes($1) }) where distinct.last != string { distinct.append(string) }
    strings = distinct
  }

  /// The ranks of a tensor's strings, as the bytes of int64 elements.
  func ranks(of tensor: RuntimeTensor) -> [UInt8] {
    ElementType.int64.bytes(of: tensor.strings.map { Int64(rank(of: $0)) }) ?? []
  }

  private func rank(of string: [UInt8]) -> Int {
    var low = 0
    var high = strings.count - 1
    while low < high {
      let middle = low + (high - low) / 2
      if strings[middle].lexicographicallyPrecedes(string) { low = middle + 1 } else { high = middle }
    }
    return low
  }

  /// The strings that a tensor of ranks stands for; nil where one is none.
  func strings(of ranks: RuntimeTensor) -> [[UInt8]]? {
    guard let numbers = ranks.elementType.integers(Array(ranks.bytes)) else { return nil }
    var result: [[UInt8]] = []
    result.reserveCapacity(numbers.count)
    for number in numbers {
      guard number >= 0, number < Int64(strings.count) else { return nil }
      result.append(strings[Int(number)])
    }
    return result
  }
}

extension GraphRunner {
  /// Runs the kernel of a node that reads text on the ranks of the strings.
  func runOnRanks(_ node: ProgramNode, _ context: HostContext, _ values: [Value], _ model: Model) throws(ApusError) {
    let tensors = context.inputs.compactMap { $0?.tensor }
    guard tensors.count == node.node.inputs.count(where: { $0 >= 0 }) else { throw context.error("an operand is no tensor") }
    let ranks = TextRanks(tensors.filter { $0.elementType == .string })
    var operands: [(id: ValueID, operand: Operand)] = []
    var values = values
    for (index, id) in node.node.inputs.enumerated() where id >= 0 {
      guard let tensor = context.optionalTensor(index) else { continue }
      values[Int(id)].constant = nil
      let isText = tensor.elementType == .string
      operands.append(
        (
          id,
          Operand(
            type: TensorType(isText ? .int64 : tensor.elementType, Shape(tensor.extents)),
            contents: isText ? ranks.ranks(of: tensor) : Array(tensor.bytes))
        ))
    }
    var rule = context.node.context
    try context.attributes.schema.infer(&rule)
    let results = try model.withConstants { constants, _ throws(ApusError) in
      try model.evaluator(constants).evaluate(
        node, values, known: { id in operands.first { $0.id == id }?.operand }, maximumBytes: Int.max)
    }
    guard let results else { throw context.error("the operator can not run these operands of text") }
    for (index, result) in results.enumerated() {
      guard let result else { continue }
      guard rule.outputs[index]?.tensor?.elementType == .string else {
        context.setOutput(index, .tensor(result))
        continue
      }
      guard let strings = ranks.strings(of: result) else { throw context.error("the operator makes text of its own") }
      context.setOutput(index, .tensor(try context.makeTensor(strings: strings, result.extents)))
    }
  }
}
