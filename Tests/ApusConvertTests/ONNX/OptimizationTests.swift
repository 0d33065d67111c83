import ApusGraph
import Testing

@testable import ApusConvert

@Suite struct OptimizationTests {
  private typealias O = ONNXModel

  private func optimized(_ graph: ONNXGraphProto, _ level: Optimization) throws -> ModelDefinition {
    var options = ONNXImporter.Options()
    options.optimization = level
    return try O.imported(O.model(operatorSet: 18, graph), options)
  }

  private func graph() -> ONNXGraphProto {
    O.graph(
      [
        O.node("Abs", ["x"], ["a"]), O.node("Identity", ["a"], ["i"]), O.node("Abs", ["x"], ["b"]),
        O.node("Add", ["i", "b"], ["c"]), O.node("Neg", ["c"], ["nobody"]), O.node("Shape", ["x"], ["s"]),
        O.node("Reshape", ["c", "s"], ["y"]),
      ], inputs: [O.input("x", [2, 3])], outputs: ["y"], initializers: [O.floats("w", [1], [1])])
  }

  @Test func noneChangesNothing() throws {
    let definition = try optimized(graph(), .none)
    #expect(definition.graphs[0].nodes.count == 7)
    #expect(definition.tensors.count == 1)
  }

  @Test func safeTakesAwayWhatNothingReadsAndCopies() throws {
    let definition = try optimized(graph(), .safe)
    #expect(
      definition.listing()
        == ["Abs(x) -> a", "Abs(x) -> b", "Add(a, b) -> c", "Shape(x) -> s", "Reshape(c, s) -> y"])
    #expect(definition.tensors.isEmpty)
  }

  @Test func allMergesTwinsAndKnowsShapes() throws {
    let definition = try optimized(graph(), .all)
    #expect(definition.listing() == ["Abs(x) -> a", "Add(a, a) -> c", "Reshape(c, s) -> y"])
    let shape = try #require(definition.graphs[0].values.first { $0.name == "s" }?.constant)
    #expect(definition.tensors[Int(shape)].storage.inlineIntegers == [2, 3])
  }

  @Test func outputsStayWhatTheyAre() throws {
    let graph = O.graph(
      [O.node("Identity", ["x"], ["y"]), O.node("Abs", ["x"], ["z"]), O.node("Abs", ["x"], ["u"])],
      inputs: [O.input("x", [2])], outputs: ["y", "z", "u"])
    #expect(try optimized(graph, .all).listing() == ["Identity(x) -> y", "Abs(x) -> z", "Abs(x) -> u"])
  }

  @Test func bodiesKeepWhatTheyCapture() throws {
    let body = O.graph([O.node("Add", ["i", "x"], ["r"]), O.node("Neg", ["k"], ["dead"])], outputs: ["r"], name: "body")
    let definition = try optimized(
      O.graph(
        [
          O.node("Abs", ["x"], ["a"]), O.node("Identity", ["a"], ["i"]), O.node("Abs", ["x"], ["k"]),
          O.node("If", ["c"], ["y"], [O.graph("then_branch", body), O.graph("else_branch", body)]),
        ], inputs: [O.input("x", [2]), O.input("c", [], .bool)], outputs: ["y"]), .safe)
    // k is read by dead nodes of the bodies alone.
    #expect(definition.listing() == ["Abs(x) -> a", "If(c) else_branch=graph2 then_branch=graph1 -> y"])
    for graph in definition.graphs.dropFirst() {
      #expect(definition.graphs[0].values[Int(graph.captures[0].outer)].name == "a")
      #expect(graph.captures.count == 2 && graph.nodes.count == 1)
    }
  }

  @Test func randomNodesAreNoTwins() throws {
    let shape = O.ints("shape", [2])
    let graph = O.graph(
      [
        O.node("RandomNormal", [], ["a"], [shape]), O.node("RandomNormal", [], ["b"], [shape]), O.node("Sub", ["a", "b"], ["y"]),
      ],
      outputs: ["y"])
    #expect(try optimized(graph, .all).graphs[0].nodes.count == 3)
  }
}

extension TensorStorage {
  fileprivate var inlineIntegers: [Int64]? {
    if case .inline(let bytes) = self { ElementType.int64.integers(bytes) } else { nil }
  }
}
