import ApusFormat
import ApusGraph
import Testing

@testable import ApusRuntime

/// Models whose shapes depend on data, whose operands are other types than kernels have, and whose nodes are run on the host.
@Suite struct StageTests {
  /// y = reshape(x + x, shape) with a shape that is fed.
  private func reshaping() -> ModelDefinition {
    var builder = ModelBuilder()
    let n = builder.symbol("N", minimum: 0)
    let x = builder.input("x", Shape([n]))
    let shape = builder.input("shape", [2], .int64)
    let sum = builder.node("Add", version: 14, [x, x])[0]
    let reshaped = builder.node("Reshape", version: 21, [sum, shape], type: TensorType(.float32, nil))[0]
    builder.output(builder.node("Relu", version: 14, [reshaped])[0])
    return builder.definition
  }

  @Test func aFedShapeIsFollowed() throws {
    let session = try Session(model: Model(definition: reshaping()))
    try session.prepare([[6], [2]])
    #expect(!session.isPlanned)
    for (rows, columns) in [(2, 3), (3, 2), (6, 1), (2, 3)] {
      let results = try run(
        session, [TestTensor([1, -2, 3, -4, 5, -6] as [Float], [6]), TestTensor([Int64(rows), Int64(columns)], [2])])
      #expect(results[0] == TestTensor([2, 0, 6, 0, 10, 0] as [Float], [rows, columns]))
    }
    do {
      _ = try run(session, [TestTensor(Array(repeating: Float(1), count: 6), [6]), TestTensor([4, 2] as [Int64], [2])])
      Issue.record("a shape of another size was taken")
    } catch { #expect(error is ApusError && "\(error)".contains("Reshape")) }
  }

  @Test func outputsThatDependOnDataHaveAShapeAfterTheRun() throws {
    let session = try Session(model: Model(definition: reshaping()))
    try session.prepare([[6], [2]])
    #expect(throws: ApusError.self) { try session.outputShape(0) }
    var room = [Float](repeating: 7, count: 5)
    try room.withUnsafeMutableBytes { bytes in
      guard let start = bytes.baseAddress else { return }
      try session.bindOutput(0, start, capacity: bytes.count)
      do {
        _ = try run(session, [TestTensor(Array(repeating: Float(1), count: 6), [6]), TestTensor([3, 2] as [Int64], [2])])
        Issue.record("24 bytes were stored in 20")
      } catch { #expect((error as? ApusError)?.status == .bufferTooSmall) }
    }
    #expect(room == Array(repeating: 7, count: 5))
  }

  /// Shapes computed from the input's shape are known before the run: one plan, no stage.
  @Test func shapeComputationsAreDoneWhilePlanning() throws {
    var builder = ModelBuilder()
    let n = builder.symbol("N", minimum: 1)
    let x = builder.input("x", Shape([n, .known(4)]))
    let constant = builder.constant([2, 2] as [Int64])
    let flat = builder.node("Concat", version: 13, [builder.constant([-1] as [Int64]), constant], [Attribute("axis", .int(0))])[0]
    builder.output(builder.node("Reshape", version: 21, [x, flat])[0])
    let session = try Session(model: Model(definition: builder.definition))
    try session.prepare([[3, 4]])
    #expect(session.isPlanned)
    #expect(try session.outputShape(0) == [3, 2, 2])
  }

  /// Ten shapes, twice: the second round finds all plans, and takes no memory.
  @Test func shapesSeenAgainTakeNoMemory() throws {
    var random = SeededGenerator(seed: 11)
    let session = try Session(model: Model(definition: SessionTests.linear(&random)))
    var first: [[TestTensor]] = []
    for batch in 1...10 {
      try session.prepare([[batch, 6]])
      first.append(try run(session, [TestTensor(SeededGenerator.floats(seed: UInt64(batch), batch * 6), [batch, 6])]))
    }
    let memory = session.model.memory.bytesInUse
    for batch in (1...10).reversed() {
      try session.prepare([[batch, 6]])
      let again = try run(session, [TestTensor(SeededGenerator.floats(seed: UInt64(batch), batch * 6), [batch, 6])])
      #expect(again == first[batch - 1])
      #expect(session.model.memory.bytesInUse == memory)
    }
  }

  /// Half precision is computed in float32 and rounded once; a constant of it is widened once a model.
  @Test func halfPrecisionIsWidened() throws {
    var builder = ModelBuilder()
    let x = builder.input("x", [2], .float16)
    let weights = builder.tensor([0x3C00, 0x4000] as [UInt16], [2, 1], .float16)
    let w = builder.value("w", constant: weights)
    let sum = builder.node("Sigmoid", version: 13, [x])[0]
    let row = builder.node("Reshape", version: 21, [sum, builder.constant([1, 2] as [Int64])])[0]
    builder.output(builder.node("MatMul", version: 13, [row, w])[0])
    let result = try runOnce(builder.definition, [TestTensor([0, 0] as [UInt16], [2])])[0]
    // sigmoid(0) (1 + 2) = 1.5
    #expect(result == TestTensor([0x3E00] as [UInt16], [1, 1]))
  }
}

extension SeededGenerator {
  static func floats(seed: UInt64, _ count: Int) -> [Float] {
    var random = SeededGenerator(seed: seed)
    return random.floats(count)
  }
}
