import ApusGraph
import Testing

@testable import ApusConvert

/// ai.onnx.ml with strings, which LabelEncoders make of numbers, and ONNX Runtime's normalizations of sums.
@Suite struct MachineLearningFormTests {
  private typealias O = ONNXModel

  private func adapted(
    _ kind: String, _ inputs: [ONNXValueInfoProto], _ attributes: [ONNXAttributeProto], domain: String = "ai.onnx.ml",
    version: Int64 = 3, operands: [String]? = nil, outputs: [String] = ["y"]
  ) throws -> [String] {
    let node = O.node(kind, operands ?? inputs.map { $0.name }, outputs, attributes, domain: domain)
    let read = outputs.filter { !$0.isEmpty }
    return try O.listing(
      O.model(operatorSet: 20, O.graph([node], inputs: inputs, outputs: read), otherSets: [domain: version]))
  }

  @Test func classesAreNumbersWithLabelsBehind() throws {
    let nodes = try adapted(
      "LinearClassifier", [O.input("x", [2, 1])],
      [O.floats("coefficients", [1, -1]), O.strings("classlabels_strings", ["no", "yes"])], outputs: ["y", "z"])
    #expect(nodes.count == 2)
    #expect(nodes[0].hasPrefix("LinearClassifier(x)") && nodes[0].contains("classlabels_ints=[0, 1]"))
    #expect(nodes[1].hasPrefix("LabelEncoder(") && nodes[1].hasSuffix("-> y"))
  }

  @Test func categoriesAreNumbersWithLabelsInFront() throws {
    let nodes = try adapted(
      "OneHotEncoder", [O.input("x", [2], .string)], [O.strings("cats_strings", ["a", "b", "c"])], version: 1)
    #expect(nodes.count == 2)
    #expect(nodes[0].hasPrefix("LabelEncoder(x)") && nodes[1].contains("cats_int64s=[0, 1, 2]"))
  }

  @Test func mapsFromClassesBecomeColumns() throws {
    let node = O.node("ZipMap", ["x"], ["y"], [O.strings("classlabels_strings", ["no", "yes"])], domain: "ai.onnx.ml")
    let graph = O.graph([node], inputs: [O.input("x", [3, 2])], outputs: ["y"])
    let bytes: [UInt8] = try O.model(operatorSet: 20, graph, otherSets: ["ai.onnx.ml": 1]).serializedBytes()
    let (model, problems) = try ONNXImporter.survey(parsing: bytes)
    #expect(problems.isEmpty)
    #expect(model.notes.count == 1)
    #expect(model.notes.first?.hasPrefix("'y' is a tensor with a column for each class (no, yes)") == true)
    #expect(model.definition.metadata.entries.contains { $0.key == "onnx.columns.y" && $0.value == "no, yes" })
    let numbered = try adapted("ZipMap", [O.input("x", [3, 2])], [O.ints("classlabels_int64s", [4, 7])], version: 1)
    #expect(numbered == ["Identity(x) -> y"])
    #expect(throws: ApusError.self) { try adapted("ZipMap", [O.input("x", [3, 2])], [], version: 1) }
  }

  @Test func categoriesMapBothWays() throws {
    let attributes = [O.strings("cats_strings", ["a", "b"]), O.ints("cats_int64s", [5, 6])]
    let numbers = try adapted("CategoryMapper", [O.input("x", [2], .string)], attributes, version: 1)
    #expect(numbers[0].hasPrefix("LabelEncoder(x)") && numbers[0].contains("values_int64s=[5, 6]"))
    let names = try adapted("CategoryMapper", [O.input("x", [2], .int64)], attributes, version: 1)
    #expect(names[0].hasPrefix("LabelEncoder(x)") && names[0].contains("keys_int64s=[5, 6]"))
  }

  @Test func normalizationsOfSumsComeApart() throws {
    let inputs = [O.input("x", [1, 2, 4]), O.input("s", [1, 2, 4]), O.input("g", [4]), O.input("b", [4])]
    #expect(
      try adapted("SkipLayerNormalization", inputs, [O.float("epsilon", 0.5)], domain: "com.microsoft", version: 1) == [
        "Add(x, s) -> %5", "LayerNormalization(%5, g, b) axis=-1 epsilon=0.5 -> y",
      ])
    #expect(
      try adapted(
        "SkipSimplifiedLayerNormalization", Array(inputs.prefix(3)), [O.float("epsilon", 0.5)], domain: "com.microsoft",
        version: 1, outputs: ["y", "", "", "sum"])
        == ["Add(x, s) -> sum", "RMSNormalization(sum, g) axis=-1 epsilon=0.5 -> y"])
    #expect(throws: ApusError.self) {
      try adapted("SkipLayerNormalization", Array(inputs.prefix(2)), [], domain: "com.microsoft", version: 1)
    }
  }
}
