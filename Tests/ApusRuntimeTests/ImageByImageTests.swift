import ApusGraph
import ApusRuntime
import Testing

/// Batches that are planned for one image and repeated.
@Suite struct ImageByImageTests {
  /// Two outputs: a convolution's, and a classifier's behind squeeze and excitation.
  private static func network(_ random: inout SeededGenerator) -> ModelDefinition {
    var builder = ModelBuilder()
    let n = builder.symbol("N", minimum: 1)
    let x = builder.input("x", Shape([n, .known(4), .known(40), .known(40)]))
    func constant(_ dimensions: [Int]) -> ValueID {
      builder.constant(random.floats(dimensions.reduce(1, *)), dimensions)
    }
    let pads = Attribute("pads", .ints([1, 1, 1, 1]))
    let wide = builder.node("Conv", version: 22, [x, constant([32, 4, 3, 3]), constant([32])], [pads])[0]
    let active = builder.node("Relu", version: 14, [wide])[0]
    let mean = builder.node("GlobalAveragePool", version: 22, [active])[0]
    let squeezed = builder.node("Conv", version: 22, [mean, constant([32, 32, 1, 1])])[0]
    let gate = builder.node("Sigmoid", version: 13, [squeezed])[0]
    let gated = builder.node("Mul", version: 14, [active, gate])[0]
    let shifted = builder.node("Add", version: 14, [constant([1, 32, 1, 1]), gated])[0]
    let narrow = builder.node("Conv", version: 22, [shifted, constant([6, 32, 1, 1])])[0]
    let pooled = builder.node("GlobalAveragePool", version: 22, [narrow])[0]
    let flat = builder.node("Flatten", version: 25, [pooled])[0]
    let scores = builder.node("Gemm", version: 13, [flat, constant([6, 7]), constant([7])])[0]
    builder.output(narrow, scores)
    return builder.definition
  }

  @Test(arguments: [1, 2]) func aBatchGivesTheBitsOfItsImages(threads: Int) throws {
    var random = SeededGenerator(seed: 41)
    let definition = Self.network(&random)
    let images = (0..<5).map { _ in random.floats(4 * 40 * 40) }
    let alone = try images.map { try runOnce(definition, [TestTensor($0, [1, 4, 40, 40])]) }
    for level in [Int32(0), nil] {
      let together = try runOnce(
        definition, [TestTensor(images.flatMap { $0 }, [5, 4, 40, 40])], level: level, threads: threads)
      for port in 0..<2 {
        #expect(together[port].shape == [5] + alone[0][port].shape.dropFirst())
        #expect(together[port].bytes == alone.flatMap { $0[port].bytes })
      }
    }
  }

  @Test func memoryIsThatOfOneImage() throws {
    var random = SeededGenerator(seed: 42)
    let model = try Model(definition: Self.network(&random))
    let one = try model.memoryRequirements(shapes: [[1, 4, 40, 40]], threads: 1)
    let six = try model.memoryRequirements(shapes: [[6, 4, 40, 40]], threads: 1)
    #expect(six.arenaBytes == one.arenaBytes && six.portBytes > 5 * one.portBytes)
    // All of it stays in a second-level cache.
    let two = try model.memoryRequirements(shapes: [[2, 4, 40, 40]], threads: 1)
    #expect(two.arenaBytes > one.arenaBytes)
  }

  @Test func buffersOfTheCallersAndProgressAreThoseOfTheBatch() throws {
    var random = SeededGenerator(seed: 43)
    let model = try Model(definition: Self.network(&random))
    var options = SessionOptions()
    var seen: [Int64] = [0, 0, 0]  // calls, steps done, steps
    options.progress = { user, done, steps in
      let seen = user?.assumingMemoryBound(to: Int64.self)
      seen?[0] += 1
      seen?[1] = done
      seen?[2] = steps
    }
    let x = random.floats(6 * 4 * 40 * 40)
    var bound = Array(repeating: Float(0), count: 6 * 7)
    try seen.withUnsafeMutableBytes { seen in
      options.progressUser = seen.baseAddress
      let session = try Session(model: model, options: options)
      try session.prepare([[6, 4, 40, 40]])
      let expected = try run(session, [TestTensor(x, [6, 4, 40, 40])])[1].floats
      for _ in 0..<2 {
        try x.withUnsafeBytes { input in
          try bound.withUnsafeMutableBytes { output in
            output.initializeMemory(as: UInt8.self, repeating: 0)
            guard let source = input.baseAddress, let target = output.baseAddress else { return }
            try session.bindInput(0, source, byteCount: input.count)
            try session.bindOutput(1, target, capacity: output.count)
            try session.run()
          }
        }
        #expect(bound == expected)
      }
      let counts = seen.bindMemory(to: Int64.self)
      #expect(Int(counts[2]) == session.stepCount && counts[1] == counts[2] && counts[0] == 3 * counts[2])
    }
  }

  /// What mixes images is planned for all of them.
  @Test func meansOverABatchStayMeansOverABatch() throws {
    var random = SeededGenerator(seed: 44)
    var builder = ModelBuilder()
    let n = builder.symbol("N", minimum: 1)
    let x = builder.input("x", Shape([n, .known(70_000)]))
    let mean = builder.node("ReduceMean", version: 18, [x, builder.constant([0] as [Int64])])[0]
    builder.output(builder.node("Sub", version: 14, [x, mean])[0])
    let values = random.floats(4 * 70_000)
    let y = try runOnce(builder.definition, [TestTensor(values, [4, 70_000])])[0].floats
    let column = (0..<4).map { values[$0 * 70_000 + 123] }
    #expect(abs(y[123] - (column[0] - column.reduce(0, +) / 4)) < 1e-6)
  }
}
