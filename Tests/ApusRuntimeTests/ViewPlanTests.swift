import ApusGraph
import Testing

@testable import ApusRuntime

/// Concatenations that their operands are written into, slices that are views: fewer steps, the same bits.
@Suite struct ViewPlanTests {
  private struct Network {
    var builder = ModelBuilder()
    var random = SeededGenerator(seed: 21)

    mutating func op(_ name: Name, _ inputs: [ValueID], outputs: Int = 1, _ attributes: [Attribute] = []) -> [ValueID] {
      let version = OperatorRegistry.core.schemas(domain: .onnx, name: name).last?.versions.last
      return builder.node(name, version: version ?? 1, inputs, outputs: outputs, attributes)
    }

    mutating func convolution(_ x: ValueID, _ inputs: Int, _ outputs: Int, kernel: Int = 1) -> ValueID {
      let weights = builder.constant(random.floats(outputs * inputs * kernel * kernel), [outputs, inputs, kernel, kernel], "w")
      let pad = Int64(kernel / 2)
      return op("Conv", [x, weights], [Attribute("pads", .ints([pad, pad, pad, pad]))])[0]
    }

    mutating func concat(_ ids: [ValueID], axis: Int64 = 1) -> ValueID {
      op("Concat", ids, [Attribute("axis", .int(axis))])[0]
    }

    mutating func relu(_ x: ValueID) -> ValueID { op("Relu", [x])[0] }

    /// Runs with and without the compiler's passes, on one and on two threads; returns the operators of the steps.
    func steps(_ shape: [Int]) throws -> [String] {
      var random = random
      let input = TestTensor(random.floats(Reference.count(shape)), shape)
      let plain = try runOnce(builder.definition, [input], optimizes: false)
      for threads in 1...2 { #expect(try runOnce(builder.definition, [input], threads: threads) == plain) }
      let plan = try Model(definition: builder.definition).describePlan(shapes: [shape], threads: 1)
      #expect(plan.arenaBytes >= plan.liveBytes)
      return plan.steps.map { $0.label }
    }

    /// What plain copies would give: each value that a concatenation reads is an output too, so that it lies by itself.
    func expectSameAsExposed(_ shape: [Int]) throws {
      var random = random
      let input = TestTensor(random.floats(Reference.count(shape)), shape)
      var exposed = builder.definition
      let count = exposed.graphs[0].outputs.count
      for node in exposed.graphs[0].nodes where node.operatorName == "Concat" {
        for id in node.inputs where !exposed.graphs[0].outputs.contains(id) { exposed.graphs[0].outputs.append(id) }
      }
      #expect(try runOnce(builder.definition, [input]) == Array(try runOnce(exposed, [input])[..<count]))
    }
  }

  @Test func fireModule() throws {
    var network = Network()
    let x = network.builder.input("x", [2, 3, 6, 6])
    let squeezed = network.relu(network.convolution(x, 3, 4))
    let expanded = network.concat([
      network.relu(network.convolution(squeezed, 4, 5)), network.relu(network.convolution(squeezed, 4, 7, kernel: 3)),
    ])
    network.builder.output(network.convolution(expanded, 12, 3))
    #expect(try network.steps([2, 3, 6, 6]).filter { $0.contains("Concat") }.isEmpty)
    try network.expectSameAsExposed([2, 3, 6, 6])
  }

  @Test func valuesOfSeveralConcatenations() throws {
    var network = Network()
    let x = network.builder.input("x", [1, 3, 5, 5])
    var features = [network.convolution(x, 3, 4)]
    for _ in 0..<3 {
      let all = features.count == 1 ? features[0] : network.concat(features)
      features.append(network.relu(network.convolution(all, 4 * features.count, 4, kernel: 3)))
    }
    let window = [Attribute("kernel_shape", .ints([3, 3])), Attribute("pads", .ints([1, 1, 1, 1]))]
    let pooled = network.op("MaxPool", [features[1]], window)[0]
    let last = network.concat(features + [pooled])
    network.builder.output(network.relu(last), network.op("GlobalAveragePool", [features[0]])[0])
    _ = try network.steps([1, 3, 5, 5])
    try network.expectSameAsExposed([1, 3, 5, 5])
  }

  @Test func otherReadersOfWhatLiesInAConcatenation() throws {
    var network = Network()
    let x = network.builder.input("x", [1, 2, 4, 4])
    let a = network.convolution(x, 2, 3)
    let b = network.convolution(x, 2, 2)
    let joined = network.concat([a, b])
    // A reader of another shape, an elementwise one, one that wants plain order, and an operand twice.
    let flat = network.op("Reshape", [a, network.builder.constant([1, 48])])[0]
    let sum = network.op("Add", [a, network.op("Sigmoid", [a])[0]])[0]
    network.builder.output(
      network.relu(joined), flat, sum, network.relu(network.concat([b, b])), network.relu(network.concat([a, x])))
    _ = try network.steps([1, 2, 4, 4])
    try network.expectSameAsExposed([1, 2, 4, 4])
  }

  @Test func slicesOfOneRunAreViews() throws {
    var network = Network()
    let x = network.builder.input("x", [1, 12])
    let y = network.relu(x)
    let parts = network.op(
      "Split", [y, network.builder.constant([3, 4, 5])], outputs: 3, [Attribute("axis", .int(1))])
    let turned = network.op("Reshape", [parts[1], network.builder.constant([2, 2])])[0]
    // Overwriting y here would change the views.
    let negated = network.op("Neg", [y])[0]
    network.builder.output(
      negated, network.op("Exp", [turned])[0], network.op("Neg", [parts[0]])[0], parts[2],
      network.op("Slice", [x, network.builder.constant([2]), network.builder.constant([6]), network.builder.constant([1])])[0])
    #expect(try network.steps([1, 12]).filter { $0.contains("Split") }.isEmpty)
    let values = (0..<12).map { Float($0) - 5 }
    let results = try runOnce(network.builder.definition, [TestTensor(values, [1, 12])]).map { $0.floats }
    let positive = values.map { max($0, 0) }
    #expect(results[0] == positive.map { -$0 })
    #expect(results[2] == positive[..<3].map { -$0 })
    #expect(results[3] == Array(positive[7...]))
    #expect(results[4] == Array(values[2..<6]))
    for (a, b) in zip(results[1], [1, 1, 1, 2.7182817] as [Float]) { #expect(abs(a - b) < 1e-6) }
  }

  @Test func slicesWithGapsAreCopies() throws {
    var network = Network()
    let x = network.builder.input("x", [3, 8])
    let parts = network.op("Split", [x, network.builder.constant([3, 5])], outputs: 2, [Attribute("axis", .int(1))])
    let rows = network.op("Split", [x, network.builder.constant([1, 2])], outputs: 2, [Attribute("axis", .int(0))])
    network.builder.output(
      network.relu(parts[0]), network.relu(parts[1]), network.relu(rows[0]), network.relu(rows[1]))
    let steps = try network.steps([3, 8])
    #expect(steps.count { $0.contains("Split") } == 2)
  }

  /// Rows of a product stay rows where a Reshape stands before what is added.
  @Test func residualBehindAReshape() throws {
    var network = Network()
    let x = network.builder.input("x", [2, 3, 4])
    let rows = network.op("Reshape", [x, network.builder.constant([6, 4])])[0]
    let weights = network.builder.constant(network.random.floats(16), [4, 4], "w")
    let bias = network.builder.constant(network.random.floats(4), [4], "b")
    let product = network.op("Gemm", [rows, weights, bias])[0]
    let back = network.op("Reshape", [product, network.builder.constant([2, 3, 4])])[0]
    network.builder.output(network.relu(network.op("Add", [x, back])[0]))
    let steps = try network.steps([2, 3, 4])
    #expect(steps.count == 1)
  }

  @Test func axesOfOneElementMoveFreely() throws {
    var network = Network()
    let x = network.builder.input("x", [1, 1, 3, 4])
    let y = network.op("Transpose", [network.relu(x)], [Attribute("perm", .ints([0, 2, 1, 3]))])[0]
    network.builder.output(network.relu(y))
    #expect(try network.steps([1, 1, 3, 4]).filter { $0.contains("Transpose") }.isEmpty)
  }
}

/// Kernels that work in the layout in which convolutions leave their results.
@Suite struct ChannelsLastTests {
  /// A convolution, an operator on its result, and the same operator on the result as an input in plain order.
  private func check(_ name: Name, attributes: [Attribute], axes: [Int64]? = nil, copies: Int) throws {
    var random = SeededGenerator(seed: 31)
    let version = OperatorRegistry.core.schemas(domain: .onnx, name: name).last?.versions.last ?? 1
    func model(convolves: Bool) -> ModelDefinition {
      var generator = SeededGenerator(seed: 32)
      var builder = ModelBuilder()
      var x = builder.input("x", [2, 3, 4, 5])
      if convolves {
        x = builder.node("Conv", version: 22, [x, builder.constant(generator.floats(9), [3, 3, 1, 1], "w")])[0]
        builder.output(builder.node("Identity", version: 21, [x])[0])
      }
      let inputs = [x] + (axes.map { [builder.constant($0, "axes")] } ?? [])
      builder.output(builder.node(name, version: version, inputs, attributes)[0])
      return builder.definition
    }
    let input = TestTensor(random.floats(120), [2, 3, 4, 5])
    let results = try runOnce(model(convolves: true), [input])
    #expect(try runOnce(model(convolves: false), [results[0]])[0] == results[1], "\(name.string)")
    var alone = model(convolves: true)
    alone.graphs[0].outputs.removeFirst()
    let plan = try Model(definition: alone).describePlan(shapes: [[2, 3, 4, 5]], threads: 1)
    // One conversion of the model's input, and as many as said behind the convolution.
    #expect(plan.steps.count { $0.kernel.description.hasPrefix("to ") } == 1 + copies, "\(name.string)")
  }

  @Test func reductionsAndSoftmax() throws {
    for keeps in [Int64(0), 1] {
      let attributes = [Attribute("keepdims", .int(keeps))]
      try check("ReduceMean", attributes: attributes, axes: [2, 3], copies: 0)
      try check("ReduceMax", attributes: attributes, axes: [1], copies: 0)
      try check("ReduceSum", attributes: attributes, axes: [3], copies: 1)
      try check("ReduceMean", attributes: attributes, axes: [1, 2], copies: 1)
    }
    try check("Softmax", attributes: [Attribute("axis", .int(1))], copies: 1)
    try check("LogSoftmax", attributes: [Attribute("axis", .int(-1))], copies: 1)
  }
}
