import ApusGraph
import Testing

import ApusRuntime

/// What passes do to programs, and that they do not change results.
@Suite struct CompilerTests {
  /// conv -> batch normalization -> relu, then a residual block of two convolutions, then pooling and a classifier.
  static func residualNetwork(seed: UInt64) -> (definition: ModelDefinition, shape: [Int]) {
    var random = SeededGenerator(seed: seed)
    var builder = ModelBuilder()
    let n = builder.symbol("N", minimum: 1)
    func convolution(_ x: ValueID, _ inputs: Int, _ outputs: Int) -> ValueID {
      builder.node(
        "Conv", version: 22, [x, builder.constant(random.floats(outputs * inputs * 9), [outputs, inputs, 3, 3], "w")],
        [Attribute("pads", .ints([1, 1, 1, 1]))])[0]
    }
    func normalization(_ x: ValueID, _ channels: Int) -> ValueID {
      builder.node(
        "BatchNormalization", version: 15,
        [
          x, builder.constant(random.floats(channels, in: 0.5...1.5), [channels], "gamma"),
          builder.constant(random.floats(channels), [channels], "beta"),
          builder.constant(random.floats(channels), [channels], "mean"),
          builder.constant(random.floats(channels, in: 0.5...2), [channels], "variance"),
        ])[0]
    }
    func relu(_ x: ValueID) -> ValueID { builder.node("Relu", version: 14, [x])[0] }
    let x = builder.input("x", Shape([n, .known(3), .known(8), .known(8)]))
    let stem = relu(normalization(convolution(x, 3, 8), 8))
    let first = relu(normalization(convolution(stem, 8, 8), 8))
    let second = normalization(convolution(first, 8, 8), 8)
    let sum = relu(builder.node("Add", version: 14, [second, stem])[0])
    let pooled = builder.node("GlobalAveragePool", version: 22, [sum])[0]
    let flat = builder.node("Flatten", version: 21, [pooled])[0]
    let logits = builder.node(
      "Gemm", version: 13,
      [flat, builder.constant(random.floats(80), [10, 8], "fc.weight"), builder.constant(random.floats(10), [10], "fc.bias")],
      [Attribute("transB", .int(1))])[0]
    builder.output(logits)
    return (builder.definition, [2, 3, 8, 8])
  }

  @Test func fusesConvolutionBlocks() throws {
    let (definition, _) = Self.residualNetwork(seed: 1)
    let model = try Model(definition: definition)
    #expect(
      model.program.nodes.map { $0.node.operatorName.string } == ["Conv", "Conv", "Conv", "GlobalAveragePool", "Flatten", "Gemm"])
    #expect(model.program.nodes[0].activation == .relu)
    #expect(model.program.nodes[1].activation == .relu)
    #expect(model.program.nodes[2].activation == .relu)
    #expect(model.program.nodes[2].residual != nil)
  }

  /// Every intermediate value as an output keeps the passes from fusing: the results must be those of the fused program.
  @Test func fusionKeepsResults() throws {
    let (definition, shape) = Self.residualNetwork(seed: 2)
    var random = SeededGenerator(seed: 3)
    let x = TestTensor(random.floats(Reference.count(shape)), shape)
    let fused = try runOnce(definition, [x])
    var exposed = definition
    exposed.graphs[0].outputs += definition.graphs[0].nodes.dropLast().flatMap { $0.outputs }
    #expect(try Model(definition: exposed).program.nodes.count == definition.graphs[0].nodes.count)
    let plain = try runOnce(exposed, [x])
    let worst = zip(fused[0].floats, plain[0].floats).map { abs($0 - $1) }.max() ?? 0
    #expect(worst < 1e-4)
  }

  @Test func fusedActivationsGiveTheBitsOfTheirOperators() throws {
    let cases: [(name: Name, version: Int32, bounds: [Float], attributes: [Attribute], fused: FusedActivation)] = [
      ("Clip", 13, [0, 6], [], .clip(low: 0, high: 6)), ("Clip", 13, [-0.25], [], .clip(low: -0.25, high: .infinity)),
      ("HardSwish", 22, [], [], .hardSwish(alpha: 1 / 6, beta: 0.5)),
      ("HardSigmoid", 22, [], [Attribute("alpha", .float(0.3))], .hardSigmoid(alpha: 0.3, beta: 0.5)),
      ("Swish", 24, [], [], .swish(alpha: 1)), ("Swish", 24, [], [Attribute("alpha", .float(1.7))], .swish(alpha: 1.7)),
      ("Gelu", 20, [], [], .gelu),
    ]
    for (index, expected) in cases.enumerated() {
      for groups in [1, 20] {
        var random = SeededGenerator(seed: UInt64(40 + index))
        var builder = ModelBuilder()
        let x = builder.input("x", [1, 20, 9, 9])
        let w = builder.constant(random.floats(20 * (20 / groups) * 9), [20, 20 / groups, 3, 3], "w")
        let convolution = builder.node("Conv", version: 22, [x, w], [Attribute("group", .int(Int64(groups)))])[0]
        let bounds = expected.bounds.map { builder.constant([$0], [], "bound") }
        builder.output(
          builder.node(expected.name, version: expected.version, [convolution] + bounds, expected.attributes)[0])
        let model = try Model(definition: builder.definition)
        #expect(model.program.nodes.count == 1 && model.program.nodes[0].activation == expected.fused, "\(expected.name)")
        var exposed = builder.definition
        exposed.graphs[0].outputs.append(convolution)
        #expect(try Model(definition: exposed).program.nodes.count == 2)
        let input = TestTensor(random.floats(20 * 81), [1, 20, 9, 9])
        #expect(try runOnce(builder.definition, [input])[0] == runOnce(exposed, [input])[0], "\(expected.name)")
      }
    }
  }

  @Test func fusesBiasAndActivationIntoMatMul() throws {
    var random = SeededGenerator(seed: 4)
    var builder = ModelBuilder()
    let x = builder.input("x", [3, 5])
    let product = builder.node("MatMul", version: 13, [x, builder.constant(random.floats(35), [5, 7], "w")])[0]
    let sum = builder.node("Add", version: 14, [builder.constant(random.floats(7), [7], "b"), product])[0]
    builder.output(builder.node("Sigmoid", version: 13, [sum])[0])
    let model = try Model(definition: builder.definition)
    #expect(model.program.nodes.count == 1)
    #expect(model.program.nodes[0].bias != nil)
    #expect(model.program.nodes[0].activation == .sigmoid)

    var exposed = builder.definition
    exposed.graphs[0].outputs += [product, sum]
    let input = TestTensor(random.floats(15), [3, 5])
    #expect(try runOnce(builder.definition, [input])[0] == runOnce(exposed, [input])[0])
  }

  @Test func removesIdentitiesAndDropout() throws {
    var builder = ModelBuilder()
    let x = builder.input("x", [4])
    let copy = builder.node("Identity", version: 21, [x])[0]
    let dropped = builder.node("Dropout", version: 22, [copy])[0]
    builder.output(builder.node("Relu", version: 14, [dropped])[0], copy)
    let model = try Model(definition: builder.definition)
    #expect(model.program.nodes.count == 1)
    let results = try runOnce(builder.definition, [TestTensor([-1, 0, 1, 2] as [Float], [4])])
    #expect(results[0].floats == [0, 0, 1, 2])
    #expect(results[1].floats == [-1, 0, 1, 2])
  }

  @Test func constantNodesAreConstants() throws {
    var builder = ModelBuilder()
    let x = builder.input("x", [2])
    let id = builder.tensor([10, 20] as [Float], [2], .float32)
    let vector = builder.node("Constant", version: 21, [], [Attribute("value", .tensor(id))])[0]
    let scalar = builder.node("Constant", version: 21, [], [Attribute("value_float", .float(0.5))])[0]
    let sum = builder.node("Add", version: 14, [x, vector])[0]
    builder.output(builder.node("Mul", version: 14, [sum, scalar])[0])
    #expect(try runOnce(builder.definition, [TestTensor([2, 4] as [Float], [2])])[0].floats == [6, 12])
  }

  /// A constant, an input, two views of one value: none of these has a step of its own that writes to the caller's buffer.
  @Test func outputsWithoutAWriterAreCopied() throws {
    var builder = ModelBuilder()
    let x = builder.input("x", [3])
    let y = builder.node("Relu", version: 14, [x])[0]
    let view = builder.node("Flatten", version: 21, [y], [Attribute("axis", .int(0))])[0]
    builder.output(x, builder.constant([7, 8, 9], [3]), y, view)
    let results = try runOnce(builder.definition, [TestTensor([-1, 2, -3] as [Float], [3])])
    #expect(results.map { $0.floats } == [[-1, 2, -3], [7, 8, 9], [0, 2, 0], [0, 2, 0]])
  }

  @Test func arenaReusesMemory() throws {
    var builder = ModelBuilder()
    let n = 1000
    var value = builder.input("x", [n, 1])
    // Each product makes a new tensor of n x 16; only two need to live at a time.
    for _ in 0..<6 {
      value = builder.node("MatMul", version: 13, [value, builder.constant(Array(repeating: 1, count: 16), [1, 16], "w")])[0]
      value = builder.node("ReduceMean", version: 18, [value, builder.constant([1], "axes")])[0]
    }
    builder.output(value)
    let model = try Model(definition: builder.definition)
    let requirements = try model.memoryRequirements(shapes: [[n, 1]], threads: 1)
    #expect(requirements.arenaBytes < UInt64(3 * n * 16 * 4 / 2))
  }
}
