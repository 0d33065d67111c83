import Apus
import ApusFormat
import ApusGraph
import SwiftProtobuf
import Testing

@testable import ApusConvert

private typealias O = ONNXModel

/// Models whose weights become integers, and products that quantize their operand in each run.
@Suite struct WeightQuantizationTests {
  private func values(_ count: Int, _ seed: UInt64) -> [Float] { RangeObserverTests.values(count, seed: seed).map { $0 / 8 } }

  /// A table, products of each form, and a convolution.
  private func write(_ scratch: Scratch) throws -> String {
    let graph = O.graph(
      [
        O.node("Gather", ["table", "i"], ["g"], name: "table"), O.node("MatMul", ["g", "w1"], ["p"], name: "first"),
        O.node("Add", ["b1", "p"], ["s"]), O.node("Relu", ["s"], ["r"]),
        O.node("Gemm", ["r", "w2", "b2"], ["t"], [O.int("transB", 1)], name: "second"),
        O.node("Gemm", ["t", "w3"], ["u"], name: "third"),
        O.node("Reshape", ["u", "shape"], ["image"]), O.node("Conv", ["image", "w4"], ["y"], name: "window"),
      ], inputs: [O.input("i", [-1], .int64)], outputs: ["y"],
      initializers: [
        O.floats("table", [50, 40], values(2000, 1)), O.floats("w1", [40, 72], values(2880, 2)),
        O.floats("b1", [72], values(72, 3)), O.floats("w2", [64, 72], values(4608, 4)), O.floats("b2", [64], values(64, 5)),
        O.floats("w3", [64, 64], values(4096, 6)), O.integers("shape", [-1, 16, 2, 2]),
        O.floats("w4", [32, 16, 2, 2], values(2048, 7)),
      ])
    try scratch.write(try O.model(graph).serializedBytes(), "m.onnx")
    return scratch.file("m.onnx")
  }

  private func run(_ path: String) throws -> [Float] {
    let indices: [Int64] = [3, 49, 0, 17, 8]
    let input = NpyArray(elementType: .int64, dimensions: [5], bytes: indices.withUnsafeBytes { Array($0) })
    let outputs = try ModelRun(try Model.converting(path), inputs: ["i": .tensor(input)]).outputs
    return try #require(outputs.first?.value.array).doubles().map { Float($0) }
  }

  private func quantize(
    _ scratch: Scratch, _ scheme: QuantizationScheme, _ change: (inout QuantizationOptions) -> Void = { _ in }
  ) throws -> (report: QuantizationReport, error: ErrorSums) {
    let model = try write(scratch)
    var quantizer = Quantizer()
    quantizer.options.scheme = scheme
    change(&quantizer.options)
    let report = try quantizer.quantize(model, data: nil, to: scratch.file("q.apus"))
    return (report, ErrorSums(try run(model), try run(scratch.file("q.apus"))))
  }

  @Test(arguments: [false, true], [16, 32, 64]) func weightsOfEachFormAreStoredInBlocks(_ asymmetric: Bool, _ block: Int) throws {
    let scratch = try Scratch()
    for (scheme, decibels) in [(QuantizationScheme.weightsInt8, 30.0), (.weightsInt4, 8)] {
      let (report, error) = try quantize(scratch, scheme) {
        $0.isAsymmetric = asymmetric
        $0.block = block
      }
      #expect(report.weightLayers.map(\.node) == ["table", "first", "second", "third", "window"])
      #expect(error.decibels > decibels, "\(scheme), block \(block): \(error.decibels) dB")
      let file = try ModelFile(.path(scratch.file("q.apus")))
      let types = Set(file.definition.tensors.map(\.elementType))
      let expected: ElementType =
        scheme == .weightsInt8 ? (asymmetric ? .uint8 : .int8) : (asymmetric ? .uint4 : .int4)
      #expect(types.contains(expected) && types.contains(.float16))
      // Biases stay, no weights do.
      for tensor in file.definition.tensors where tensor.elementType == .float32 { #expect(tensor.dimensions.count < 2) }
    }
  }

  @Test func dynamicProductsReadIntegers() throws {
    let scratch = try Scratch()
    let (report, error) = try quantize(scratch, .dynamic)
    #expect(report.weightLayers.map(\.node) == ["table", "window", "first", "second", "third"])
    // Its weights are integers, its sums are not.
    #expect(report.floats.map(\.node) == ["window"])
    #expect(error.decibels > 25, "\(error.decibels) dB")
    let nodes = try ModelFile(.path(scratch.file("q.apus"))).definition.graphs[0].nodes
    #expect(nodes.filter { $0.operatorName == "MatMulIntegerToFloat" }.count == 3)
    // The bias of the first stands in it.
    #expect(!nodes.contains { $0.operatorName == "Add" || $0.operatorName == "MatMul" || $0.operatorName == "Gemm" })
  }

  @Test(arguments: [false, true]) func dynamicRecurrencesReadIntegers(_ isExcluded: Bool) throws {
    let scratch = try Scratch()
    let (inputs, hidden) = (24, 16)
    func graph(_ kind: String, _ gates: Int) throws -> [UInt8] {
      let count = 2 * gates * hidden
      let graph = O.graph(
        [
          O.node(
            kind, ["x", "w", "r", "b"], ["y"], [O.int("hidden_size", Int64(hidden)), O.string("direction", "bidirectional")],
            name: "layer")
        ], inputs: [O.input("x", [5, -1, Int64(inputs)])], outputs: ["y"],
        initializers: [
          O.floats("w", [2, Int64(gates * hidden), Int64(inputs)], values(count * inputs, 1)),
          O.floats("r", [2, Int64(gates * hidden), Int64(hidden)], values(count * hidden, 2)),
          O.floats("b", [2, Int64(2 * gates * hidden)], values(2 * count, 3)),
        ])
      return try O.model(graph).serializedBytes()
    }
    let input = values(5 * 3 * inputs, 4)
    let x = NpyArray(elementType: .float32, dimensions: [5, 3, inputs], bytes: input.withUnsafeBytes { Array($0) })
    func run(_ path: String) throws -> [Float] {
      let outputs = try ModelRun(try Model.converting(path), inputs: ["x": .tensor(x)]).outputs
      return try #require(outputs.first?.value.array).doubles().map { Float($0) }
    }
    for (kind, gates) in [("LSTM", 4), ("GRU", 3)] {
      try scratch.write(try graph(kind, gates), "m.onnx")
      var quantizer = Quantizer()
      quantizer.options.scheme = .dynamic
      if isExcluded {
        quantizer.options.excluded = ["layer"]
        #expect(throws: ApusError.self) { try quantizer.quantize(scratch.file("m.onnx"), data: nil, to: scratch.file("q.apus")) }
        continue
      }
      let report = try quantizer.quantize(scratch.file("m.onnx"), data: nil, to: scratch.file("q.apus"))
      #expect(report.weightLayers.map(\.node) == ["layer", "layer"])
      #expect(report.floats.map(\.operatorName) == (kind == "LSTM" ? [] : ["GRU"]))
      let nodes = try ModelFile(.path(scratch.file("q.apus"))).definition.graphs[0].nodes
      #expect(nodes.contains { $0.operatorName == "DynamicQuantizeLSTM" } == (kind == "LSTM"))
      let error = ErrorSums(try run(scratch.file("m.onnx")), try run(scratch.file("q.apus")))
      #expect(error.decibels > 30, "\(kind): \(error.decibels) dB")
    }
  }

  @Test func blocksSuitTheBits() throws {
    let scratch = try Scratch()
    #expect(try quantize(scratch, .weightsInt8).report.method.contains("blocks of 128"))
    // The table keeps 8 bits, and so do weights that are too few to save anything by 4.
    #expect(try quantize(scratch, .weightsInt4).report.method.contains("blocks of 32 and 128"))
    #expect(try quantize(scratch, .weightsInt4) { $0.block = 64 }.report.method.contains("blocks of 64"))
  }

  @Test func halvesAreTheExistingScheme() throws {
    let scratch = try Scratch()
    let (report, error) = try quantize(scratch, .float16)
    #expect(error.decibels > 55)
    #expect(report.text.contains("fp16"))
    #expect(throws: ApusError.self) { try quantize(scratch, .weightsInt8) { $0.excluded = ["nobody"] } }
  }

  @Test(arguments: [4, 8], [false, true]) func blocksAreAsGoodAsRoundingCanBe(_ bits: Int, _ asymmetric: Bool) {
    let weights = values(7 * 100, 9)
    let quantized = BlockWeights(weights, rows: 7, columns: 100, block: 32, bits: bits, isAsymmetric: asymmetric)
    #expect(quantized.blocks == 4 && quantized.scales.count == 28 && quantized.zeros.count == (asymmetric ? 28 : 0))
    for row in 0..<7 {
      for block in 0..<4 {
        let range = (row * 100 + block * 32)..<(row * 100 + min(block * 32 + 32, 100))
        let scale = Float(quantized.scales[row * 4 + block])
        let zero = asymmetric ? Int32(quantized.zeros[row * 4 + block]) : 0
        var (error, plain): (Float, Float) = (0, 0)
        let largest = weights[range].map(abs).max() ?? 0
        for index in range {
          let sign: UInt8 = asymmetric ? 0 : 1 << UInt8(bits - 1)
          let code = Int32(quantized.codes[index] ^ sign) - Int32(sign)
          #expect(quantized.values[index] == Float(code - zero) * scale)
          error += (quantized.values[index] - weights[index]) * (quantized.values[index] - weights[index])
          // The whole range with symmetric codes.
          let step = Float(Float16(largest / Float((1 << (bits - 1)) - 1)))
          let rounded = (weights[index] / step).rounded(.toNearestOrEven) * step
          plain += (rounded - weights[index]) * (rounded - weights[index])
        }
        if !asymmetric { #expect(error <= plain * 1.0001) }
      }
    }
  }

  @Test func fourBitCodesAreStoredInPairs() {
    #expect(BlockWeights.packed([1, 2, 15, 4, 5], bits: 4) == [0x21, 0x4f, 0x05])
    #expect(BlockWeights.packed([1, 200], bits: 8) == [1, 200])
    let zeros = BlockWeights([0, 0, 0, 0], rows: 1, columns: 4, block: 32, bits: 4, isAsymmetric: false)
    #expect(zeros.codes == [0, 0, 0, 0] && zeros.values == [0, 0, 0, 0])
  }
}
