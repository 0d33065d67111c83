import ApusConvert
import ApusGraph
import ApusSafetensors

/// A checkpoint of a small network for the tests to convert and to spoil: logits = relu(x W1ᵀ + b1) W2ᵀ.
struct SmallCheckpoint {
  var graph: JSONValue
  var tensors: [SafetensorsTensor]
  var metadata: [String: String]
  /// The test vector's input, 2 rows, and what the network gives for it, computed by loops in double precision.
  let input: [Float]
  let output: [Float]

  /// - Parameters: widths of the three layers.
  init(inputs: Int = 2, hidden: Int = 3, outputs: Int = 2) {
    var state: UInt64 = 1
    func random(_ count: Int) -> [Float] {
      (0..<count).map { _ in
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return Float(Int32(truncatingIfNeeded: state >> 32)) / 0x1p31
      }
    }
    let (weights1, bias1, weights2) = (random(hidden * inputs), random(hidden), random(outputs * hidden))
    input = random(2 * inputs)
    output = Self.evaluate(input, weights1, bias1, weights2)
    graph = [
      "version": 1, "name": "small", "symbols": [["name": "N", "minimum": 1, "multiple": 1]],
      "inputs": [["name": "x", "type": ["element": "float32", "shape": ["N", JSONValue(inputs)]]]],
      "outputs": [["name": "logits"]],
      "values": [["name": "hidden", "type": ["element": "float32", "shape": ["N", JSONValue(hidden)]]]],
      "initializers": [
        ["name": "fc1.weight", "tensor": "fc1.weight"], ["name": "fc1.bias", "tensor": "fc1.bias"],
        ["name": "fc2.weight", "tensor": "fc2.weight"],
      ],
      "nodes": [
        Self.node("fc1", "Gemm", 13, ["x", "fc1.weight", "fc1.bias"], "hidden", [Self.attribute("transB", "int", 1)]),
        Self.node("relu", "Relu", 14, ["hidden"], "active", []),
        Self.node("fc2", "Gemm", 13, ["active", "fc2.weight"], "logits", [Self.attribute("transB", "int", 1)]),
      ],
      "tests": ["count": 1, "absolute_tolerance": .number(1e-4), "relative_tolerance": .number(1e-4)],
      "metadata": [["key": "classes", "value": "cat,dog"]],
    ]
    tensors = [
      SafetensorsTensor(name: "fc1.weight", floats: weights1, dimensions: [hidden, inputs]),
      SafetensorsTensor(name: "fc1.bias", floats: bias1, dimensions: [hidden]),
      SafetensorsTensor(name: "fc2.weight", floats: weights2, dimensions: [outputs, hidden]),
      SafetensorsTensor(name: "apus.test.0.input.x", floats: input, dimensions: [2, inputs]),
      SafetensorsTensor(name: "apus.test.0.output.logits", floats: output, dimensions: [2, outputs]),
      SafetensorsTensor(
        name: "apus.optimizer.velocity.fc1.weight", floats: [Float](repeating: 9, count: hidden * inputs),
        dimensions: [hidden, inputs]),
    ]
    metadata = ["apus.format": "checkpoint", "apus.version": "1", "apus.training": "{}"]
  }

  private static func evaluate(_ x: [Float], _ weights1: [Float], _ bias1: [Float], _ weights2: [Float]) -> [Float] {
    let hidden = bias1.count
    let (inputs, outputs) = (weights1.count / hidden, weights2.count / hidden)
    var result: [Float] = []
    for row in 0..<2 {
      var active = bias1.map { Double($0) }
      for unit in 0..<hidden {
        for k in 0..<inputs { active[unit] += Double(x[row * inputs + k]) * Double(weights1[unit * inputs + k]) }
        active[unit] = max(active[unit], 0)
      }
      for unit in 0..<outputs {
        result.append(Float((0..<hidden).reduce(0.0) { $0 + active[$1] * Double(weights2[unit * hidden + $1]) }))
      }
    }
    return result
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
