import ApusFormat
import ApusFormatWriter
import ApusGraph
import Testing

/// A small network with two dense layers, as a file holds it.
func smallModel() -> ModelDefinition {
  var graph = Graph(name: "main")
  graph.values = [
    Value(name: "x", type: .tensor(TensorType(.float32, Shape([.symbol(0), .known(3)])))),
    Value(name: "w", constant: 0),
    Value(name: "b", constant: 1),
    Value(name: "h"),
    Value(name: "y"),
  ]
  graph.nodes = [
    Node(
      name: "fc", operatorName: "Gemm", sinceVersion: 13, inputs: [0, 1, 2], outputs: [3],
      attributes: [Attribute("transB", .int(1)), Attribute("alpha", .float(1))]),
    Node(name: "relu", operatorName: "Relu", sinceVersion: 14, inputs: [3], outputs: [4]),
  ]
  graph.inputs = [0]
  graph.outputs = [4]
  func bytes(_ count: Int) -> [UInt8] { (0..<count).flatMap { withUnsafeBytes(of: Float($0) * 0.25) { Array($0) } } }
  var definition = ModelDefinition(
    symbols: [Symbol(name: "N", minimum: 1, maximum: 64)], graphs: [graph],
    tensors: [
      ConstantTensor(name: "w", elementType: .float32, dimensions: [2, 3], storage: .inline(bytes(6))),
      ConstantTensor(name: "b", elementType: .float32, dimensions: [2], storage: .inline(bytes(2))),
    ],
    signatures: [Signature(name: "serve", inputs: [0], outputs: [4])])
  definition.metadata.entries = [Metadata.Entry(key: "license", value: "Apache-2.0"), Metadata.Entry(key: "author", value: "a")]
  definition.metadata.producer = "apus 0.1"
  definition.metadata.testVectors = [
    TestVector(
      name: "zeros",
      inputs: [.init(name: "x", tensor: ConstantTensor(elementType: .float32, dimensions: [1, 3], storage: .inline(bytes(3))))],
      outputs: [.init(name: "y", tensor: ConstantTensor(elementType: .float32, dimensions: [1, 2], storage: .inline(bytes(2))))],
      absoluteTolerance: 1e-5, relativeTolerance: 0)
  ]
  return definition
}

func open(_ bytes: [UInt8], limits: Limits = Limits()) throws(ApusError) -> ModelFile {
  try bytes.withUnsafeBufferPointer { (bytes) throws(ApusError) in
    try ModelFile(.copied(UnsafeRawBufferPointer(bytes)), limits: limits)
  }
}

@Suite struct RoundTripTests {
  @Test func smallModelComesBack() throws {
    let needs = Needs(flops: 12, liveBytes: 40, minimumRuntime: RuntimeVersion(0, 1, 0))
    let bytes = try ModelWriter().encode(smallModel(), needs: needs)
    let file = try open(bytes)
    #expect(file.needs.flops == 12)
    #expect(file.needs.minimumRuntime == RuntimeVersion(0, 1, 0))
    #expect(file.needs.operators.map(\.name) == ["Gemm", "Relu"])
    #expect(file.definition.graphs[0].nodes.map(\.operatorName) == ["Gemm", "Relu"])
    #expect(file.definition.graphs[0].nodes[0].attributes == [Attribute("alpha", .float(1)), Attribute("transB", .int(1))])
    #expect(file.definition.metadata.entries.map(\.key) == ["author", "license"])
    #expect(try Array(file.tensorBytes(1)) == [0, 0, 0, 0, 0, 0, 128, 62])
    #expect(try ModelIdentity.compute(file) == file.modelID)
    try file.verifyAll()
  }
}
