import ApusGraph

/// How the integers of a port stand for real numbers: `real = (q - zeroPoint) scale`.
public struct PortQuantization: Equatable, Sendable {
  public let scale: Float
  public let zeroPoint: Int32

  public init(scale: Float, zeroPoint: Int32) {
    self.scale = scale
    self.zeroPoint = zeroPoint
  }
}

/// Gives a graph the quantized tensors behind its ports as its ports: a float32 input that is quantized by all who read it, in
/// one way, and a float32 output that is dequantized last. Scale and zero point are constants of one element, integers have 8
/// or 16 bits. Ports keep their names; all other ports stay as they are.
struct QuantizedPorts {
  var graph: Graph
  /// By position in `graph.inputs` and `graph.outputs`.
  private(set) var inputs: [PortQuantization?]
  private(set) var outputs: [PortQuantization?]
  private let constants: ConstantStore
  /// By value: whether a graph inside reads it, a state is made of it, or it is both input and output.
  private var isShared: [Bool]

  private struct Found: Equatable {
    let quantization: PortQuantization
    let type: ElementType
  }

  /// - Parameters:
  ///   - graph: the main graph, with the types of all its values.
  ///   - nested: all graphs of the model.
  init(_ graph: Graph, nested: [Graph], states: [State], _ constants: ConstantStore) throws(ApusError) {
    self.graph = graph
    self.constants = constants
    inputs = Array(repeating: nil, count: graph.inputs.count)
    outputs = Array(repeating: nil, count: graph.outputs.count)
    isShared = Array(repeating: false, count: graph.values.count)
    for inner in nested where inner.parent == 0 {
      for capture in inner.captures { isShared[Int(capture.outer)] = true }
    }
    for state in states {
      isShared[Int(state.input)] = true
      isShared[Int(state.output)] = true
    }
    for position in inputs.indices { inputs[position] = try exposeInput(position) }
    for position in outputs.indices { outputs[position] = try exposeOutput(position) }
  }

  private mutating func exposeInput(_ position: Int) throws(ApusError) -> PortQuantization? {
    let id = graph.inputs[position]
    guard isFree(id), !graph.outputs.contains(id) else { return nil }
    var readers: [Int] = []
    var found: Found?
    for (index, node) in graph.nodes.enumerated() where node.inputs.contains(id) {
      guard node.domain == .onnx, node.operatorName.is("QuantizeLinear"), node.inputs.first == id,
        let output = node.outputs.first, let made = try quantization(node, output), found ?? made == made,
        !isShared[Int(output)], !graph.outputs.contains(output)
      else { return nil }
      found = made
      readers.append(index)
    }
    guard let found, let first = readers.first else { return nil }
    let integers = graph.nodes[first].outputs[0]
    for index in readers.dropFirst() { replaceReads(of: graph.nodes[index].outputs[0], by: integers) }
    for index in readers.reversed() { graph.nodes.remove(at: index) }
    swapNames(id, integers)
    graph.inputs[position] = integers
    return found.quantization
  }

  private mutating func exposeOutput(_ position: Int) throws(ApusError) -> PortQuantization? {
    let id = graph.outputs[position]
    guard isFree(id), let index = graph.nodes.firstIndex(where: { $0.outputs.contains(id) }) else { return nil }
    let node = graph.nodes[index]
    guard node.domain == .onnx, node.operatorName.is("DequantizeLinear"), let integers = node.inputs.first, integers >= 0,
      !isShared[Int(integers)], !graph.inputs.contains(integers), !graph.outputs.contains(integers),
      graph.values[Int(integers)].constant == nil, let found = try quantization(node, integers),
      graph.outputs.filter({ $0 == id }).count == 1
    else { return nil }
    graph.outputs[position] = integers
    swapNames(id, integers)
    if !graph.nodes.contains(where: { $0.inputs.contains(id) }) { graph.nodes.remove(at: index) }
    return found.quantization
  }

  private func isFree(_ id: ValueID) -> Bool {
    !isShared[Int(id)] && graph.values[Int(id)].type?.tensor?.elementType == .float32
  }

  /// The parameters of a QuantizeLinear or DequantizeLinear whose quantized side is `integers`; nil where they are not constants
  /// of one element.
  private func quantization(
    _ node: Node, _ integers: ValueID
  ) throws(ApusError) -> Found? {
    guard let type = graph.values[Int(integers)].type?.tensor?.elementType,
      let scales = try element(node, 1), scales.type == .float32, let scale = try constants.floats(scales.tensor).first
    else { return nil }
    var zeroPoint: Int32 = 0
    if node.inputs.count > 2, node.inputs[2] >= 0 {
      guard let zeros = try element(node, 2), let zero = zeros.type.integers(try constants.contents(zeros.tensor))?.first,
        let whole = Int32(exactly: zero)
      else { return nil }
      zeroPoint = whole
    }
    for allowed: ElementType in [.int8, .uint8, .int16, .uint16] where type == allowed {
      return Found(quantization: PortQuantization(scale: scale, zeroPoint: zeroPoint), type: type)
    }
    return nil
  }

  /// A constant operand of one element; nil for another, or one that is left out.
  private func element(_ node: Node, _ operand: Int) throws(ApusError) -> (tensor: TensorID, type: ElementType)? {
    guard operand < node.inputs.count, node.inputs[operand] >= 0,
      let id = graph.values[Int(node.inputs[operand])].constant
    else { return nil }
    let tensor = constants.tensors[Int(id)]
    return elementCount(tensor.dimensions) == 1 ? (id, tensor.elementType) : nil
  }

  private mutating func replaceReads(of old: ValueID, by new: ValueID) {
    for index in graph.nodes.indices {
      for operand in graph.nodes[index].inputs.indices where graph.nodes[index].inputs[operand] == old {
        graph.nodes[index].inputs[operand] = new
      }
    }
  }

  private mutating func swapNames(_ a: ValueID, _ b: ValueID) {
    let name = graph.values[Int(a)].name
    graph.values[Int(a)].name = graph.values[Int(b)].name
    graph.values[Int(b)].name = name
  }
}
