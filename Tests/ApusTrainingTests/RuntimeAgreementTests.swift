import ApusFormat
import ApusGraph
import ApusRuntime
import Testing

@testable import ApusTraining

/// A module that is a closure over tensors that it holds.
private final class Formula: Module {
  let tensors: [Tensor]
  private let body: (Tensor, [Tensor]) throws(ApusError) -> Tensor

  init(_ tensors: [Tensor] = [], _ body: @escaping (Tensor, [Tensor]) throws(ApusError) -> Tensor) {
    self.tensors = tensors
    self.body = body
  }

  var members: [(name: String, member: ModuleMember)] { tensors.enumerated().map { ("\($0.offset)", .tensor($0.element)) } }

  func callAsFunction(_ input: Tensor) throws(ApusError) -> Tensor { try body(input, tensors) }
}

/// One definition: what training computes is what the runtime computes from the traced graph.
@Suite struct RuntimeAgreementTests {
  /// Runs a module and its traced graph on batches of several sizes and compares them.
  private func check(
    _ module: any Module, inputShape: [Int], seed: UInt64 = 1, tolerance: Float = 1e-4,
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    var generator = RandomGenerator(seed: seed, stream: RandomGenerator.Stream(60))
    let context = try Context(threads: 2)
    // Batch normalization gets running statistics that are not 0 and 1.
    for batch in [6, 4] {
      let shape = [batch] + inputShape
      let values = (0..<shape.reduce(1, *)).map { _ in 4 * generator.nextUniform() - 1 }
      try context.with(training: true, gradients: false) { () throws(ApusError) in
        _ = try module(try Tensor(values, shape: shape, context: context))
      }
    }
    let definition = try module.traced(inputShape: inputShape, in: context)
    let model = try Model(definition: definition)
    let session = try Session(model: model)
    for batch in [1, 2, 5] {
      let shape = [batch] + inputShape
      let values = (0..<shape.reduce(1, *)).map { _ in 2 * generator.nextUniform() - 1 }
      let expected = try module(try Tensor(values, shape: shape, context: context))
      try session.prepare([shape])
      let input = try session.inputBuffer(0)
      values.withUnsafeBytes { input.copyMemory(from: $0) }
      try session.run()
      #expect(try session.outputShape(0) == expected.shape, sourceLocation: sourceLocation)
      let output = try session.outputBuffer(0)
      let actual = (0..<output.count / 4).map { output.loadUnaligned(fromByteOffset: $0 * 4, as: Float.self) }
      #expect(actual.count == expected.count, sourceLocation: sourceLocation)
      for (index, (a, b)) in zip(actual, expected.values).enumerated() {
        #expect(
          abs(a - b) <= tolerance * max(1, abs(b)), "batch \(batch), element \(index), seed \(seed): \(a) and \(b)",
          sourceLocation: sourceLocation)
      }
    }
  }

  @Test func lenet() throws {
    var generator = RandomGenerator(seed: 1)
    try check(try LeNet5(using: &generator), inputShape: [1, 28, 28])
  }

  @Test func perceptron() throws {
    var generator = RandomGenerator(seed: 2)
    try check(try MultilayerPerceptron([35, 64, 17, 5], using: &generator), inputShape: [5, 7])
  }

  @Test func residualNetwork() throws {
    var generator = RandomGenerator(seed: 3)
    try check(try SmallResNet(channels: 3, using: &generator), inputShape: [3, 20, 17])
    try check(try SmallResNet(widths: [4, 8, 16], blocks: 2, stride: 2, using: &generator), inputShape: [1, 28, 28])
    #expect(throws: ApusError.self) { try SmallResNet(widths: [], using: &generator) }
    #expect(throws: ApusError.self) { try SmallResNet(blocks: 0, using: &generator) }
  }

  @Test func networkWithDropout() throws { try check(try SmallNetwork(seed: 4), inputShape: [1, 8, 8]) }

  @Test(arguments: [LSTM.Direction.forward, .reverse, .bidirectional])
  func lstm(_ direction: LSTM.Direction) throws {
    for output in [LSTM.Output.last, .sequence] {
      var generator = RandomGenerator(seed: 5)
      try check(
        try LSTM(6, hidden: 9, direction: direction, output: output, using: &generator), inputShape: [7, 6])
    }
  }

  @Test(arguments: [UInt64](0..<8))
  func convolutions(_ seed: UInt64) throws {
    var generator = RandomGenerator(seed: seed)
    let draw = { (range: ClosedRange<Int>, generator: inout RandomGenerator) in
      range.lowerBound + Int(generator.nextInteger(below: UInt32(range.count)))
    }
    let groups = [1, 2, 4, 1][Int(seed % 4)]
    let kernel = Pair(draw(1...3, &generator), draw(1...3, &generator))
    let module = try Conv2d(
      groups * draw(1...3, &generator), groups * draw(1...5, &generator), kernel: kernel,
      stride: Pair(draw(1...2, &generator), draw(1...2, &generator)),
      padding: Pair(draw(0...2, &generator), draw(0...2, &generator)),
      dilation: Pair(draw(1...2, &generator), draw(1...2, &generator)), groups: groups, bias: seed % 2 == 0, using: &generator)
    try check(module, inputShape: [module.weight.shape[1] * groups, 9, 11], seed: seed)
  }

  @Test func pooling() throws {
    let modules: [any Module] = [
      MaxPool2d(2), MaxPool2d(3, stride: 2, padding: 1), MaxPool2d(Pair(2, 3), stride: 1, dilation: 2), AveragePool2d(2),
      AveragePool2d(3, stride: 2, padding: 1), AveragePool2d(3, stride: 2, padding: 1, countsPadding: true), GlobalAveragePool(),
    ]
    for module in modules { try check(module, inputShape: [3, 9, 10]) }
  }

  @Test func elementwise() throws {
    let modules: [any Module] = [ReLU(), LeakyReLU(slope: 0.3), Sigmoid(), Tanh(), Softmax(), try BatchNorm1d(37)]
    for module in modules { try check(module, inputShape: [37], tolerance: 1e-5) }
    try check(Formula { x, _ throws(ApusError) in try x.logSoftmax() }, inputShape: [3, 20], tolerance: 1e-5)
  }

  @Test func arithmeticAndLayout() throws {
    let row = try Tensor([0.5, 2, -3], shape: [3])
    let column = try Tensor([1.5, -2], shape: [2, 1])
    try check(
      Formula([row, column]) { x, t throws(ApusError) in try (x + t[0]) * t[1] - x / t[0] }, inputShape: [2, 3], tolerance: 1e-5)
    try check(
      Formula { x, _ throws(ApusError) in try x.transposed([0, 3, 1, 2]).reshaped([0, -1, 6]) }, inputShape: [3, 2, 5],
      tolerance: 0)
  }
}
