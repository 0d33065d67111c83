import ApusGraph

/// Changes parameters by their gradients. Its slots are tensors it keeps for each parameter (momentum, ...).
public class Optimizer {
  public let parameters: [(name: String, tensor: Tensor)]
  /// The rate of the next step; a schedule sets it before each.
  public var learningRate: Float
  /// Steps done.
  public internal(set) var stepCount = 0
  /// By slot and parameter; made at the first step that needs them.
  var slots: [(name: String, tensors: [Tensor])]

  init(_ module: some Module, learningRate: Float, slots: [String]) throws(ApusError) {
    parameters = module.parameters
    guard !parameters.isEmpty else { throw ApusError(.invalidArgument, "the module has no parameters to train") }
    guard learningRate >= 0, learningRate.isFinite else {
      throw ApusError(.invalidArgument, "the learning rate must be at least 0", actual: "\(learningRate)")
    }
    self.learningRate = learningRate
    self.slots = []
    for slot in slots {
      var tensors: [Tensor] = []
      for (_, parameter) in parameters { tensors.append(try Tensor(repeating: 0, shape: parameter.shape)) }
      self.slots.append((slot, tensors))
    }
  }

  /// Name and settings, but for the learning rate: a checkpoint is only resumed with the same.
  public var settings: [(name: String, value: String)] { [] }

  /// Forgets the gradients of the last step.
  public func clearGradients() {
    for (_, parameter) in parameters { parameter.gradient = nil }
  }

  /// Changes every parameter that has a gradient, elementwise and over the pool of `context`.
  public func step(in context: Context) {
    stepCount += 1
    for (index, (_, parameter)) in parameters.enumerated() {
      guard let gradient = parameter.gradient else { continue }
      let pointers = slots.map { $0.tensors[index].storage.pointer }
      context.pool.forEachRange(of: parameter.count, grain: Context.elementwiseGrain) { range in
        update(parameter.storage.pointer, by: gradient.storage.pointer, pointers, range)
      }
    }
  }

  /// The rule: changes `parameter` and the slots' elements in `range`.
  func update(
    _ parameter: UnsafeMutablePointer<Float>, by gradient: UnsafePointer<Float>, _ slots: [UnsafeMutablePointer<Float>],
    _ range: Range<Int>
  ) {
    preconditionFailure("each optimizer has a rule of its own")
  }

  /// A coefficient that must lie in 0 ..< 1.
  static func checked(_ value: Float, _ name: String) throws(ApusError) -> Float {
    guard value >= 0, value < 1 else {
      throw ApusError(.invalidArgument, "\(name) is out of range", expected: "0 ..< 1", actual: "\(value)")
    }
    return value
  }

  static func checkedDecay(_ value: Float) throws(ApusError) -> Float {
    guard value >= 0, value.isFinite else {
      throw ApusError(.invalidArgument, "the weight decay must be at least 0", actual: "\(value)")
    }
    return value
  }
}
