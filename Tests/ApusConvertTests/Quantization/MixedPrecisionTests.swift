import Apus
import ApusFormat
import ApusGraph
import SwiftProtobuf
import Testing

@testable import ApusConvert

private typealias O = ONNXModel

/// What is done so that a quantized model keeps its accuracy: factors between layers, and layers that stay float.
@Suite struct MixedPrecisionTests {
  private func quantize(
    _ scratch: Scratch, seed: UInt64 = 1, _ change: (inout QuantizationOptions) -> Void = { _ in }
  ) throws -> QuantizationReport {
    let (model, data) = try SmallConvolutionNetwork(seed: seed).write(scratch)
    var quantizer = Quantizer()
    change(&quantizer.options)
    return try quantizer.quantize(model, data: data, to: scratch.file("q.apus"))
  }

  @Test(arguments: [1 as UInt64, 2]) func layersReturnToFloatUntilTheErrorIsReached(_ seed: UInt64) throws {
    let scratch = try Scratch()
    let whole = try quantize(scratch, seed: seed)
    let error = try #require(whole.outputError)
    #expect(whole.floats.isEmpty)
    let mixed = try quantize(scratch, seed: seed) { $0.targetError = error * 0.7 }
    #expect(try #require(mixed.outputError) <= error * 0.7, "seed \(seed)")
    let returned = mixed.floats.filter { $0.reason.hasPrefix("for accuracy") }
    #expect(!returned.isEmpty && returned.count < 5, "seed \(seed)")
    #expect(mixed.layers.count + returned.count == 5)
    // One that is reached anyway changes nothing.
    #expect(try quantize(scratch, seed: seed) { $0.targetError = error * 1.01 }.floats.isEmpty)
  }

  /// Weights of layers that compute in float again stay 8-bit integers.
  @Test func returnedLayersKeepIntegerWeights() throws {
    let scratch = try Scratch()
    func values(_ count: Int, _ seed: UInt64) -> [Float] { RangeObserverTests.values(count, seed: seed).map { $0 / 4 } }
    let graph = O.graph(
      [
        O.node("Gemm", ["x", "w1"], ["a"], name: "first"), O.node("Relu", ["a"], ["b"]),
        O.node("Gemm", ["b", "w2"], ["c"], name: "second"), O.node("Relu", ["c"], ["d"]),
        O.node("Gemm", ["d", "w3"], ["y"], name: "third"),
      ], inputs: [O.input("x", [-1, 32])], outputs: ["y"],
      initializers: [
        O.floats("w1", [32, 48], values(1536, 1)), O.floats("w2", [48, 40], values(1920, 2)),
        O.floats("w3", [40, 12], values(480, 3)),
      ])
    try scratch.write(try O.model(graph).serializedBytes(), "m.onnx")
    let samples = values(64 * 32, 4)
    try NpyArray(elementType: .float32, dimensions: [64, 32], bytes: samples.withUnsafeBytes { Array($0) })
      .write(path: scratch.file("samples.npy"))
    var quantizer = Quantizer()
    func quantize() throws -> QuantizationReport {
      try quantizer.quantize(scratch.file("m.onnx"), data: scratch.file("samples.npy"), to: scratch.file("q.apus"))
    }
    let whole = try #require(try quantize().outputError)
    quantizer.options.targetError = whole * 0.8
    let mixed = try quantize()
    #expect(try #require(mixed.outputError) <= whole * 0.8)
    let returned = mixed.floats.map(\.node)
    #expect(!returned.isEmpty && returned == mixed.weightLayers.map(\.node))
    #expect(mixed.floats.allSatisfy { $0.reason.hasPrefix("for accuracy, with 8-bit weights") })
    #expect(mixed.layers.count + returned.count == 3)
    // No float matrix is left.
    for tensor in try ModelFile(.path(scratch.file("q.apus"))).definition.tensors where tensor.elementType == .float32 {
      #expect(tensor.dimensions.count < 2)
    }
  }

  @Test func whatCanNotBeReachedIsSaid() throws {
    let scratch = try Scratch()
    let impossible = try #require(throws: ApusError.self) { try quantize(scratch) { $0.targetError = 1e-9 } }
    #expect(impossible.status == .unsupported)
    let unlabelled = try #require(throws: ApusError.self) { try quantize(scratch) { $0.targetAccuracy = 0.5 } }
    #expect(unlabelled.status == .invalidArgument && unlabelled.file.hasSuffix("samples.npy"))
    #expect(!scratch.files.contains { $0.hasPrefix("q.apus") })
  }

  /// Factors between layers change no result: the equalized float model gives what the float model gives.
  @Test(arguments: [1 as UInt64, 2, 3]) func equalizationKeepsResults(_ seed: UInt64) throws {
    let scratch = try Scratch()
    let (model, data) = try SmallConvolutionNetwork(seed: seed).write(scratch)
    let source = try Quantizer.read(model)
    let (draft, _) = try QuantizationPreparation.prepare(
      ModelDraft(source.model.definition, data: source.model.data), folds: true)
    let plan = try QuantizationPlan(draft, excluding: [])
    var equalization = Equalization(draft, plan)
    // r1 and r3 have two readers, a Clip bounds r2, a Concat follows the branch.
    #expect(equalization.isEmpty)
    #expect(plan.layers.count == 5)
    let chain = try Self.chain(seed)
    let chainPlan = try QuantizationPlan(chain, excluding: [])
    equalization = Equalization(chain, chainPlan)
    #expect(equalization.count == 3)
    let network = SmallConvolutionNetwork(seed: seed)
    let values = Dictionary(
      uniqueKeysWithValues: chainPlan.quantized.map { ($0, network.values(8, UInt64($0)).map { abs($0) + 0.01 }) })
    try equalization.apply(values)
    let ports = draft.definition.calledGraph.inputs.map { id in
      (name: draft.graph.values[Int(id)].name, type: draft.graph.values[Int(id)].type ?? .tensor(TensorType(.float32, nil)))
    }
    let samples = try SampleSource(data, inputs: ports)
    let comparison = try OutputComparison(chain, samples: samples, count: 8, options: QuantizationOptions())
    let result = try comparison.compare(equalization.draft)
    #expect(result.relative < 1e-5, "seed \(seed): \(result.relative)")
    // The weights themselves did change.
    let first = chain.graph.nodes[0].inputs[1], second = equalization.draft.graph.nodes[0].inputs[1]
    #expect(try chain.floats(first) != equalization.draft.floats(second))
  }

  /// conv - relu - depthwise conv - leaky relu - grouped conv - max pool - conv.
  private static func chain(_ seed: UInt64) throws -> ModelDraft {
    let network = SmallConvolutionNetwork(seed: seed)
    var draft = ModelDraft(
      ModelDefinition(graphs: [Graph(name: "chain")]), data: { (_, _, _) throws(ApusError) in })
    func constant(_ name: String, _ dimensions: [Int], _ salt: UInt64) -> ValueID {
      draft.addConstant(name, .float32, dimensions, network.values(dimensions.reduce(1, *), salt))
    }
    let x = draft.addValue("x", .float32, Shape([.unknown, .known(3), .known(8), .known(8)] as [Dimension]))
    let layers: [(kind: Name, weights: [Int], groups: Int)] = [
      ("Conv", [8, 3, 3, 3], 1), ("Relu", [], 0), ("Conv", [8, 1, 3, 3], 8), ("LeakyRelu", [], 0), ("Conv", [8, 4, 1, 1], 2),
      ("MaxPool", [], 0), ("Conv", [5, 8, 1, 1], 1),
    ]
    var last = x
    for (index, layer) in layers.enumerated() {
      let output = draft.addValue("v\(index)", .float32, nil)
      var node = Node(
        name: Name("n\(index)"), operatorName: layer.kind, sinceVersion: layer.kind == "Relu" ? 14 : 22, inputs: [last],
        outputs: [output])
      if layer.kind == "LeakyRelu" { node.sinceVersion = 16 }
      if layer.kind == "Conv" {
        node.inputs += [
          constant("w\(index)", layer.weights, UInt64(index)), constant("b\(index)", [layer.weights[0]], UInt64(index + 50)),
        ]
        node.attributes = [Attribute("group", .int(Int64(layer.groups)))]
      } else if layer.kind == "MaxPool" {
        node.attributes = [Attribute("kernel_shape", .ints([2, 2]))]
      }
      draft.graph.nodes.append(node)
      last = output
    }
    draft.graph.inputs = [x]
    draft.graph.outputs = [last]
    return draft
  }

  @Test func thePageHoldsWhatTheReportTells() throws {
    let scratch = try Scratch()
    let report = try quantize(scratch) {
      $0.measures = true
      $0.measuredSeconds = 0.01
    }
    let page = report.html
    for tensor in report.tensors { #expect(page.contains("<figcaption>\(tensor.name)<br>")) }
    for layer in report.layers { #expect(page.contains("<td>\(layer.node)</td>")) }
    #expect(page.hasSuffix("</html>\n") && !page.contains("<script") && !page.contains("src="))
    let measured = try #require(report.measurement)
    #expect(measured.float > 0 && measured.quantized > 0)
    #expect(measured.lines.contains { $0.float != nil } && measured.lines.contains { $0.quantized != nil })
    #expect(report.json["times"]?["nodes"]?.arrayValue?.count == measured.lines.count)
    #expect(report.text.contains("times, 1 thread"))
  }
}
