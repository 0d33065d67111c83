import ApusGraph
import Testing

@testable import ApusConvert

/// ONNX Runtime's fused operators come apart into the operators that their documentation defines them by
/// (https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md).
@Suite struct ONNXLoweringTests {
  private typealias O = ONNXModel

  private func lowered(
    _ kind: String, _ inputs: [ONNXValueInfoProto?], outputs: [String] = ["y"], _ attributes: [ONNXAttributeProto] = [],
    domain: String = "com.microsoft"
  ) throws -> [String] {
    let node = O.node(kind, inputs.map { $0?.name ?? "" }, outputs, attributes, domain: domain)
    return try O.listing(
      O.model(
        O.graph([node], inputs: inputs.compactMap { $0 }, outputs: outputs.filter { !$0.isEmpty }),
        otherSets: ["com.microsoft": 1]))
  }

  private let x = O.input("x", [2, 3, 4])
  private let s = O.input("s", [2, 3, 4])
  private let g = O.input("g", [4])
  private let b = O.input("b", [4])

  @Test func skipNormalizations() throws {
    #expect(
      try lowered("SkipLayerNormalization", [x, s, g, b], [O.float("epsilon", 0.5)])
        == ["Add(x, s) -> %5", "LayerNormalization(%5, g, b) axis=-1 epsilon=0.5 -> y"])
    let c = O.input("c", [4])
    #expect(
      try lowered("SkipLayerNormalization", [x, s, g, nil, c], outputs: ["y", "", "", "sum"], [O.float("epsilon", 0.5)])
        == ["Add(x, s) -> %6", "Add(%6, c) -> sum", "LayerNormalization(sum, g) axis=-1 epsilon=0.5 -> y"])
    #expect(
      try lowered("SkipSimplifiedLayerNormalization", [x, s, g], outputs: ["y", "", "", "sum"], [O.float("epsilon", 0.5)])
        == ["Add(x, s) -> sum", "RMSNormalization(sum, g) axis=-1 epsilon=0.5 -> y"])
    #expect(
      try lowered("SimplifiedLayerNormalization", [x, g], [O.int("axis", -1)], domain: "")
        == ["RMSNormalization(x, g) axis=-1 epsilon=1e-05 -> y"])
    #expect(throws: ApusError.self) { try lowered("SimplifiedLayerNormalization", [x, g], outputs: ["y", "d"]) }
  }

  @Test func embeddings() throws {
    let ids = O.input("ids", [2, 3], .int32)
    let mask = O.input("mask", [2, 3], .int32)
    let lines = try lowered(
      "EmbedLayerNormalization",
      [ids, ids, O.input("w", [9, 4]), O.input("p", [7, 4]), O.input("t", [2, 4]), g, b, mask].enumerated().map {
        // One name an input.
        $0.offset == 1 ? O.input("seg", [2, 3], .int32) : $0.element
      }, outputs: ["y", "m"])
    #expect(lines.first?.hasPrefix("Gather(w, ids)") == true)
    #expect(lines.contains { $0.hasPrefix("Slice(p, [0], ") })
    #expect(lines.contains { $0.hasPrefix("Gather(t, seg)") })
    #expect(lines.contains { $0.hasPrefix("ReduceSum(mask, [1]) keepdims=0") })
    #expect(lines.last?.hasPrefix("LayerNormalization(") == true && lines.last?.hasSuffix("-> y") == true)
  }

  @Test func matrixProducts() throws {
    let a = O.input("a", [2, 3, 4])
    let c = O.input("c", [2, 5, 4])
    #expect(
      try lowered("FusedMatMul", [a, c], [O.int("transB", 1)])
        == ["Transpose(c) perm=[0, 2, 1] -> %3", "MatMul(a, %3) -> y"])
    #expect(
      try lowered("FusedMatMul", [a, c], [O.int("transBatchA", 1), O.int("transA", 1), O.float("alpha", 0.5)])
        == ["Transpose(a) perm=[1, 2, 0] -> %3", "MatMul(%3, c) -> %4", "Mul(%4, 0.5) -> y"])
    #expect(
      try lowered(
        "FusedGemm", [O.input("a", [2, 3]), O.input("c", [3, 4])],
        [O.string("activation", "LeakyRelu"), O.float("activation_alpha", 0.1)])
        == ["Gemm(a, c) -> %3", "LeakyRelu(%3) alpha=0.1 -> y"])
  }

  @Test func attention() throws {
    #expect(
      try lowered("MultiHeadAttention", [x, s, O.input("v", [2, 3, 4])], [O.int("num_heads", 2), O.int("unidirectional", 1)])
        == ["Attention(x, s, v) is_causal=1 kv_num_heads=2 q_num_heads=2 -> y"])
  }

  @Test func standardOperatorsByOtherNames() throws {
    #expect(try lowered("Trilu", [x], [O.int("upper", 0)]) == ["Trilu(x) upper=0 -> y"])
    #expect(
      try lowered("ReduceSumInteger", [O.input("i", [2, 3], .uint8)], [O.ints("axes", [1]), O.int("keepdims", 0)])
        == ["Cast(i) to=12 -> %2", "ReduceSum(%2, [1]) keepdims=0 -> y"])
    #expect(
      try lowered("ExpandDims", [x, O.input("axis", [], .int32)])
        == ["Cast(axis) to=7 -> %3", "Reshape(%3, [1]) -> %5", "Unsqueeze(x, %5) -> y"])
  }
}
