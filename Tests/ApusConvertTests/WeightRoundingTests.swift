import Apus
import ApusFormat
import ApusGraph
import SwiftProtobuf
import Testing

@testable import ApusConvert

private typealias O = ONNXModel

/// Conversions that store weights with 16 bits.
@Suite struct WeightRoundingTests {
  /// Numbers from -1.8 to 1.8.
  private func spread(_ count: Int, _ step: Int) -> [Float] {
    var values: [Float] = []
    for index in 0..<count {
      let number = index * step % 2003 - 1001
      values.append(Float(number) / 555)
    }
    return values
  }

  /// A table, a product with the table turned, a bias that is none, and a matrix that an Add reads, too.
  private func write(_ scratch: Scratch, large: Float = 1) throws -> String {
    let table = spread(40 * 30, 7919)
    var matrix = spread(30 * 32, 104_729)
    matrix[5] = large
    let nodes = [
      O.node("Gather", ["table", "i"], ["g"]), O.node("MatMul", ["g", "w"], ["p"]), O.node("Add", ["p", "b"], ["s"]),
      O.node("MatMul", ["g", "turned"], ["scores"]), O.node("Transpose", ["table"], ["turned"], [O.ints("perm", [1, 0])]),
      O.node("MatMul", ["s", "shared"], ["t"]), O.node("Add", ["shared", "shared"], ["twice"]),
    ]
    let graph = O.graph(
      [nodes[0], nodes[4], nodes[1], nodes[2], nodes[3], nodes[5], nodes[6]],
      inputs: [O.input("i", [1, 3], .int64)], outputs: ["s", "scores", "t", "twice"],
      initializers: [
        O.floats("table", [40, 30], table), O.floats("w", [30, 32], matrix),
        O.floats("b", [32], (0..<32).map { Float($0) / 3 }),
        O.floats("shared", [32, 32], matrix + Array(table.prefix(64))),
      ])
    try scratch.write(try O.model(graph).serializedBytes(), "m.onnx")
    return scratch.file("m.onnx")
  }

  private func run(_ path: String) throws -> [String: [Float]] {
    let model = try Model.load(contentsOfFile: path)
    let outputs = try Session(model: model).run(["i": try Tensor([Int64(3), 39, 0], shape: [1, 3])])
    return try outputs.mapValues { try $0.values(as: Float.self) }
  }

  /// A matrix that is turned for a product; where a subgraph captures the turned one, too, it may be anything there.
  @Test(arguments: [false, true]) func whatSubgraphsCaptureIsNotWeights(_ isCaptured: Bool) {
    var definition = ModelDefinition()
    let zeros = TensorStorage.inline([UInt8](repeating: 0, count: 4 * 16 * 16))
    definition.tensors = [ConstantTensor(name: "w", elementType: .float32, dimensions: [16, 16], storage: zeros)]
    let type = ValueType.tensor(TensorType(.float32, Shape([16, 16])))
    var main = Graph(name: "main", parent: nil)
    main.values = [
      Value(name: "x", type: type), Value(name: "w", type: type, constant: 0), Value(name: "turned", type: type),
      Value(name: "y", type: type),
    ]
    main.inputs = [0]
    main.outputs = [3]
    main.nodes = [
      Node(name: "turn", operatorName: "Transpose", sinceVersion: 21, inputs: [1], outputs: [2]),
      Node(name: "product", operatorName: "MatMul", sinceVersion: 13, inputs: [0, 2], outputs: [3]),
    ]
    var body = Graph(name: "body", parent: 0)
    body.values = [Value(name: "turned", type: type)]
    body.outputs = [0]
    if isCaptured { body.captures = [Capture(inner: 0, outer: 2)] }
    definition.graphs = [main, body]
    #expect(WeightSlots(definition).tensors() == (isCaptured ? [] : [0]))
  }

  @Test(arguments: [WeightType.float16, .bfloat16]) func weightsAndNothingElseAreRounded(_ type: WeightType) throws {
    let scratch = try Scratch()
    let source = try write(scratch)
    var conversion = Conversion()
    _ = try conversion.convert(source, to: scratch.file("wide.apus"))
    conversion.weights = type
    let report = try conversion.convert(source, to: scratch.file("half.apus"))
    let weights = try #require(report.weights)
    #expect(weights.tensors == 2)
    #expect(weights.elements == 40 * 30 + 30 * 32)
    #expect(weights.largestRelativeError > 0 && weights.largestRelativeError <= type.unitRoundoff)
    #expect(weights.kept.isEmpty)
    #expect(report.text.contains("2 tensors of \(type.rawValue)"))
    #expect(report.json["weights"]?["elements"]?.integerValue == Int64(weights.elements))
    #expect(report.verification.checks.contains { $0.detail.contains("tensors of \(type.rawValue)") })
    let definition = try ModelFile(.path(scratch.file("half.apus"))).definition
    let types = definition.tensors.filter { $0.dimensions.count == 2 && $0.elementType != .int64 }.map(\.elementType)
    #expect(types.filter { $0 == type.elementType }.count == 2)
    #expect(types.filter { $0 == .float32 }.count == 1)
    #expect(definition.graphs[0].nodes.filter { $0.operatorName == "Cast" }.count == 2)
    let (wide, half) = (try run(scratch.file("wide.apus")), try run(scratch.file("half.apus")))
    #expect(wide["twice"] == half["twice"])
    for name in ["s", "scores"] {
      let (a, b) = (try #require(wide[name]), try #require(half[name]))
      #expect(a != b)
      // 30 terms of at most 1.81 x 1.81, each with two rounded factors.
      for (x, y) in zip(a, b) { #expect(abs(x - y) <= Float(30 * 3.3 * 2.1 * type.unitRoundoff)) }
    }
    _ = try conversion.convert(source, to: scratch.file("again.apus"))
    #expect(try scratch.read("again.apus") == scratch.read("half.apus"))
  }

  @Test func weightsBeyondTheRangeStayAndAreNamed() throws {
    let scratch = try Scratch()
    let source = try write(scratch, large: 70_000)
    var conversion = Conversion()
    conversion.weights = .float16
    let weights = try #require(try conversion.convert(source, to: scratch.file("m.apus")).weights)
    #expect(weights.tensors == 1)
    #expect(weights.kept.map(\.name) == ["w"])
    #expect(weights.kept.first?.reason.contains("70000") == true)
    conversion.weights = .bfloat16
    #expect(try conversion.convert(source, to: scratch.file("m.apus")).weights?.tensors == 2)
  }

  /// Weights of 1.4 MB, which the writer reads in parts, and test vectors of float32 weights.
  @Test func aCheckpointIsRoundedInParts() throws {
    let scratch = try Scratch()
    let wide = try scratch.convert(ConversionTests.large, codec: .raw, to: "wide.apus")
    var conversion = Conversion()
    conversion.codec = .raw
    conversion.weights = .float16
    let half = try conversion.convert(scratch.file("m.safetensors"), to: scratch.file("half.apus"))
    #expect(half.verification.passed)
    #expect(half.summary.fileLength * 10 < wide.summary.fileLength * 6)
    let file = try ModelFile(.path(scratch.file("half.apus"))), other = try ModelFile(.path(scratch.file("wide.apus")))
    for (id, tensor) in file.definition.tensors.enumerated() where tensor.elementType == .float16 {
      let bits = try file.tensorBytes(TensorID(id)), values = try other.tensorBytes(TensorID(id))
      for index in 0..<bits.count / 2 {
        let value = values.loadUnaligned(fromByteOffset: 4 * index, as: Float.self)
        let stored = bits.loadUnaligned(fromByteOffset: 2 * index, as: UInt16.self)
        guard Float16(value).bitPattern != stored else { continue }
        Issue.record("element \(index) of \(tensor.name.string)")
        return
      }
    }
  }

  @Test func roundingIsToNearestEven() {
    let bfloat16 = WeightType.bfloat16
    // 1 + 2^-8 lies between 1 and 1 + 2^-7, 1 + 3 x 2^-8 between that and 1 + 2^-6.
    #expect(bfloat16.value(bfloat16.rounded(1 + 0x1p-8)) == 1)
    #expect(bfloat16.value(bfloat16.rounded(1 + 0x1.8p-7)) == 1 + 0x1p-6)
    #expect(bfloat16.value(bfloat16.rounded(-3e38)) < -2.9e38)
    #expect(bfloat16.value(bfloat16.rounded(.greatestFiniteMagnitude)) == .infinity)
    #expect(bfloat16.value(bfloat16.rounded(.nan)).isNaN)
    #expect(bfloat16.value(bfloat16.rounded(-0.0)).sign == .minus)
    #expect(WeightType.float16.value(WeightType.float16.rounded(0x1p-24)) == 0x1p-24)
    #expect(WeightType.float16.value(WeightType.float16.rounded(65520)) == .infinity)
  }
}
