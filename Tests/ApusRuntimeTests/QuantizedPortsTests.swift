import ApusGraph
import Testing

import ApusRuntime

/// Ports that are the quantized tensors behind the declared ones, where a caller asks for them.
@Suite struct QuantizedPortsTests {
  /// x, quantized by `readers` nodes with `scales`, through Relu, to one output each, dequantized with scale 0.25.
  private func model(scales: [Float], isOutput: Bool = false) -> ModelDefinition {
    var builder = ModelBuilder()
    let x = builder.input("x", [2, 3])
    for (index, scale) in scales.enumerated() {
      let zero = builder.value(Name("zero\(index)"), constant: builder.tensor([Int8(4)], [], .int8))
      let (into, out) = (builder.constant([scale], []), builder.constant([0.25], []))
      let q = builder.node("QuantizeLinear", version: 25, [x, into, zero])[0]
      let real = builder.node("DequantizeLinear", version: 25, [q, into, zero])[0]
      let relu = builder.node("Relu", version: 14, [real])[0]
      let result = builder.node("QuantizeLinear", version: 25, [relu, out, zero])[0]
      builder.output(builder.node("DequantizeLinear", version: 25, [result, out, zero])[0])
    }
    if isOutput { builder.output(x) }
    return builder.definition
  }

  private func load(_ definition: ModelDefinition) throws -> Model {
    var options = LoadOptions()
    options.quantizedPorts = true
    return try Model(definition: definition, options: options)
  }

  @Test func allReadersShareTheIntegers() throws {
    let definition = model(scales: [0.5, 0.5])
    let model = try load(definition)
    #expect(model.inputs.map { $0.name } == ["x"])
    #expect(model.inputs[0].elementType == .int8)
    #expect(model.inputs[0].quantization == PortQuantization(scale: 0.5, zeroPoint: 4))
    #expect(model.outputs.map { $0.elementType } == [.int8, .int8])
    #expect(model.outputs.map { $0.quantization } == [PortQuantization](repeating: .init(scale: 0.25, zeroPoint: 4), count: 2))
    #expect(model.outputs.map { $0.name } == (try Model(definition: definition)).outputs.map { $0.name })

    let integers: [Int8] = [4, 5, 6, 0, -128, 127]
    let session = try Session(model: model)
    try session.prepare([[2, 3]])
    let quantized = try run(session, [TestTensor(integers, [2, 3])])
    let reals = try runOnce(definition, [TestTensor(integers.map { (Float($0) - 4) * 0.5 }, [2, 3])])
    for (q, real) in zip(quantized, reals) {
      let widened = q.values(Int8.self).map { (Float($0) - 4) * 0.25 }
      #expect(widened == real.floats)
    }
  }

  @Test func aPortThatIsReadInTwoWaysStaysFloat() throws {
    let model = try load(model(scales: [0.5, 0.25]))
    #expect(model.inputs[0].elementType == .float32 && model.inputs[0].quantization == nil)
    #expect(model.outputs.allSatisfy { $0.elementType == .int8 })
  }

  @Test func anInputThatIsAnOutputStaysFloat() throws {
    let model = try load(model(scales: [0.5], isOutput: true))
    #expect(model.inputs[0].elementType == .float32 && model.inputs[0].quantization == nil)
    #expect(model.outputs.map { $0.elementType } == [.int8, .float32])
  }

  @Test func aStateStaysAsItIs() throws {
    var definition = model(scales: [0.5])
    let graph = definition.graphs[0]
    definition.signatures = [
      Signature(
        name: "run", inputs: [], outputs: [], states: [State(name: "s", input: graph.inputs[0], output: graph.outputs[0])])
    ]
    let model = try load(definition)
    #expect(model.inputs[0].elementType == .float32 && model.outputs[0].elementType == .float32)
  }

  @Test func testVectorsAreForDeclaredPorts() throws {
    let model = try load(model(scales: [0.5]))
    let error = #expect(throws: ApusError.self) { try model.selfTest() }
    #expect(error?.status == .unsupported && error?.tensorName == "x")
  }
}
