import ApusConvert
import ApusFormatWriter
import ApusGraph
import ApusSafetensors
import Testing

@Suite struct CheckpointImportTests {
  @Test func aCheckpointBecomesItsModel() throws {
    let imported = try SmallCheckpoint().imported()
    let definition = imported.definition
    let graph = definition.graphs[0]
    #expect(graph.name == "small")
    #expect(definition.symbols == [Symbol(name: "N", minimum: 1)])
    #expect(graph.inputs.map { graph.values[Int($0)].name } == ["x"])
    #expect(graph.outputs.map { graph.values[Int($0)].name } == ["logits"])
    #expect(graph.nodes.map(\.label) == ["fc1 (ai.onnx.Gemm-13)", "relu (ai.onnx.Relu-14)", "fc2 (ai.onnx.Gemm-13)"])
    #expect(definition.tensors.map(\.name) == ["fc1.weight", "fc1.bias", "fc2.weight"])
    #expect(definition.tensors[0].dimensions == [3, 2])
    #expect(definition.metadata.entries == [Metadata.Entry(key: "classes", value: "cat,dog")])
    #expect(imported.leftOut == ["apus.optimizer.velocity.fc1.weight"])
    #expect(imported.leftOutBytes == 24)
    guard case .inline(let bytes) = definition.tensors[2].storage else {
      Issue.record("the tensor is not inline")
      return
    }
    #expect(bytes == SmallCheckpoint().tensors[2].bytes)
    // Types that the checkpoint leaves out are inferred.
    let logits = graph.values[Int(graph.outputs[0])]
    #expect(logits.type == .tensor(TensorType(.float32, Shape([.symbol(0), .known(2)]))))
  }

  @Test func testVectorsAreTakenOverOrLeftOut() throws {
    let vectors = try SmallCheckpoint().imported().definition.metadata.testVectors
    #expect(vectors.count == 1)
    #expect(vectors[0].inputs.map(\.name) == ["x"])
    #expect(vectors[0].outputs.map(\.name) == ["logits"])
    #expect(vectors[0].outputs[0].tensor.dimensions == [2, 2])
    #expect(vectors[0].absoluteTolerance == 1e-4)
    let file = try SafetensorsFile(bytes: try SmallCheckpoint().bytes())
    #expect(try CheckpointImporter(file).model(testVectors: false).definition.metadata.testVectors.isEmpty)
  }

  @Test func tensorsThatAreNotInlineAreReadInPieces() throws {
    let file = try SafetensorsFile(bytes: try SmallCheckpoint().bytes())
    let imported = try CheckpointImporter(file, inlineBytes: 0).model()
    guard case .segment(_, _, let length) = imported.definition.tensors[0].storage else {
      Issue.record("the tensor is inline")
      return
    }
    #expect(length == 24)
    for (reference, name) in [
      (.model(2), "fc2.weight"), (.testInput(vector: 0, index: 0), "apus.test.0.input.x"),
      (.testOutput(vector: 0, index: 0), "apus.test.0.output.logits"),
    ] as [(TensorReference, String)] {
      var bytes = [UInt8](repeating: 0, count: 6)
      try bytes.withUnsafeMutableBytes { try imported.data(reference, 3, $0) }
      #expect(bytes == Array(try file.bytes(of: name)[3..<9]))
    }
  }

  @Test func everyKindOfAttributeIsRead() throws {
    var checkpoint = SmallCheckpoint()
    checkpoint.set(["initializers", "3"], ["name": "w", "tensor": "fc1.weight"])
    checkpoint.set(
      ["nodes", "3"],
      SmallCheckpoint.node(
        "lstm", "LSTM", 22, ["x", "w"], "unused",
        [
          SmallCheckpoint.attribute("hidden_size", "int", 3), SmallCheckpoint.attribute("clip", "float", .number(0.1)),
          SmallCheckpoint.attribute("direction", "string", "forward"),
          SmallCheckpoint.attribute("activation_alpha", "floats", [1, .number(2.5), "-Infinity"]),
          SmallCheckpoint.attribute("activations", "strings", ["Sigmoid", "Tanh", "Tanh"]),
          SmallCheckpoint.attribute("sizes", "ints", [-1, JSONValue(Int64.max)]),
        ]))
    // The registry would refuse this LSTM: an empty one shows what was read, in its message or not at all.
    let permissive = try OperatorRegistry([
      OperatorSchema(
        name: "LSTM", versions: [22], inputs: [Parameter("X", .floats), Parameter("W", .floats)],
        outputs: [Parameter("Y", .floats)],
        attributes: [
          AttributeSchema("hidden_size", .int), AttributeSchema("clip", .float), AttributeSchema("direction", .string),
          AttributeSchema("activation_alpha", .floats), AttributeSchema("activations", .strings),
          AttributeSchema("sizes", .ints),
        ]
      ) { context throws(ApusError) in try context.propagate() },
      .gemm, .relu,
    ])
    let file = try SafetensorsFile(bytes: try checkpoint.bytes())
    let node = try CheckpointImporter(file).model(registry: permissive).definition.graphs[0].nodes[3]
    #expect(
      node.attributes == [
        Attribute("hidden_size", .int(3)), Attribute("clip", .float(0.1)), Attribute("direction", .string("forward")),
        Attribute("activation_alpha", .floats([1, 2.5, -.infinity])),
        Attribute("activations", .strings(["Sigmoid", "Tanh", "Tanh"])),
        Attribute("sizes", .ints([-1, .max])),
      ])
  }

  @Test func integerInitializersAreReadInEveryIntegerType() throws {
    for type: ElementType in [.int64, .int32, .int16, .int8, .uint64, .uint32, .uint16, .uint8] {
      var checkpoint = SmallCheckpoint()
      checkpoint.set(
        ["initializers", "3"],
        ["name": "axes", "element": .string(type.name.text), "shape": [2, 1], "integers": [1, 100]])
      let tensor = try #require(try checkpoint.imported().definition.tensors.last)
      #expect(tensor.elementType == type)
      #expect(tensor.dimensions == [2, 1])
      let width = type.bitWidth / 8
      let zeros = [UInt8](repeating: 0, count: width - 1)
      guard case .inline(let bytes) = tensor.storage else { continue }
      #expect(bytes == [1] + zeros + [100] + zeros)
    }
  }

  @Test func absentOptionalInputsStayAbsent() throws {
    var checkpoint = SmallCheckpoint()
    checkpoint.set(["nodes", "2", "inputs"], ["active", "fc2.weight", ""])
    #expect(try checkpoint.imported().definition.graphs[0].nodes[2].inputs.last == .absent)
  }

  struct Spoiled: Sendable {
    let path: [String]
    let value: JSONValue?
    let status: ApusError.Status
    let message: String
  }

  static func spoil(_ path: String, _ value: JSONValue?, _ status: ApusError.Status, _ message: String) -> Spoiled {
    Spoiled(path: path.split(separator: "/").map(String.init), value: value, status: status, message: message)
  }

  static let spoiled = [
    spoil("version", 2, .unsupportedVersion, "version"),
    spoil("version", nil, .malformed, "lacks a key"),
    spoil("more", 1, .malformed, "unknown key"),
    spoil("name", 1, .malformed, "at name"),
    spoil("symbols/0/minimum", -1, .malformed, "symbols[0].minimum"),
    spoil("symbols/0/multiple", 0, .malformed, "symbols[0].multiple"),
    spoil("symbols/0/maximum", 0, .malformed, "symbols[0].maximum"),
    spoil("symbols/0/name", "", .malformed, "symbols[0].name"),
    spoil("symbols/1", ["name": "N", "minimum": 1, "multiple": 1], .malformed, "at symbols"),
    spoil("inputs/0/type", nil, .malformed, "inputs[0]"),
    spoil("inputs/0/type/element", "float33", .malformed, "inputs[0].type.element"),
    spoil("inputs/0/type/shape/0", "M", .malformed, "inputs[0].type.shape[0]"),
    spoil("inputs/0/type/shape/0", -1, .malformed, "inputs[0].type.shape[0]"),
    spoil("inputs/0/type/shape/1", 3, .shapeInference, "inner extents"),
    spoil("inputs/1", ["name": "x", "type": ["element": "float32"]], .malformed, "twice"),
    spoil("outputs/0/name", "nothing", .malformed, "no node writes"),
    spoil("outputs/0/type", ["element": "int64"], .shapeInference, "another element type"),
    spoil("values/0/name", "nothing", .malformed, "no node writes"),
    spoil("values/0/type/shape/1", 4, .shapeInference, "declared"),
    spoil("initializers/0/tensor", "missing", .unknownName, "lacks a tensor"),
    spoil("initializers/0/tensor", "apus.test.0.input.x", .malformed, "no part of a model"),
    spoil("initializers/0/name", "x", .malformed, "twice"),
    spoil("initializers/3", ["name": "i", "element": "int8", "shape": [1], "integers": [200]], .malformed, "integers"),
    spoil("initializers/3", ["name": "i", "element": "int8", "shape": [2], "integers": [1]], .malformed, "integers"),
    spoil("initializers/3", ["name": "i", "element": "float32", "shape": [1], "integers": [1]], .malformed, "element"),
    spoil("initializers/3", ["name": "i"], .malformed, "lacks a key"),
    spoil("nodes/0/operator", "Gemmm", .unsupportedOperator, "no such operator"),
    spoil("nodes/0/since_version", 1, .unsupportedOperator, "other versions"),
    spoil("nodes/0/since_version", JSONValue(Int64.max), .malformed, "since_version"),
    spoil("nodes/0/domain", "", .malformed, "nodes[0].domain"),
    spoil("nodes/0/inputs/0", "logits", .malformed, "nothing has written"),
    spoil("nodes/0/outputs/0", "x", .malformed, "twice"),
    spoil("nodes/0/attributes/0/type", "tensor", .malformed, "attributes[0].type"),
    spoil("nodes/0/attributes/0/value", "1", .malformed, "attributes[0].value"),
    spoil("nodes/0/attributes/0/value", .number(1.5), .malformed, "attributes[0].value"),
    spoil("nodes/0/attributes/0/name", "transC", .invalidAttribute, "transC"),
    spoil("nodes/0/attributes/0", attribute("alpha", "float", .number(1e300)), .malformed, "attributes[0].value"),
    spoil("nodes/0/attributes/0", attribute("alpha", "float", .null), .malformed, "attributes[0].value"),
    spoil("nodes/0/attributes/0", attribute("alpha", "floats", [.null]), .malformed, "attributes[0].value[0]"),
    spoil("nodes/0/attributes/0", attribute("alpha", "strings", [1]), .malformed, "attributes[0].value[0]"),
    spoil("nodes/0/attributes/0", attribute("alpha", "string", "a\0"), .malformed, "attributes[0].value"),
    spoil("nodes/0/attributes/0", attribute("alpha", "int", 1), .invalidAttribute, "wrong kind"),
    spoil("tests/count", 2, .unknownName, "lacks a tensor"),
    spoil("tests/count", 0, .malformed, "test tensor"),
    spoil("tests/count", JSONValue(Int64.max), .malformed, "test vectors"),
    spoil("tests/absolute_tolerance", -1, .malformed, "absolute_tolerance"),
    spoil("tests/relative_tolerance", "NaN", .malformed, "relative_tolerance"),
    spoil("metadata/1", ["key": "classes", "value": ""], .malformed, "metadata"),
    spoil("metadata/0/value", 1, .malformed, "metadata[0].value"),
  ]

  private static func attribute(_ name: String, _ type: String, _ value: JSONValue) -> JSONValue {
    SmallCheckpoint.attribute(name, type, value)
  }

  @Test(arguments: spoiled) func aSpoiledGraphIsRefusedWithItsPlace(_ spoiled: Spoiled) {
    var checkpoint = SmallCheckpoint()
    checkpoint.set(spoiled.path, spoiled.value)
    let error = #expect(throws: ApusError.self) { _ = try checkpoint.imported() }
    #expect(error?.status == spoiled.status, "\(String(describing: error))")
    #expect(error.map { "\($0)".contains(spoiled.message) } == true, "\(String(describing: error))")
    #expect(error?.file == "small.safetensors")
    if spoiled.path.starts(with: ["nodes", "0"]), spoiled.status != .malformed {
      #expect(error?.operatorName.contains("fc1") == true)
    }
  }

  @Test func aCheckpointOfAnotherKindIsRefused() throws {
    for (key, value, message) in [
      ("apus.format", nil, "apus.format"), ("apus.format", "weights", "apus.format"), ("apus.version", "2", "version"),
      ("apus.version", nil, "version"),
    ] as [(String, String?, String)] {
      var checkpoint = SmallCheckpoint()
      checkpoint.metadata[key] = value
      let error = #expect(throws: ApusError.self) { _ = try checkpoint.imported() }
      #expect(error?.message.contains(message) == true)
    }
    let bare = try SafetensorsWriter.serialize(
      SmallCheckpoint().tensors, metadata: ["apus.format": "checkpoint", "apus.version": "1"])
    let error = #expect(throws: ApusError.self) { _ = try CheckpointImporter(SafetensorsFile(bytes: bare)).model() }
    #expect(error?.message.contains("no traced graph") == true)
  }

  @Test func aTestVectorOfAnotherTypeOrShapeIsRefused() throws {
    var wrongShape = SmallCheckpoint()
    wrongShape.tensors[3].dimensions = [1, 4]
    #expect(#expect(throws: ApusError.self) { _ = try wrongShape.imported() }?.status == .shapeMismatch)
    var wrongType = SmallCheckpoint()
    wrongType.tensors[4].elementType = .int32
    #expect(#expect(throws: ApusError.self) { _ = try wrongType.imported() }?.status == .typeMismatch)
  }
}
