import ApusGraph

/// The name that a running trace gave a tensor.
struct TracedValue {
  let recorder: ObjectIdentifier
  let name: String
}

/// A constant operand of a traced node.
enum TracedConstant {
  case tensor(Tensor)
  case integers([Int64])
}

struct TracedNode {
  let name: String
  let definition: Operator
  let attributes: [Attribute]
  /// Names of values; empty for an absent input.
  let inputs: [String]
  var outputs: [String]

  func isSame(as other: TracedNode) -> Bool {
    name == other.name && definition.domain == other.definition.domain && definition.name == other.definition.name
      && attributes == other.attributes && inputs == other.inputs && outputs == other.outputs
  }
}

/// Writes down the operators that a module applies while it runs.
///
/// Values and nodes are named after the module that applied the operator, constants after the parameter they are.
final class TraceRecorder {
  private(set) var nodes: [TracedNode] = []
  private(set) var constants: [(name: String, value: TracedConstant)] = []
  private let layerNames: [ObjectIdentifier: String]
  private let tensorNames: [ObjectIdentifier: String]
  private var usedNames: Set<String>
  private var constantNames: [ObjectIdentifier: String] = [:]

  /// - Parameter reserved: names that nodes and constants must not take: those of the graph's inputs and outputs.
  init(_ module: any Module, reserved: [String]) {
    // A module or tensor that is reached on several paths is known by its first.
    layerNames = Dictionary(module.namedModules.map { (ObjectIdentifier($0.module), $0.name) }) { first, _ in first }
    tensorNames = Dictionary(module.namedTensors.map { (ObjectIdentifier($0.tensor), $0.name) }) { first, _ in first }
    usedNames = Set(reserved)
  }

  func name(_ tensor: Tensor, as name: String) {
    tensor.traced = TracedValue(recorder: ObjectIdentifier(self), name: name)
  }

  /// The name of a tensor that this trace has seen.
  func name(of tensor: Tensor) -> String? {
    guard let traced = tensor.traced, traced.recorder == ObjectIdentifier(self) else { return nil }
    return traced.name
  }

  func record(
    _ definition: Operator, _ inputs: [Operand], _ attributes: [Attribute], _ outputs: [Tensor], layer: (any Module)?
  ) throws(ApusError) {
    let layerName = layer.flatMap { layerNames[ObjectIdentifier($0)] } ?? ""
    let node = unique(layerName.isEmpty ? definition.name.string : layerName)
    var names: [String] = []
    for input in inputs {
      switch input {
      case .tensor(let tensor): names.append(operandName(tensor))
      case .integers(let integers):
        let name = unique(node + ".constant")
        constants.append((name, .integers(integers)))
        names.append(name)
      case .absent: names.append("")
      }
    }
    while names.last == "" { names.removeLast() }
    var results: [String] = []
    for (index, output) in outputs.enumerated() {
      // The name of a node is free to be a value's, too.
      let name = index == 0 ? node : unique("\(node).\(index)")
      self.name(output, as: name)
      results.append(name)
    }
    nodes.append(
      TracedNode(
        name: node, definition: definition, attributes: attributes.filter { !definition.trainingAttributes.contains($0.name) },
        inputs: names, outputs: results))
  }

  /// Gives the value `former` the name `name` everywhere.
  func rename(_ former: String, to name: String) {
    nodes = nodes.map { node in
      TracedNode(
        name: node.name, definition: node.definition, attributes: node.attributes,
        inputs: node.inputs.map { $0 == former ? name : $0 }, outputs: node.outputs.map { $0 == former ? name : $0 })
    }
  }

  private func operandName(_ tensor: Tensor) -> String {
    if let name = name(of: tensor) { return name }
    let id = ObjectIdentifier(tensor)
    if let name = constantNames[id] { return name }
    // A tensor that is no parameter was made within the forward: it is a constant of the model.
    let name = unique(tensorNames[id] ?? "constant")
    constantNames[id] = name
    constants.append((name, .tensor(tensor)))
    return name
  }

  private func unique(_ base: String) -> String {
    var name = base
    var number = 1
    while !usedNames.insert(name).inserted {
      name = "\(base)_\(number)"
      number += 1
    }
    return name
  }
}
