import ApusGraph
import Testing

@testable import ApusRuntime

/// Attention as exporters write it becomes one operator, with the results of its parts.
@Suite struct AttentionFusionTests {
  private static let (batch, length, heads, size) = (2, 5, 3, 4)

  struct Form: CustomStringConvertible {
    /// Queries and keys are scaled instead of the scores.
    var scalesOperands = false
    /// Keys are turned to `[B, H, D, S]` in two transpositions, or one.
    var turnsTwice = false
    var hasMask = false
    /// The result is turned back to `[B, L, H D]`.
    var mergesHeads = true
    /// Batch and length are the caller's choice, the reshapes' targets computed from them.
    var isDynamic = false
    var softmaxAxis = -1
    /// Extents of the mask.
    var mask = [2, 1, 1, 5]

    var description: String {
      "scales \(scalesOperands) twice \(turnsTwice) mask \(hasMask) merges \(mergesHeads) dynamic \(isDynamic)"
    }
  }

  private static func model(_ form: Form) -> ModelDefinition {
    let (batch, length, heads, size) = sizes
    var random = SeededGenerator(seed: 5)
    var builder = ModelBuilder()
    func op(_ name: Name, _ inputs: [ValueID], _ attributes: [Attribute] = []) -> ValueID {
      let version = OperatorRegistry.core.schemas(domain: .onnx, name: name).last?.versions.last
      return builder.node(name, version: version ?? 1, inputs, attributes)[0]
    }
    let n: Dimension = form.isDynamic ? builder.symbol("N") : .known(batch)
    let l: Dimension = form.isDynamic ? builder.symbol("L") : .known(length)
    let x = builder.input("x", Shape([n, l, .known(heads * size)]))
    let mask = form.hasMask ? builder.input("mask", Shape(form.mask)) : nil
    func target(_ of: ValueID, _ rest: [Int64]) -> ValueID {
      guard form.isDynamic else {
        return builder.constant([Int64(batch), Int64(length)] + rest, "shape")
      }
      let shape = op("Shape", [of])
      return op(
        "Concat", [op("Gather", [shape, builder.constant([0, 1])]), builder.constant(rest)], [Attribute("axis", .int(0))])
    }
    func turned(_ id: ValueID, _ order: [Int64]) -> ValueID { op("Transpose", [id], [Attribute("perm", .ints(order))]) }
    func projection() -> ValueID {
      let weights = builder.constant(random.floats(heads * size * heads * size), [heads * size, heads * size], "w")
      let whole = op("MatMul", [x, weights])
      return op("Reshape", [whole, target(whole, [Int64(heads), Int64(size)])])
    }
    var q = turned(projection(), [0, 2, 1, 3])
    var k = projection()
    k = form.turnsTwice ? turned(turned(k, [0, 2, 1, 3]), [0, 1, 3, 2]) : turned(k, [0, 2, 3, 1])
    let v = turned(projection(), [0, 2, 1, 3])
    if form.scalesOperands {
      q = op("Mul", [q, builder.constant([0.7], [], "scale")])
      k = op("Mul", [builder.constant([0.7], [1], "scale"), k])
    }
    var scores = op("MatMul", [q, k])
    if !form.scalesOperands { scores = op("Div", [scores, builder.constant([2], [], "scale")]) }
    if let mask { scores = op("Add", [scores, mask]) }
    let weights = op("Softmax", [scores], [Attribute("axis", .int(Int64(form.softmaxAxis)))])
    var y = op("MatMul", [weights, v])
    if form.mergesHeads {
      y = turned(y, [0, 2, 1, 3])
      y = op("Reshape", [y, target(y, [Int64(heads * size)])])
    }
    builder.output(y)
    return builder.definition
  }

  private static let sizes = (batch, length, heads, size)

  private func operators(_ form: Form) throws -> [String] {
    let definition = Self.model(form)
    var random = SeededGenerator(seed: 6)
    let shape = [Self.batch, Self.length, Self.heads * Self.size]
    var inputs = [TestTensor(random.floats(Reference.count(shape)), shape)]
    if form.hasMask { inputs.append(TestTensor(random.floats(Reference.count(form.mask), in: -3...0), form.mask)) }
    let fused = try runOnce(definition, inputs)[0]
    let plain = try runOnce(definition, inputs, optimizes: false)[0]
    #expect(fused.shape == plain.shape)
    for (a, b) in zip(fused.floats, plain.floats) { #expect(abs(a - b) < 1e-5) }
    let session = try Session(model: try Model(definition: definition))
    try session.prepare(inputs.map { $0.shape })
    return session.program.nodes.map { $0.node.operatorName.string }
  }

  @Test func fusesWholeAttention() throws {
    for scales in [false, true] {
      for twice in [false, true] {
        for masked in [false, true] {
          for dynamic in [false, true] {
            let form = Form(scalesOperands: scales, turnsTwice: twice, hasMask: masked, isDynamic: dynamic)
            #expect(try operators(form) == ["MatMul", "MatMul", "MatMul", "Attention"], "\(form)")
          }
        }
      }
    }
  }

  @Test func fusesAttentionOfHeads() throws {
    let found = try operators(Form(mergesHeads: false))
    #expect(found.contains("Attention") && !found.contains("Softmax"))
    let turned = try operators(Form(turnsTwice: true, mergesHeads: false))
    #expect(turned.contains("Attention") && !turned.contains("Softmax"))
  }

  @Test func leavesOtherGraphs() throws {
    #expect(try operators(Form(softmaxAxis: 2)).contains("Softmax"))
    // A last axis of 1 is no mask of keys; one of five axes makes the scores larger.
    #expect(try operators(Form(hasMask: true, mask: [2, 3, 5, 1])).contains("Softmax"))
    #expect(try operators(Form(hasMask: true, mergesHeads: false, mask: [2, 2, 3, 5, 5])).contains("Softmax"))
  }
}
