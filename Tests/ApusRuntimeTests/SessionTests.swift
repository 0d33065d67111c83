import ApusFormat
import ApusGraph
import CApusPlatform
import Foundation
import Testing

import ApusRuntime

/// What sessions promise: shapes, buffers, states, errors, cancelling.
@Suite struct SessionTests {
  /// y = x w + b over a batch of any size.
  static func linear(
    _ random: inout SeededGenerator, symbol: (inout ModelBuilder) -> ApusGraph.Dimension = { $0.symbol("N", minimum: 1) }
  ) -> ModelDefinition {
    var builder = ModelBuilder()
    let n = symbol(&builder)
    let x = builder.input("x", Shape([n, .known(6)]))
    let operands = [x, builder.constant(random.floats(24), [6, 4], "w"), builder.constant(random.floats(4), [4], "b")]
    builder.output(builder.node("Gemm", version: 13, operands)[0])
    return builder.definition
  }

  func expectError(
    _ status: ApusError.Status, location: SourceLocation = #_sourceLocation, _ body: () throws -> Void
  ) -> ApusError? {
    do {
      try body()
      Issue.record("no error", sourceLocation: location)
    } catch let error as ApusError {
      #expect(error.status == status, "\(error)", sourceLocation: location)
      return error
    } catch { Issue.record("another error: \(error)", sourceLocation: location) }
    return nil
  }

  @Test func batchSizeIsChosenAtPrepare() throws {
    var random = SeededGenerator(seed: 1)
    let definition = Self.linear(&random)
    let model = try Model(definition: definition)
    let session = try Session(model: model)
    let rows = random.floats(60)
    var single: [Float] = []
    try session.prepare([[1, 6]])
    for row in 0..<10 { single += try run(session, [TestTensor(Array(rows[row * 6..<row * 6 + 6]), [1, 6])])[0].floats }
    try session.prepare([[10, 6]])
    #expect(try session.outputShape(0) == [10, 4])
    #expect(try run(session, [TestTensor(rows, [10, 6])])[0].floats == single)
    try session.prepare([[3, 6]])
    #expect(try run(session, [TestTensor(Array(rows[..<18]), [3, 6])])[0].floats == Array(single[..<12]))
  }

  @Test func wrongShapesAreNamed() throws {
    var random = SeededGenerator(seed: 2)
    let definition = Self.linear(&random) { $0.symbol("N", minimum: 2, maximum: 8, multiple: 2) }
    let session = try Session(model: Model(definition: definition))
    let error = expectError(.shapeMismatch) { try session.prepare([[2, 7]]) }
    #expect(error?.tensorName == "x")
    #expect(error?.expected == "[N, 6]")
    #expect(error?.actual == "[2, 7]")
    for batch in [1, 3, 10, -2] { _ = expectError(.shapeMismatch) { try session.prepare([[batch, 6]]) } }
    _ = expectError(.shapeMismatch) { try session.prepare([[6]]) }
    _ = expectError(.invalidArgument) { try session.prepare([]) }
    _ = expectError(.shapeMismatch) { try session.prepare([[Int.max, 6]]) }
    try session.prepare([[8, 6]])
  }

  @Test func equalSymbolsMustBeEqual() throws {
    var builder = ModelBuilder()
    let n = builder.symbol("N")
    let operands = [builder.input("a", Shape([n])), builder.input("b", Shape([n]))]
    builder.output(builder.node("Add", version: 14, operands)[0])
    let session = try Session(model: Model(definition: builder.definition))
    let error = expectError(.shapeMismatch) { try session.prepare([[3], [4]]) }
    #expect(error?.tensorName == "b")
  }

  @Test func stateErrors() throws {
    var random = SeededGenerator(seed: 3)
    let session = try Session(model: Model(definition: Self.linear(&random)))
    _ = expectError(.notPrepared) { try session.run() }
    _ = expectError(.notPrepared) { _ = try session.inputBuffer(0) }
    try session.prepare([[2, 6]])
    _ = expectError(.indexOutOfRange) { _ = try session.inputBuffer(1) }
    _ = expectError(.indexOutOfRange) { _ = try session.outputBuffer(-1) }
    #expect(session.cancel() == false)
    try session.run()
  }

  @Test func boundBuffersAreUsedInPlace() throws {
    var random = SeededGenerator(seed: 4)
    let session = try Session(model: Model(definition: Self.linear(&random)))
    try session.prepare([[2, 6]])
    let rows = random.floats(12)
    let expected = try run(session, [TestTensor(rows, [2, 6])])[0].floats
    var output = Array(repeating: Float(-1), count: 9)
    try rows.withUnsafeBytes { input in
      try output.withUnsafeMutableBytes { result in
        try session.bindInput(0, input.baseAddress!, byteCount: input.count)
        try session.bindOutput(0, result.baseAddress!, capacity: result.count)
        try session.run()
        #expect(session.isInputBound(0) && session.isOutputBound(0))
        _ = expectError(.invalidArgument) { _ = try session.inputBuffer(0) }
        _ = expectError(.bufferTooSmall) { try session.bindInput(0, input.baseAddress!, byteCount: 47) }
        _ = expectError(.bufferTooSmall) { try session.bindOutput(0, result.baseAddress!, capacity: 31) }
        _ = expectError(.invalidArgument) { try session.bindInput(0, input.baseAddress! + 1, byteCount: 48) }
        // Large enough for one row, too small for three.
        try session.prepare([[1, 6]])
        #expect(session.isInputBound(0) && session.isOutputBound(0))
        try session.prepare([[3, 6]])
        #expect(!session.isInputBound(0) && !session.isOutputBound(0))
      }
    }
    #expect(Array(output[..<8]) == expected)
    #expect(output[8] == -1)
  }

  /// total' = total + x, with the total as the state.
  @Test func statesCarryOver() throws {
    var builder = ModelBuilder()
    let x = builder.input("x", [2])
    let total = builder.input("total", [2])
    let sum = builder.node("Add", version: 14, [x, total])[0]
    builder.output(sum)
    let initial = builder.tensor([100, 200] as [Float], [2], .float32)
    builder.definition.signatures = [
      Signature(
        name: "step", inputs: [x], outputs: [sum], states: [State(name: "s", input: total, output: sum, initial: initial)])
    ]
    let session = try Session(model: Model(definition: builder.definition))
    try session.prepare([[2], [2]])
    let step = [TestTensor([1, 2] as [Float], [2]), TestTensor([] as [Float], [2])]
    #expect(try run(session, step)[0].floats == [101, 202])
    #expect(try run(session, step)[0].floats == [102, 204])
    try session.reset()
    #expect(try run(session, step)[0].floats == [101, 202])
    _ = expectError(.invalidArgument) { _ = try session.inputBuffer(1) }
  }

  @Test func indexOutOfRangeNamesTheValue() throws {
    var builder = ModelBuilder()
    let data = builder.input("data", [4])
    let indices = builder.input("indices", [3], .int64)
    builder.output(builder.node("Gather", version: 13, [data, indices])[0])
    let session = try Session(model: Model(definition: builder.definition))
    try session.prepare([[4], [3]])
    let error = expectError(.valueOutOfRange) {
      _ = try run(session, [TestTensor([1, 2, 3, 4] as [Float], [4]), TestTensor([0, 4, 1] as [Int64], [3])])
    }
    #expect(error?.tensorName == "indices")
    #expect(error?.actual == "4")
    #expect(error?.expected == "-4 <= value < 4")
    #expect(error?.operatorName == "n0 (ai.onnx.Gather-13)")
    let good = try run(session, [TestTensor([1, 2, 3, 4] as [Float], [4]), TestTensor([0, 3, 1] as [Int64], [3])])
    #expect(good[0].floats == [1, 4, 2])
  }

  /// A model that takes a while: a chain of products.
  static func slow() -> ModelDefinition {
    var builder = ModelBuilder()
    let n = 256
    var value = builder.input("x", [n, n])
    let weights = builder.constant(Array(repeating: 1 / Float(n), count: n * n), [n, n], "w")
    for _ in 0..<400 { value = builder.node("MatMul", version: 13, [value, weights])[0] }
    builder.output(value)
    return builder.definition
  }

  @Test func deadlineStopsARun() throws {
    let session = try Session(model: Model(definition: Self.slow()))
    try session.prepare([[256, 256]])
    _ = expectError(.deadlineExceeded) { try session.run(timeout: 1) }
    try session.run(timeout: 1_000_000_000_000)
  }

  @Test func cancelStopsTheRunInFlightOnly() throws {
    let session = try Session(model: Model(definition: Self.slow()))
    try session.prepare([[256, 256]])
    #expect(session.cancel() == false)
    nonisolated(unsafe) let shared = session
    let thread = Thread {
      while !shared.cancel() {}
    }
    thread.start()
    _ = expectError(.cancelled) { while true { try session.run() } }
    try session.run()
  }

  @Test func limitsAreChecked() throws {
    var random = SeededGenerator(seed: 5)
    var options = LoadOptions()
    options.limits.elements = 100
    let session = try Session(model: Model(definition: Self.linear(&random), options: options))
    _ = expectError(.limitExceeded) { try session.prepare([[17, 6]]) }
    try session.prepare([[16, 6]])
    var tight = LoadOptions()
    tight.limits.memoryBytes = 4000
    let model = try Model(definition: Self.linear(&random), options: tight)
    let small = try Session(model: model)
    let error = expectError(.limitExceeded) { try small.prepare([[1000, 6]]) }
    #expect(error?.expected.contains("4000") == true)
    _ = expectError(.notPrepared) { try small.run() }
  }

  @Test func profileNamesNodes() throws {
    var random = SeededGenerator(seed: 6)
    var options = SessionOptions()
    options.profiles = true
    let session = try Session(model: Model(definition: Self.linear(&random)), options: options)
    try session.prepare([[4, 6]])
    try session.run()
    #expect(session.profile.map { $0.label } == ["n0 (ai.onnx.Gemm-13)"])
  }

  @Test func selfTestComparesWithStoredOutputs() throws {
    var random = SeededGenerator(seed: 7)
    var definition = Self.linear(&random)
    let x = TestTensor(random.floats(12), [2, 6])
    let y = try runOnce(definition, [x])[0]
    func tensor(_ test: TestTensor) -> ConstantTensor {
      ConstantTensor(elementType: .float32, dimensions: test.shape, storage: .inline(test.bytes))
    }
    var wrong = y.floats
    wrong[5] += 0.5
    definition.metadata.testVectors = [
      TestVector(
        name: "good", inputs: [.init(name: "x", tensor: tensor(x))], outputs: [.init(name: "v0.0", tensor: tensor(y))],
        absoluteTolerance: 1e-6, relativeTolerance: 0),
      TestVector(
        name: "bad", inputs: [.init(name: "x", tensor: tensor(x))],
        outputs: [.init(name: "v0.0", tensor: tensor(TestTensor(wrong, [2, 4])))], absoluteTolerance: 1e-6, relativeTolerance: 0),
    ]
    let report = try Model(definition: definition).selfTest()
    #expect(report.outputs.map { $0.failures } == [0, 1])
    #expect(!report.passed)
    #expect(abs(report.maximumAbsoluteError - 0.5) < 1e-6)
  }
}

/// Models that a hostile file could hold: each gets a status.
@Suite struct HostileModelTests {
  @Test func ranksDoNotGrowWithoutBound() throws {
    var builder = ModelBuilder()
    var value = builder.input("i", [1, 1, 1, 1], .int64)
    for _ in 0..<200 { value = builder.node("Gather", version: 13, [value, value])[0] }
    builder.output(value)
    #expect(throws: ApusError.self) { try Model(definition: builder.definition) }
  }

  @Test func extentsBesideAZeroAreHarmless() throws {
    var builder = ModelBuilder()
    let a = builder.input("a", [1 << 38, 2, 0])
    let b = builder.input("b", [1, 0, 3])
    let wide = builder.input("w", [1 << 39, 0])
    builder.output(
      builder.node("MatMul", version: 13, [builder.node("Relu", version: 14, [wide])[0], builder.input("c", [0, 0])])[0],
      builder.node("ReduceSum", version: 13, [wide, builder.constant([0])])[0])
    _ = (a, b)
    let session = try Session(model: Model(definition: builder.definition))
    try session.prepare([[1 << 38, 2, 0], [1, 0, 3], [1 << 39, 0], [0, 0]])
    try session.run()
  }

  @Test func theLengthOfAShapeIsNotTrusted() throws {
    var builder = ModelBuilder()
    let shape = builder.input("shape", [1 << 39], .int64)
    builder.output(builder.node("Reshape", version: 21, [builder.input("x", [4]), shape])[0])
    let session = try Session(model: Model(definition: builder.definition))
    #expect(throws: ApusError.self) { try session.prepare([[1 << 39], [4]]) }
  }
}
