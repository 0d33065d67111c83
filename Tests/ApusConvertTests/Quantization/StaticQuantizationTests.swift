import Apus
import ApusFormat
import ApusGraph
import ApusSafetensors
import Crypto
import Testing

@testable import ApusConvert

/// Float models that become models of 8-bit integers.
@Suite struct StaticQuantizationTests {
  private func quantize(
    _ scratch: Scratch, seed: UInt64 = 1, to name: String = "q.apus", _ change: (inout QuantizationOptions) -> Void = { _ in }
  ) throws -> QuantizationReport {
    let (model, data) = try SmallConvolutionNetwork(seed: seed).write(scratch)
    var quantizer = Quantizer()
    change(&quantizer.options)
    return try quantizer.quantize(model, data: data, to: scratch.file(name))
  }

  private func run(_ path: String, _ samples: NpyArray) throws -> [Float] {
    let model = try Model.converting(path)
    let outputs = try ModelRun(model, inputs: ["x": .tensor(samples)]).outputs
    return try #require(outputs.first?.value.array).doubles().map { Float($0) }
  }

  @Test(arguments: [1 as UInt64, 2, 3], RangeMethod.allCases) func aConvolutionNetworkKeepsItsResults(
    _ seed: UInt64, _ method: RangeMethod
  ) throws {
    let scratch = try Scratch()
    let report = try quantize(scratch, seed: seed) { $0.ranges = method }
    #expect(report.layers.map(\.node) == ["conv1", "depthwise", "grouped", "branch", "classifier"])
    #expect(report.layers.allSatisfy { $0.weights.decibels > 35 }, "seed \(seed)")
    // Ranges that leave values out cost more than they gain with so few; most where the divergence is that of a sparse
    // histogram.
    let bounds: (tensor: Double, output: Double, cosine: Double, relative: Double) =
      switch method {
      case .minMax, .meanSquareError: (14, 20, 0.99, 0.1)
      case .movingAverage, .percentile: (12, 20, 0.99, 0.3)
      case .entropy: (0, 5, 0.95, 0.9)
      }
    for tensor in report.tensors {
      #expect(tensor.error.decibels > bounds.tensor, "seed \(seed), \(method), \(tensor.name): \(tensor.error.decibels) dB")
    }
    // What the report says of the file is so: other samples, both files.
    let samples = SmallConvolutionNetwork(seed: seed &+ 77).samples(16)
    let error = ErrorSums(
      try run(scratch.file("net.onnx"), samples), try run(scratch.file("q.apus"), samples))
    #expect(error.decibels > bounds.output, "seed \(seed), \(method): \(error.decibels) dB")
    #expect(error.cosine > bounds.cosine)
    #expect(try #require(report.outputError) < bounds.relative)
  }

  @Test func everythingBetweenTheEndsIsIntegers() throws {
    let scratch = try Scratch()
    let report = try quantize(scratch)
    #expect(report.floats.isEmpty)
    let file = try ModelFile(.path(scratch.file("q.apus")))
    let graph = file.definition.graphs[0]
    var kinds: [ValueID: Name] = [:]
    for node in graph.nodes { for id in node.outputs { kinds[id] = node.operatorName } }
    let tails: Set<Name> = ["Conv", "Add", "Gemm"]
    for node in graph.nodes where node.operatorName != "QuantizeLinear" && node.operatorName != "DequantizeLinear" {
      for id in node.inputs where graph.values[Int(id)].constant == nil {
        let writer = kinds[id]
        // Relu and Clip stand in the tail of what they follow; all else reads codes.
        let isTail = (node.operatorName == "Relu" || node.operatorName == "Clip") && writer.map { tails.contains($0) } == true
        #expect(isTail || writer == "DequantizeLinear", "\(node.label) reads \(writer?.string ?? "an input")")
      }
    }
    // A normalization became weights, a product with a sigmoid one operator.
    #expect(!graph.nodes.contains { $0.operatorName == "BatchNormalization" || $0.operatorName == "Sigmoid" })
    #expect(graph.nodes.contains { $0.operatorName == "Swish" })
    // A pool moves codes: one pair of parameters before and after it.
    let pool = try #require(graph.nodes.first { $0.operatorName == "MaxPool" })
    let before = try #require(graph.nodes.first { $0.outputs == pool.inputs })
    let after = try #require(graph.nodes.first { $0.operatorName == "QuantizeLinear" && $0.inputs[0] == pool.outputs[0] })
    #expect(before.inputs[1...] == after.inputs[1...])
    // Relu's range begins at 0.
    let relu = try #require(report.tensors.first { $0.name == "r1" })
    #expect(relu.parameters.zero == 0)
    #expect(!report.tensors.contains { $0.name == "n1" || $0.name == "c2" || $0.name == "sum" })
  }

  @Test func weightsAndBiasesAreIntegersOfTheStatedScales() throws {
    let scratch = try Scratch()
    let report = try quantize(scratch) { $0.correctsBias = false }
    let file = try ModelFile(.path(scratch.file("q.apus")))
    let graph = file.definition.graphs[0]
    func constant(_ id: ValueID) throws -> ConstantTensor {
      file.definition.tensors[Int(try #require(graph.values[Int(id)].constant))]
    }
    func writer(_ id: ValueID) throws -> Node { try #require(graph.nodes.first { $0.outputs.contains(id) }) }
    let gemm = try #require(graph.nodes.first { $0.operatorName == "Gemm" })
    let (weights, bias) = (try writer(gemm.inputs[1]), try writer(gemm.inputs[2]))
    #expect(try constant(weights.inputs[0]).elementType == .int8)
    #expect(try constant(weights.inputs[1]).dimensions == [10])
    #expect(try constant(bias.inputs[0]).elementType == .int32)
    let input = try #require(report.tensors.first { $0.name == "flat" }).parameters.scale
    func floats(_ tensor: ConstantTensor) -> [Float] {
      (tensor.elementType.floats(tensor.inlineBytes ?? []) ?? []).map { Float($0) }
    }
    let scales = floats(try constant(weights.inputs[1]))
    #expect(floats(try constant(bias.inputs[1])) == scales.map { input * $0 })
    let exact = SmallConvolutionNetwork(seed: 1).values(10, 13)
    let steps = ElementType.int32.integers(try constant(bias.inputs[0]).inlineBytes ?? []) ?? []
    for (index, value) in exact.enumerated() {
      let expected = (value / (input * scales[index])).rounded(.toNearestOrEven)
      #expect(steps[index] == Int64(expected))
    }
  }

  @Test func theSameModelAndDataGiveTheSameBytes() throws {
    let scratch = try Scratch()
    _ = try quantize(scratch, to: "a.apus") { $0.ranges = .meanSquareError }
    _ = try quantize(scratch, to: "b.apus") {
      $0.ranges = .meanSquareError
      $0.threads = 2
    }
    #expect(try scratch.read("a.apus") == scratch.read("b.apus"))
    // From the model file of the same model, too, but for the hash of the source.
    _ = try Conversion().convert(scratch.file("net.onnx"), to: scratch.file("net.apus"))
    var quantizer = Quantizer()
    quantizer.options.ranges = .meanSquareError
    _ = try quantizer.quantize(scratch.file("net.apus"), data: scratch.file("samples.npy"), to: scratch.file("c.apus"))
    #expect(try ModelFile(.path(scratch.file("a.apus"))).modelID == ModelFile(.path(scratch.file("c.apus"))).modelID)
  }

  @Test func theFileSaysHowItWasMade() throws {
    let scratch = try Scratch()
    let report = try quantize(scratch) { $0.ranges = .percentile }
    let metadata = try ModelFile(.path(scratch.file("q.apus"))).definition.metadata
    #expect(metadata.calibrationHash == Array(SHA256.hash(data: try scratch.read("samples.npy"))))
    let method = metadata.quantizationMethod.string
    for part in ["static", "percentile", "24 samples", "relative error of y"] {
      #expect(method.contains(part), "\(method)")
    }
    #expect(report.json["calibration_sha256"]?.stringValue == Quantity.hexadecimal(metadata.calibrationHash))
    #expect(report.json["layers"]?.arrayValue?.count == 5)
    #expect(report.text.contains("classifier"))
  }

  @Test func excludedNodesStayFloat() throws {
    let scratch = try Scratch()
    let report = try quantize(scratch) { $0.excluded = ["grouped", "y"] }
    #expect(report.layers.map(\.node) == ["conv1", "depthwise", "branch"])
    #expect(report.floats.filter { $0.reason == "excluded" }.map(\.node) == ["grouped", "classifier"])
    // What they leave in float beside them.
    let beside = try #require(report.floats.first { $0.node == "depthwise" })
    #expect(beside.reason == "its result is read as float by grouped (Conv)")
    #expect(throws: ApusError.self) { try quantize(scratch) { $0.excluded = ["nothing"] } }
  }

  @Test func biasesTakeBackTheMeanErrorOfWeights() throws {
    let network = SmallConvolutionNetwork(seed: 4)
    let scratch = try Scratch()
    let source = try Quantizer.read(try network.write(scratch).model)
    let (draft, _) = try QuantizationPreparation.prepare(
      ModelDraft(source.model.definition, data: source.model.data), folds: true)
    let plan = try QuantizationPlan(draft, excluding: [])
    let means = network.values(12, 30).map { Double($0) }
    func corrections(_ name: String) throws -> [Double] {
      let position = try #require(draft.graph.nodes.firstIndex { $0.title == name })
      let input = draft.graph.nodes[position].inputs[0]
      let channels = name == "grouped" ? 8 : 12
      return try #require(BiasCorrection(draft, plan, [input: Array(means[..<channels])]).corrections[position])
    }
    func errors(_ weights: [Float], _ rows: Int) -> [[Double]] {
      let rounded = ChannelWeights(weights, dimensions: [rows, weights.count / rows], axis: 0).values
      let all = zip(weights, rounded).map { Double($0) - Double($1) }
      return (0..<rows).map { Array(all[($0 * all.count / rows)..<(($0 + 1) * all.count / rows)]) }
    }
    // Each of 2 groups reads 4 of 8 channels.
    let grouped = try corrections("grouped")
    for (row, errors) in errors(network.values(32, 8), 8).enumerated() {
      let own = means[(row / 4 * 4)..<(row / 4 * 4 + 4)]
      #expect(abs(grouped[row] - zip(errors, own).reduce(0.0) { $0 + $1.0 * $1.1 }) < 1e-12)
    }
    let classifier = try corrections("classifier")
    for (row, errors) in errors(network.values(120, 12), 10).enumerated() {
      #expect(abs(classifier[row] - zip(errors, means).reduce(0.0) { $0 + $1.0 * $1.1 }) < 1e-12)
    }
  }
}

/// Data that says nothing about ranges, or that does not fit.
@Suite struct BadCalibrationDataTests {
  private func failure(_ data: NpyArray?, _ path: String = "bad.npy") throws -> ApusError? {
    let scratch = try Scratch()
    let (model, _) = try SmallConvolutionNetwork(seed: 1).write(scratch)
    if let data { try data.write(path: scratch.file(path)) }
    do throws(ApusError) {
      _ = try Quantizer().quantize(model, data: scratch.file(path), to: scratch.file("q.apus"))
      return nil
    } catch {
      #expect(!scratch.files.contains { $0.hasPrefix("q.apus") })
      return error
    }
  }

  private func array(_ count: Int, _ change: (inout [Float]) -> Void = { _ in }) -> NpyArray {
    var values = RangeObserverTests.values(count * 192, seed: 3)
    change(&values)
    return NpyArray(elementType: .float32, dimensions: [count, 3, 8, 8], bytes: values.withUnsafeBytes { Array($0) })
  }

  @Test func messagesNameFileAndTensor() throws {
    var shape = array(2)
    shape.dimensions = [2, 3, 4, 16]
    var complex = array(2)
    complex.elementType = .complex64
    complex.dimensions = [1, 3, 8, 8]
    let cases: [(data: NpyArray?, status: ApusError.Status)] = [
      (shape, .shapeMismatch), (array(3) { $0[200] = .nan }, .valueOutOfRange),
      (array(3) { $0[7] = -.infinity }, .valueOutOfRange), (array(3) { for i in $0.indices { $0[i] = 0.5 } }, .valueOutOfRange),
      (complex, .typeMismatch),
    ]
    for (data, status) in cases {
      let error = try #require(try failure(data))
      #expect(error.status == status, "\(error)")
      #expect(error.file.hasSuffix("bad.npy") && error.tensorName == "x" && !error.actual.isEmpty, "\(error)")
    }
    #expect(try failure(array(0))?.status == .invalidArgument)
    #expect(try failure(nil)?.status == .fileNotFound)
  }

  @Test func activationsBeyondFloatAreNamed() throws {
    let error = try #require(try failure(array(2) { for i in $0.indices { $0[i] *= 3e37 } }))
    #expect(error.status == .valueOutOfRange && error.file.hasSuffix("bad.npy") && !error.tensorName.isEmpty, "\(error)")
  }

  @Test func whatIsQuantizedIsNotQuantizedAgain() throws {
    let scratch = try Scratch()
    let (model, data) = try SmallConvolutionNetwork(seed: 1).write(scratch)
    _ = try Quantizer().quantize(model, data: data, to: scratch.file("q.apus"))
    #expect(throws: ApusError.self) {
      try Quantizer().quantize(scratch.file("q.apus"), data: data, to: scratch.file("r.apus"))
    }
    #expect(!scratch.files.contains("r.apus"))
  }
}
