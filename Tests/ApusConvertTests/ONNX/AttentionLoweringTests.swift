import ApusGraph
import Testing

@testable import ApusConvert

/// What ONNX Runtime's matrix products and attention operators become.
@Suite struct AttentionLoweringTests {
  private typealias O = ONNXModel

  private func lowered(
    _ kind: String, _ inputs: [ONNXValueInfoProto], _ attributes: [ONNXAttributeProto] = [], operands: [String]? = nil
  ) throws -> [String] {
    let node = O.node(kind, operands ?? inputs.map { $0.name }, ["y"], attributes, domain: "com.microsoft")
    return try O.listing(
      O.model(operatorSet: 20, O.graph([node], inputs: inputs, outputs: ["y"]), otherSets: ["com.microsoft": 1]))
  }

  @Test func fusedProductsComeApart() throws {
    let inputs = [O.input("a", [4, 5, 2]), O.input("b", [4, 5, 6])]
    #expect(
      try lowered("FusedMatMul", inputs, [O.int("transA", 1)]) == [
        "Transpose(a) perm=[0, 2, 1] -> %3", "MatMul(%3, b) -> y",
      ])
    #expect(
      try lowered("FusedMatMul", [O.input("a", [5, 4, 7]), O.input("b", [4, 7, 3])], [O.int("transBatchA", 1)]) == [
        "Transpose(a) perm=[1, 0, 2] -> %3", "MatMul(%3, b) -> y",
      ])
  }

  @Test func productsOfDynamicallyQuantizedMatrices() throws {
    let inputs = [O.input("a", [3, 16]), O.input("b", [16, 9], .int8), O.input("s", []), O.input("z", [], .int8)]
    let kinds = try lowered("DynamicQuantizeMatMul", inputs).map { $0.split(separator: "(")[0] }
    #expect(kinds == ["DynamicQuantizeLinear", "MatMulInteger", "Mul", "CastLike", "Mul", "Identity"])
  }

  @Test func attentionTakesMasksAndPackedOperands() throws {
    let query = O.input("q", [2, 5, 24])
    let mask = O.input("m", [2, 5], .int32)
    let kinds = try lowered(
      "MultiHeadAttention", [query, mask], [O.int("num_heads", 3)], operands: ["q", "q", "q", "", "m"]
    ).map { $0.split(separator: "(")[0] }
    #expect(kinds == ["Cast", "Where", "Unsqueeze", "Attention"])
    let packed = try lowered("MultiHeadAttention", [O.input("q", [2, 5, 3, 3, 8])], [O.int("num_heads", 3)])
      .map { $0.split(separator: "(")[0] }
    #expect(packed == ["Gather", "Reshape", "Gather", "Reshape", "Gather", "Reshape", "Attention"])
    #expect(throws: ApusError.self) { try lowered("MultiHeadAttention", [query], operands: ["q", "q", "q"]) }
  }
}
