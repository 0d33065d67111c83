import ApusGraph

/// How well predictions match their targets.
public struct Evaluation: Sendable {
  /// The mean over the examples.
  public var loss: Double
  /// The share of examples whose largest score is that of their class; nil where targets are not classes.
  public var accuracy: Double?
  public var examples: Int
}

/// Sums over batches that become an `Evaluation`.
struct EvaluationSums: Equatable {
  var loss: Double = 0
  var correct = 0
  var classified = 0
  var examples = 0

  /// - Parameter loss: the mean of the batch.
  mutating func add(loss: Float, _ prediction: Tensor, _ target: Target) {
    let count = prediction.shape.first ?? 0
    self.loss += Double(loss) * Double(count)
    examples += count
    if case .classes(let classes) = target {
      classified += count
      correct += zip(prediction.largestIndices, classes).reduce(0) { $0 + (Int64($1.0) == $1.1 ? 1 : 0) }
    }
  }

  var evaluation: Evaluation {
    Evaluation(
      loss: examples == 0 ? 0 : loss / Double(examples),
      accuracy: classified == 0 ? nil : Double(correct) / Double(classified), examples: examples)
  }
}

extension Tensor {
  /// For each row along the last axis the place of its largest element, the first of equal ones.
  public var largestIndices: [Int] {
    guard let width = shape.last, width > 0 else { return [] }
    return (0..<count / width).map { row in
      let values = storage.pointer + row * width
      var best = 0
      for i in 1..<max(width, 1) where values[i] > values[best] { best = i }
      return best
    }
  }
}
