import ApusConvert
import ApusGraph
import ApusSafetensors

/// A checkpoint of a small network for the tests to convert and to spoil: logits = relu(x W1ᵀ + b1) W2ᵀ, 2 to 3 to 2.
struct SmallCheckpoint {
  var graph: JSONValue
  var tensors: [SafetensorsTensor]
  var metadata: [String: String]

  static let input: [Float] = [1, -2, 0.5, 3]
  static let weights1: [Float] = [1, 2, -1, 0.5, 0.25, -3]
  static let bias1: [Float] = [0.5, -0.5, 1]
  static let weights2: [Float] = [1, 0, -1, 2, 0.5, 0.25]

  /// What the network gives for `input`, computed by loops.
  static var output: [Float] {
    var result: [Float] = []
    for row in 0..<2 {
      var hidden = bias1
      for unit in 0..<3 {
        for k in 0..<2 { hidden[unit] += input[row * 2 + k] * weights1[unit * 2 + k] }
        hidden[unit] = max(hidden[unit], 0)
      }
      for unit in 0..<2 {
        result.append((0..<3).reduce(Float(0)) { $0 + hidden[$1] * weights2[unit * 3 + $1] })
      }
    }
    return result
  }

  init() {
    graph = [
      "version": 1, "name": "small", "symbols": [["name": "N", "minimum": 1, "multiple": 1]],
      "inputs": [["name": "x", "type": ["element": "float32", "shape": ["N", 2]]]],
      "outputs": [["name": "logits"]],
      "values": [["name": "hidden", "type": ["element": "float32", "shape": ["N", 3]]]],
      "initializers": [
        ["name": "fc1.weight", "tensor": "fc1.weight"], ["name": "fc1.bias", "tensor": "fc1.bias"],
        ["name": "fc2.weight", "tensor": "fc2.weight"],
      ],
      "nodes": [
        Self.node("fc1", "Gemm", 13, ["x", "fc1.weight", "fc1.bias"], "hidden", [Self.attribute("transB", "int", 1)]),
        Self.node("relu", "Relu", 14, ["hidden"], "active", []),
        Self.node("fc2", "Gemm", 13, ["active", "fc2.weight"], "logits", [Self.attribute("transB", "int", 1)]),
      ],
      "tests": ["count": 1, "absolute_tolerance": .number(1e-5), "relative_tolerance": .number(1e-5)],
      "metadata": [["key": "classes", "value": "cat,dog"]],
    ]
    tensors = [
      SafetensorsTensor(name: "fc1.weight", floats: Self.weights1, dimensions: [3, 2]),
      SafetensorsTensor(name: "fc1.bias", floats: Self.bias1, dimensions: [3]),
      SafetensorsTensor(name: "fc2.weight", floats: Self.weights2, dimensions: [2, 3]),
      SafetensorsTensor(name: "apus.test.0.input.x", floats: Self.input, dimensions: [2, 2]),
      SafetensorsTensor(name: "apus.test.0.output.logits", floats: Self.output, dimensions: [2, 2]),
      SafetensorsTensor(name: "apus.optimizer.velocity.fc1.weight", floats: [Float](repeating: 9, count: 6), dimensions: [3, 2]),
    ]
    metadata = ["apus.format": "checkpoint", "apus.version": "1", "apus.training": "{}"]
  }

  static func node(
    _ name: String, _ type: String, _ version: Int64, _ inputs: [String], _ output: String, _ attributes: [JSONValue]
  ) -> JSONValue {
    [
      "name": .string(name), "domain": "ai.onnx", "operator": .string(type), "since_version": .integer(version),
      "inputs": .array(inputs.map { .string($0) }), "outputs": [.string(output)], "attributes": .array(attributes),
    ]
  }

  static func attribute(_ name: String, _ type: String, _ value: JSONValue) -> JSONValue {
    ["name": .string(name), "type": .string(type), "value": value]
  }

  func bytes() throws -> [UInt8] {
    var metadata = metadata
    metadata["apus.graph"] = graph.serialized()
    return try SafetensorsWriter.serialize(tensors, metadata: metadata)
  }

  func imported() throws -> ImportedModel {
    try CheckpointImporter(SafetensorsFile(bytes: try bytes(), name: "small.safetensors")).model()
  }

  /// Changes the value at a path of keys and indices of the graph; nil removes the key.
  mutating func set(_ path: [String], _ value: JSONValue?) { graph = Self.replacing(graph, path[...], value) }

  private static func replacing(_ node: JSONValue, _ path: ArraySlice<String>, _ value: JSONValue?) -> JSONValue {
    guard let key = path.first else { return value ?? .null }
    let rest = path.dropFirst()
    switch node {
    case .object(var members):
      let index = members.firstIndex { $0.key == key }
      if rest.isEmpty && value == nil {
        if let index { members.remove(at: index) }
      } else if let index {
        members[index].value = replacing(members[index].value, rest, value)
      } else {
        members.append(JSONMember(key, replacing(.null, rest, value)))
      }
      return .object(members)
    case .array(var elements):
      let index = Int(key) ?? elements.count
      if index == elements.count { elements.append(.null) }
      elements[index] = replacing(elements[index], rest, value)
      return .array(elements)
    default: return replacing([:], path, value)
    }
  }
}
