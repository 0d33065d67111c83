import ApusGraph
import Glibc
import Testing

@testable import ApusTraining

@Suite struct ElementwiseGradientTests {
  /// Shapes that are equal, that stretch on either side, and scalars.
  static let shapes: [([Int], [Int])] = [
    ([2, 3], [2, 3]), ([2, 3, 4], [4]), ([5], [3, 5]), ([2, 1, 3], [1, 4, 1]), ([], [2, 2]), ([1], [7]), ([0, 3], [3]),
  ]

  @Test(arguments: shapes.indices)
  func arithmeticBroadcastsAndDifferentiates(_ index: Int) throws {
    var generator = RandomGenerator(seed: UInt64(index))
    let a = Reference(random: Self.shapes[index].0, in: 0.5...2, &generator)
    let b = Reference(random: Self.shapes[index].1, in: 0.5...2, &generator)
    // The mean of nothing has no gradient to compare.
    guard !a.values.isEmpty else {
      let context = try Context(threads: 1)
      #expect(try (a.tensor(in: context) + b.tensor(in: context)).shape == [0, 3])
      return
    }
    let seed = UInt64(index)
    try checkGradients(of: [a, b], seed: seed, reference: { $0[0].broadcast(with: $0[1], +) }) { try $0[0] + $0[1] }
    try checkGradients(of: [a, b], seed: seed, reference: { $0[0].broadcast(with: $0[1], -) }) { try $0[0] - $0[1] }
    try checkGradients(of: [a, b], seed: seed, reference: { $0[0].broadcast(with: $0[1], *) }) { try $0[0] * $0[1] }
    try checkGradients(of: [a, b], seed: seed, reference: { $0[0].broadcast(with: $0[1], /) }) { try $0[0] / $0[1] }
  }

  @Test func shapesThatDoNotGoTogetherAreRefused() throws {
    let context = try Context(threads: 1)
    let a = try Tensor(repeating: 1, shape: [2, 3], context: context)
    let b = try Tensor(repeating: 1, shape: [2, 4], context: context)
    #expect(throws: ApusError.self) { try a + b }
  }

  @Test(arguments: [UInt64](0..<3))
  func activationsDifferentiate(_ seed: UInt64) throws {
    var generator = RandomGenerator(seed: seed)
    let x = [Reference(random: [3, 37], in: -4...4, &generator)]
    try checkGradients(of: x, seed: seed, reference: { $0[0].map { max($0, 0) } }) { try $0[0].relu() }
    try checkGradients(of: x, seed: seed, reference: { $0[0].map { 1 / (1 + exp(-$0)) } }) { try $0[0].sigmoid() }
    try checkGradients(of: x, seed: seed, reference: { $0[0].map { Glibc.tanh($0) } }) { try $0[0].tanh() }
    try checkGradients(of: x, seed: seed, reference: { $0[0].map { $0 < 0 ? 0.2 * $0 : $0 } }) {
      try LeakyReLU(slope: 0.2)($0[0])
    }
  }

  @Test func sigmoidSurvivesExtremes() throws {
    let context = try Context(threads: 1)
    let y = try Tensor([-1000, 1000, -.infinity, .infinity], shape: [4], context: context).sigmoid().values
    #expect(y == [0, 1, 0, 1])
  }

  @Test(arguments: [UInt64](0..<3))
  func softmaxesDifferentiate(_ seed: UInt64) throws {
    var generator = RandomGenerator(seed: seed)
    let x = [Reference(random: [4, 1 + Int(seed) * 5], in: -3...3, &generator)]
    try checkGradients(of: x, seed: seed, reference: { $0[0].logSoftmax() }) { try $0[0].logSoftmax() }
    try checkGradients(of: x, seed: seed, reference: { $0[0].logSoftmax().map { exp($0) } }) { try $0[0].softmax() }
  }

  @Test(arguments: [Float(0), 0.1])
  func crossEntropyDifferentiates(_ smoothing: Float) throws {
    var generator = RandomGenerator(seed: 5)
    let x = [Reference(random: [6, 4], in: -5...5, &generator)]
    let classes: [Int64] = [0, 3, 1, 2, 2, 0]
    let s = Double(smoothing)
    let loss = try CrossEntropyLoss(labelSmoothing: smoothing)
    try checkGradients(of: x, seed: 5) { inputs in
      let logs = inputs[0].logSoftmax().values
      var sum = 0.0
      for (row, label) in classes.enumerated() {
        let values: Double = logs[row * 4..<(row + 1) * 4].reduce(0, +)
        sum -= (1 - s) * logs[row * 4 + Int(label)]
        sum -= s / 4 * values
      }
      return Reference([sum / 6], [])
    } _: {
      try loss($0[0], .classes(classes))
    }
  }

  @Test func crossEntropyOfLargeScoresIsFinite() throws {
    let context = try Context(threads: 1)
    let scores = try Tensor([1e4, -1e4, 0], shape: [1, 3], context: context)
    #expect(try CrossEntropyLoss()(scores, .classes([0])).item() == 0)
    #expect(try CrossEntropyLoss()(scores, .classes([1])).item() == 2e4)
    for bad: [Int64] in [[3], [-1], [0, 0]] {
      #expect(throws: ApusError.self) { try CrossEntropyLoss()(scores, .classes(bad)) }
    }
    #expect(throws: ApusError.self) { try CrossEntropyLoss(labelSmoothing: 1) }
    #expect(throws: ApusError.self) { try MeanSquaredErrorLoss()(scores, .classes([0])) }
  }

  @Test func squaredErrorDifferentiates() throws {
    var generator = RandomGenerator(seed: 8)
    let inputs = [Reference(random: [3, 4], &generator), Reference(random: [3, 4], &generator)]
    try checkGradients(of: inputs, seed: 8) { inputs in
      let differences = inputs[0].broadcast(with: inputs[1], -).values
      let squares: Double = differences.reduce(0) { (sum: Double, d: Double) in sum + d * d }
      return Reference([squares / 12], [])
    } _: {
      try MeanSquaredErrorLoss()($0[0], .values($0[1]))
    }
  }

  @Test func layoutOperatorsDifferentiate() throws {
    var generator = RandomGenerator(seed: 9)
    let x = [Reference(random: [2, 3, 4, 5], &generator)]
    try checkGradients(of: x, seed: 9, reference: { Reference($0[0].values, [2, 60]) }) { try $0[0].flattened() }
    try checkGradients(of: x, seed: 9, reference: { Reference($0[0].values, [2, 12, 5]) }) { try $0[0].reshaped([0, -1, 5]) }
    for order in [[3, 2, 1, 0], [0, 2, 3, 1], [1, 0, 2, 3]] {
      try checkGradients(of: x, seed: 9, reference: { $0[0].transposed(order) }) { try $0[0].transposed(order) }
    }
    let context = try Context(threads: 1)
    let tensor = try x[0].tensor(in: context)
    #expect(throws: ApusError.self) { try tensor.reshaped([7, -1]) }
    #expect(throws: ApusError.self) { try tensor.transposed([0, 0, 1, 2]) }
    #expect(throws: ApusError.self) { try tensor.flattened(from: 5) }
  }

  @Test func aTensorUsedTwiceGetsBothGradients() throws {
    let context = try Context(threads: 1)
    context.recordsGradients = true
    let x = try Tensor([3], shape: [1], context: context, requiresGradient: true)
    // y = x^2 + x, through a value that branches: dy/dx = 2x + 1.
    let y = try x * x + x
    try y.mean().backward()
    #expect(x.gradient?.values == [7])
    // Gradients add up until they are cleared; a record is used once.
    try (x * x).mean().backward()
    #expect(x.gradient?.values == [13])
    let z = try (x * x).mean()
    try z.backward()
    #expect(throws: ApusError.self) { try z.backward() }
  }

  @Test func nothingIsRecordedWithoutNeed() throws {
    let context = try Context(threads: 1)
    let x = try Tensor([3], shape: [1], context: context, requiresGradient: true)
    #expect(try (x * x).origin == nil)
    context.recordsGradients = true
    #expect(try (x.detached() * x.detached()).origin == nil)
    #expect(throws: ApusError.self) { try x.backward() }
  }
}
