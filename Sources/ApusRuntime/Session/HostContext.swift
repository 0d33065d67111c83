import ApusFormat
import ApusGraph

/// What a host operator reads and writes.
final class HostContext {
  /// Attributes and input types.
  let node: BoundNode
  /// By position; nil for inputs that are left out.
  let inputs: [RuntimeValue?]
  /// To be set for each output that the node has.
  var outputs: [RuntimeValue?]
  /// Where strings come from.
  let memory: BulkMemory
  private let recycler: Recycler
  /// The instruction set level of kernels.
  let level: Int32
  let limits: Limits
  private let programs: [Program]
  private let call: (GraphID, [RuntimeValue]) throws(ApusError) -> [RuntimeValue]

  init(
    node: BoundNode, inputs: [RuntimeValue?], recycler: Recycler, level: Int32, limits: Limits, programs: [Program],
    call: @escaping (GraphID, [RuntimeValue]) throws(ApusError) -> [RuntimeValue]
  ) {
    self.node = node
    self.inputs = inputs
    memory = recycler.memory
    self.recycler = recycler
    self.programs = programs
    self.level = level
    self.limits = limits
    self.call = call
    outputs = Array(repeating: nil, count: node.node.node.outputs.count)
  }

  var attributes: AttributeReader { node.attributes }

  /// An input that must be a tensor; the node's check has seen to it that it is there.
  func tensor(_ index: Int) throws(ApusError) -> RuntimeTensor {
    guard let tensor = optionalTensor(index) else {
      throw ApusError(
        .typeMismatch, "input \(index) is no tensor", operatorName: node.node.label, expected: "tensor",
        actual: index < inputs.count ? inputs[index]?.type.kindText ?? "nothing" : "nothing")
    }
    return tensor
  }

  func optionalTensor(_ index: Int) -> RuntimeTensor? { index < inputs.count ? inputs[index]?.tensor : nil }

  /// The first element of an integer input; nil where it is left out or empty.
  func integer(_ index: Int) -> Int64? {
    guard let tensor = optionalTensor(index), let width = tensor.elementType.byteWidth, tensor.byteCount >= width else {
      return nil
    }
    return tensor.elementType.integers(Array(tensor.bytes[0..<width]))?.first
  }

  /// A tensor to be filled by the operator, not initialized, checked against the limits.
  func makeTensor(_ elementType: ElementType, _ extents: [Int]) throws(ApusError) -> RuntimeTensor {
    try check(extents)
    return try RuntimeTensor(elementType, extents, recycler: recycler)
  }

  func makeTensor(strings: [[UInt8]], _ extents: [Int]) throws(ApusError) -> RuntimeTensor {
    try check(extents)
    return try RuntimeTensor(strings: strings, extents, memory: memory)
  }

  private func check(_ extents: [Int]) throws(ApusError) {
    guard let count = elementCount(extents), count <= limits.elements, extents.count <= limits.rank else {
      throw ApusError(
        .limitExceeded, "a result over the limit", operatorName: node.node.label,
        expected: "at most \(limits.elements) elements and rank \(limits.rank)",
        actual: Shape(extents).text(symbols: []))
    }
  }

  func setOutput(_ index: Int, _ value: RuntimeValue) {
    if index < outputs.count { outputs[index] = value }
  }

  /// Whether somebody reads an output.
  func wantsOutput(_ index: Int) -> Bool { node.optionalOutput(index) != nil }

  /// Runs the subgraph of an attribute. Returns its outputs.
  func run(_ attribute: StaticString, _ inputs: [RuntimeValue]) throws(ApusError) -> [RuntimeValue] {
    try call(try graph(attribute), inputs)
  }

  private func graph(_ attribute: StaticString) throws(ApusError) -> GraphID {
    if let graph = attributes.graph(attribute) { return graph }
    throw ApusError(
      .invalidAttribute, "attribute '" + attribute.text + "' is missing", operatorName: node.node.label,
      expected: "a graph")
  }

  /// The inputs and outputs of an attribute's subgraph, with what is declared of them.
  func signature(_ attribute: StaticString) throws(ApusError) -> (inputs: [Value], outputs: [Value]) {
    let graph = programs[Int(try graph(attribute))].graph
    return (graph.inputs.map { graph.values[Int($0)] }, graph.outputs.map { graph.values[Int($0)] })
  }

  func error(_ message: String, expected: String = "", actual: String = "") -> ApusError {
    ApusError(.invalidModel, message, operatorName: node.node.label, expected: expected, actual: actual)
  }

  /// The status of a kernel's C function as an error.
  func check(_ status: Int32) throws(ApusError) {
    guard status != 0 else { return }
    throw ApusError(
      ApusError.Status(rawValue: status) ?? .internal, "the operator can not run these operands",
      operatorName: node.node.label)
  }
}
