import ApusGraph

extension Tensor {
  /// Computes the gradients of this scalar by every leaf that requires one, and adds them to the leaves' `gradient`.
  ///
  /// The record of the computation is used up: a second call needs a second forward pass.
  ///
  /// - Throws: `shapeMismatch` where this is no scalar, `invalidArgument` where nothing was recorded.
  public func backward() throws(ApusError) {
    guard count == 1 else {
      throw ApusError(.shapeMismatch, "gradients flow back from a scalar", actual: "the shape \(shape)")
    }
    guard let origin, !origin.application.isConsumed else {
      throw ApusError(.invalidArgument, "no recorded computation leads here, or its gradients were taken already")
    }
    var reached = Self.applications(leadingTo: origin.application)
    reached.sort { $0.sequenceNumber > $1.sequenceNumber }
    for application in reached {
      application.outputGradients = [Storage?](repeating: nil, count: application.outputShapes.count)
    }
    origin.application.outputGradients[origin.output] = Storage(count: 1, filledWith: 1, cache: context?.buffers)

    for application in reached {
      // Nothing flows into an application none of whose outputs mattered.
      if application.outputGradients.contains(where: { $0 != nil }) {
        let gradients = application.definition.backward(application)
        for (index, gradient) in gradients.enumerated() {
          guard let gradient, let tensor = application.inputs[index].tensor, tensor.requiresGradient else { continue }
          if let (source, output) = tensor.origin {
            source.outputGradients[output] = Self.sum(source.outputGradients[output], gradient, application.context)
          } else {
            let storage = Self.sum(tensor.gradient?.storage, gradient, application.context)
            tensor.gradient = Tensor(shape: tensor.shape, storage: storage, context: application.context)
          }
        }
      }
      application.consume()
    }
  }

  /// Every application that the one given depends on, itself included. A loop instead of recursion: depth is no limit.
  private static func applications(leadingTo last: Application) -> [Application] {
    var found: [Application] = []
    var seen: Set<ObjectIdentifier> = []
    var pending = [last]
    while let application = pending.popLast() {
      guard seen.insert(ObjectIdentifier(application)).inserted else { continue }
      found.append(application)
      for input in application.inputs {
        if let source = input.tensor?.origin?.application { pending.append(source) }
      }
    }
    return found
  }

  /// `former + gradient` in memory that nobody else reads: a backward may hand the same storage to two inputs.
  private static func sum(_ former: Storage?, _ gradient: Storage, _ context: Context) -> Storage {
    guard let former else { return gradient }
    let total = Storage(count: gradient.count, cache: context.buffers)
    let (a, b, c) = (former.pointer, gradient.pointer, total.pointer)
    context.pool.forEachRange(of: gradient.count, grain: Context.elementwiseGrain) { range in
      for i in range { c[i] = a[i] + b[i] }
    }
    return total
  }
}

extension Context {
  /// Elements that one thread does in about ten microseconds in a loop that memory limits.
  static let elementwiseGrain = 16384
}
