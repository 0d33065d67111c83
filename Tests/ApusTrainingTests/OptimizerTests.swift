import ApusGraph
import Glibc
import Testing

@testable import ApusTraining

/// A module that is one parameter.
private final class Weights: Module {
  let w: Tensor

  init(_ values: [Float]) throws(ApusError) { w = try Tensor(values, shape: [values.count], requiresGradient: true) }

  func callAsFunction(_ input: Tensor) throws(ApusError) -> Tensor { try input * w }
}

@Suite struct OptimizerTests {
  private static let initial: [Float] = [1, -2, 0.5, 3]
  private static let gradients: [[Float]] = [[0.5, -1, 0, 2], [0.25, 1, -0.5, 0], [-1, 0.5, 2, -0.25]]

  /// Runs three steps with the given gradients, and the same rule in float64.
  private func check(
    _ make: (Weights) throws(ApusError) -> Optimizer, sourceLocation: SourceLocation = #_sourceLocation,
    rule: (_ w: inout Double, _ slots: inout [Double], _ g: Double, _ step: Double) -> Void
  ) throws {
    let module = try Weights(Self.initial)
    let context = try Context(threads: 1)
    let optimizer = try make(module)
    var expected = Self.initial.map { Double($0) }
    var slots = [[Double]](repeating: [0, 0], count: expected.count)
    for (step, gradient) in Self.gradients.enumerated() {
      module.w.gradient = try Tensor(gradient, shape: [4])
      optimizer.step(in: context)
      for i in expected.indices { rule(&expected[i], &slots[i], Double(gradient[i]), Double(step + 1)) }
      for (value, wanted) in zip(module.w.values, expected) {
        #expect(abs(Double(value) - wanted) < 2e-6, "step \(step + 1)", sourceLocation: sourceLocation)
      }
    }
    #expect(optimizer.stepCount == 3)
  }

  @Test func plainDescent() throws {
    try check { w throws(ApusError) in
      try SGD(w, learningRate: 0.1)
    } rule: { w, _, g, _ in
      w -= 0.1 * g
    }
  }

  @Test func momentumWithDecay() throws {
    try check { w throws(ApusError) in
      try SGD(w, learningRate: 0.1, momentum: 0.9, weightDecay: 0.01)
    } rule: { w, slots, g, _ in
      slots[0] = 0.9 * slots[0] + g + 0.01 * w
      w -= 0.1 * slots[0]
    }
  }

  @Test func nesterovLooksAhead() throws {
    try check { w throws(ApusError) in
      try SGD(w, learningRate: 0.1, momentum: 0.9, nesterov: true)
    } rule: { w, slots, g, _ in
      slots[0] = 0.9 * slots[0] + g
      w -= 0.1 * (g + 0.9 * slots[0])
    }
  }

  @Test(arguments: [true, false])
  func adamWithCoupledAndDecoupledDecay(_ isDecoupled: Bool) throws {
    try check { w throws(ApusError) in
      isDecoupled
        ? try AdamW(w, learningRate: 0.01, weightDecay: 0.1) : try Adam(w, learningRate: 0.01, weightDecay: 0.1)
    } rule: { w, slots, g, step in
      let gradient = isDecoupled ? g : g + 0.1 * w
      slots[0] = 0.9 * slots[0] + 0.1 * gradient
      slots[1] = 0.999 * slots[1] + 0.001 * gradient * gradient
      let mean = slots[0] / (1 - pow(0.9, step))
      let square = slots[1] / (1 - pow(0.999, step))
      if isDecoupled { w -= 0.01 * 0.1 * w }
      w -= 0.01 * mean / (square.squareRoot() + 1e-8)
    }
  }

  @Test func frozenParametersStay() throws {
    let module = try Weights([1, 2])
    module.w.requiresGradient = false
    #expect(throws: ApusError.self) { try SGD(module, learningRate: 0.1) }
  }

  @Test func settingsOutOfRangeAreRefused() throws {
    let module = try Weights([1])
    #expect(throws: ApusError.self) { try SGD(module, learningRate: -1) }
    #expect(throws: ApusError.self) { try SGD(module, learningRate: .nan) }
    #expect(throws: ApusError.self) { try SGD(module, learningRate: 1, momentum: 1) }
    #expect(throws: ApusError.self) { try SGD(module, learningRate: 1, nesterov: true) }
    #expect(throws: ApusError.self) { try SGD(module, learningRate: 1, weightDecay: -0.1) }
    #expect(throws: ApusError.self) { try Adam(module, beta2: 1) }
    #expect(throws: ApusError.self) { try Adam(module, epsilon: 0) }
  }

  @Test func schedulesFollowTheirFormulas() {
    #expect(LearningRateSchedule.constant(0.3).rate(step: 5, of: 9, epoch: 2) == 0.3)
    let stepped = LearningRateSchedule.stepped(rate: 1, factor: 0.5, every: 2)
    #expect((0..<5).map { stepped.rate(step: 0, of: 1, epoch: $0) } == [1, 1, 0.5, 0.5, 0.25])
    let cosine = LearningRateSchedule.cosine(rate: 2, final: 1, warmup: 4)
    #expect(cosine.rate(step: 0, of: 104, epoch: 0) == 0.5)
    #expect(cosine.rate(step: 3, of: 104, epoch: 0) == 2)
    #expect(cosine.rate(step: 4, of: 104, epoch: 0) == 2)
    #expect(abs(cosine.rate(step: 54, of: 104, epoch: 0) - 1.5) < 1e-6)
    #expect(cosine.rate(step: 104, of: 104, epoch: 0) == 1)
  }
}
