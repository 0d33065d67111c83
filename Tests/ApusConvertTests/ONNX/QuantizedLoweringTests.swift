import ApusGraph
import Testing

@testable import ApusConvert

/// What ONNX Runtime's quantized, fused and channels-last operators become.
@Suite struct QuantizedLoweringTests {
  private typealias O = ONNXModel

  private func lowered(
    _ kind: String, _ inputs: [ONNXValueInfoProto], _ attributes: [ONNXAttributeProto] = [], operands: [String]? = nil
  ) throws -> [String] {
    let node = O.node(kind, operands ?? inputs.map { $0.name }, ["y"], attributes, domain: "com.microsoft")
    return try O.listing(
      O.model(operatorSet: 20, O.graph([node], inputs: inputs, outputs: ["y"]), otherSets: ["com.microsoft": 1]))
  }

  private let scale = O.input("s", [])
  private let zero = O.input("z", [], .uint8)

  @Test func quantizedOperatorsWorkInRealNumbers() throws {
    let a = O.input("a", [2, 3], .uint8)
    #expect(
      try lowered("QLinearAdd", [a, scale, zero], operands: ["a", "s", "z", "a", "s", "z", "s", "z"]) == [
        "DequantizeLinear(a, s, z) -> %4", "DequantizeLinear(a, s, z) -> %5", "Add(%4, %5) -> %6",
        "QuantizeLinear(%6, s, z) -> y",
      ])
    #expect(
      try lowered("QLinearLeakyRelu", [a, scale, zero], [O.float("alpha", 0.5)], operands: ["a", "s", "z", "s", "z"]) == [
        "DequantizeLinear(a, s, z) -> %4", "LeakyRelu(%4) alpha=0.5 -> %5", "QuantizeLinear(%5, s, z) -> y",
      ])
  }

  /// Without a zero point the result has the operand's type, where QuantizeLinear's would be uint8.
  @Test func zeroPointsLeftOut() throws {
    let a = O.input("a", [2], .int8)
    #expect(
      try lowered("QLinearSigmoid", [a, scale], operands: ["a", "s", "", "s"]) == [
        "DequantizeLinear(a, s) -> %3", "Sigmoid(%3) -> %4", "QuantizeLinear(%4, s) output_dtype=3 -> y",
      ])
  }

  @Test func channelsLastPoolingIsTransposed() throws {
    #expect(
      try lowered("NhwcMaxPool", [O.input("x", [1, 4, 4, 3], .uint8)], [O.ints("kernel_shape", [2, 2])]) == [
        "Transpose(x) perm=[0, 3, 1, 2] -> %2", "MaxPool(%2) kernel_shape=[2, 2] -> %3",
        "Transpose(%3) perm=[0, 2, 3, 1] -> y",
      ])
  }

  @Test func fusedConvolutionsComeApart() throws {
    let inputs = [O.input("x", [1, 1, 4]), O.input("w", [1, 1, 1]), O.input("r", [1, 1, 4])]
    #expect(
      try lowered("FusedConv", inputs, [O.string("activation", "Relu")], operands: ["x", "w", "", "r"]) == [
        "Conv(x, w) -> %4", "Add(%4, r) -> %5", "Relu(%5) -> y",
      ])
    #expect(throws: ApusError.self) {
      try lowered("FusedConv", inputs, [O.string("activation", "Mystery")], operands: ["x", "w"])
    }
  }
}
