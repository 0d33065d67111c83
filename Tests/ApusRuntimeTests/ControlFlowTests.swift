import ApusFormat
import ApusGraph
import Testing

@testable import ApusRuntime

/// If, Loop and Scan with nested graphs and captured values; sequences and optionals.
@Suite struct ControlFlowTests {
  /// A graph nested in the main one: its values by name, those of `captures` from outside.
  private struct Body {
    var graph: Graph
    let id: GraphID

    init(_ builder: inout ModelBuilder, _ name: Name) {
      graph = Graph(name: name, parent: 0)
      id = GraphID(builder.definition.graphs.count)
      builder.definition.graphs.append(graph)
    }

    mutating func value(_ name: Name, _ type: TensorType? = nil, constant: TensorID? = nil) -> ValueID {
      graph.values.append(Value(name: name, type: type.map { .tensor($0) }, constant: constant))
      return ValueID(graph.values.count - 1)
    }

    mutating func input(_ name: Name, _ type: TensorType) -> ValueID {
      graph.inputs.append(value(name, type))
      return ValueID(graph.values.count - 1)
    }

    mutating func capture(_ outer: ValueID, _ name: Name) -> ValueID {
      let inner = value(name)
      graph.captures.append(Capture(inner: inner, outer: outer))
      return inner
    }

    mutating func node(_ operatorName: Name, _ version: Int32, _ inputs: [ValueID], _ type: TensorType? = nil) -> ValueID {
      let output = value(Name("\(graph.name.string).\(graph.nodes.count)"), type)
      graph.nodes.append(Node(operatorName: operatorName, sinceVersion: version, inputs: inputs, outputs: [output]))
      return output
    }
  }

  @Test(arguments: [true, false]) func ifRunsOneBranchOnCapturedValues(condition: Bool) throws {
    var builder = ModelBuilder()
    let cond = builder.input("cond", [], .bool)
    let x = builder.input("x", [3])
    let doubled = builder.node("Add", version: 14, [x, x])[0]
    var then = Body(&builder, "then")
    let inner = then.capture(doubled, "d")
    then.graph.outputs = [then.node("Relu", 14, [inner])]
    var otherwise = Body(&builder, "else")
    // The branch's result is the captured value itself.
    otherwise.graph.outputs = [otherwise.node("Identity", 21, [otherwise.capture(doubled, "d2")])]
    builder.definition.graphs[1] = then.graph
    builder.definition.graphs[2] = otherwise.graph
    let result = builder.node(
      "If", version: 21, [cond],
      [Attribute("then_branch", .graph(then.id)), Attribute("else_branch", .graph(otherwise.id))],
      type: TensorType(.float32, nil))[0]
    builder.output(builder.node("Sub", version: 14, [result, x])[0])
    let output = try runOnce(
      builder.definition, [TestTensor([condition], []), TestTensor([1, -2, 3] as [Float], [3])])[0]
    #expect(output.floats == (condition ? [1, 2, 3] : [1, -2, 3]))
  }

  /// Sums 0...n-1 in a carried value, and gives the partial sums as a scan output.
  private func summing() -> ModelDefinition {
    var builder = ModelBuilder()
    let trips = builder.input("trips", [], .int64)
    let start = builder.input("start", [], .int64)
    var body = Body(&builder, "body")
    let iteration = body.input("i", TensorType(.int64, []))
    let condition = body.input("c", TensorType(.bool, []))
    let sum = body.input("s", TensorType(.int64, []))
    let next = body.node("Add", 14, [sum, iteration], TensorType(.int64, []))
    body.graph.outputs = [condition, next, next]
    builder.definition.graphs[1] = body.graph
    let outputs = builder.node(
      "Loop", version: 21, [trips, .absent, start], outputs: 2, [Attribute("body", .graph(body.id))],
      type: TensorType(.int64, nil))
    builder.output(outputs[0], outputs[1])
    return builder.definition
  }

  @Test func loopCarriesAndStacks() throws {
    let session = try Session(model: Model(definition: summing()))
    try session.prepare([[], []])
    for trips in [0, 1, 5] {
      let outputs = try run(session, [TestTensor([Int64(trips)], []), TestTensor([10 as Int64], [])])
      let partial: [Int64] = (0..<Int64(trips)).map { 10 + $0 * ($0 + 1) / 2 }
      #expect(outputs[0] == TestTensor([partial.last ?? Int64(10)], []))
      #expect(outputs[1] == TestTensor(partial, [trips]))
    }
  }

  @Test func endlessLoopsEndAtTheLimit() throws {
    var options = LoadOptions()
    options.limits.iterations = 100
    let session = try Session(model: Model(definition: summing(), options: options))
    try session.prepare([[], []])
    do {
      _ = try run(session, [TestTensor([Int64.max], []), TestTensor([0 as Int64], [])])
      Issue.record("the loop ended")
    } catch { #expect((error as? ApusError)?.status == .limitExceeded) }
  }

  @Test func scanRunsOverSlices() throws {
    var builder = ModelBuilder()
    let start = builder.input("start", [2])
    let sequence = builder.input("xs", [3, 2])
    var body = Body(&builder, "body")
    let state = body.input("s", TensorType(.float32, [2]))
    let slice = body.input("x", TensorType(.float32, [2]))
    let next = body.node("Add", 14, [state, slice])
    body.graph.outputs = [next, next]
    builder.definition.graphs[1] = body.graph
    let outputs = builder.node(
      "Scan", version: 21, [start, sequence], outputs: 2,
      [
        Attribute("body", .graph(body.id)), Attribute("num_scan_inputs", .int(1)),
        Attribute("scan_output_directions", .ints([1])),
      ],
      type: TensorType(.float32, nil))
    builder.output(outputs[0], outputs[1])
    let results = try runOnce(
      builder.definition, [TestTensor([0, 0] as [Float], [2]), TestTensor([1, 2, 3, 4, 5, 6] as [Float], [3, 2])])
    #expect(results[0] == TestTensor([9, 12] as [Float], [2]))
    #expect(results[1] == TestTensor([9, 12, 4, 6, 1, 2] as [Float], [3, 2]))
  }

  @Test func sequencesAreBuiltAndJoined() throws {
    var builder = ModelBuilder()
    let a = builder.input("a", [1, 2])
    let b = builder.input("b", [2, 2])
    let at = builder.input("at", [], .int64)
    let list = builder.node("SequenceConstruct", version: 11, [a, b])[0]
    let longer = builder.node("SequenceInsert", version: 11, [list, b, at])[0]
    builder.output(
      builder.node("ConcatFromSequence", version: 11, [longer], [Attribute("axis", .int(0))], type: TensorType(.float32, nil))[0],
      builder.node("SequenceLength", version: 11, [longer])[0])
    let inputs = [TestTensor([1, 2] as [Float], [1, 2]), TestTensor([3, 4, 5, 6] as [Float], [2, 2])]
    let results = try runOnce(builder.definition, inputs + [TestTensor([-2 as Int64], [])])
    #expect(results[0] == TestTensor([3, 4, 5, 6, 1, 2, 3, 4, 5, 6] as [Float], [5, 2]))
    #expect(results[1] == TestTensor([3 as Int64], []))
    #expect(throws: ApusError.self) { try runOnce(builder.definition, inputs + [TestTensor([4 as Int64], [])]) }
  }
}
