import ApusGraph

/// What a network should have answered to a batch.
public enum Target {
  /// The class of each example.
  case classes([Int64])
  /// A tensor of the prediction's shape.
  case values(Tensor)
}

/// A scalar that training makes small: a function of predictions and targets.
public protocol Loss {
  func callAsFunction(_ prediction: Tensor, _ target: Target) throws(ApusError) -> Tensor
}

/// The mean over the batch of log(sum of e^scores) - score of the right class: the negative log likelihood of the softmax of
/// scores [N, C].
public struct CrossEntropyLoss: Loss {
  /// The share of each target that is spread evenly over all classes; 0 for none.
  public let labelSmoothing: Float

  /// - Throws: `invalidArgument` for a share outside 0 ..< 1.
  public init(labelSmoothing: Float = 0) throws(ApusError) {
    guard labelSmoothing >= 0, labelSmoothing < 1 else {
      throw ApusError(.invalidArgument, "label smoothing is out of range", expected: "0 ..< 1", actual: "\(labelSmoothing)")
    }
    self.labelSmoothing = labelSmoothing
  }

  public func callAsFunction(_ prediction: Tensor, _ target: Target) throws(ApusError) -> Tensor {
    guard case .classes(let classes) = target else {
      throw ApusError(.typeMismatch, "cross entropy compares with classes", actual: "values")
    }
    return try Operator.softmaxCrossEntropyLoss.single(
      [.tensor(prediction), .integers(classes)], [Attribute("label_smoothing", .float(labelSmoothing))])
  }
}

/// The mean of (prediction - value)^2 over all elements.
public struct MeanSquaredErrorLoss: Loss {
  public init() {}

  public func callAsFunction(_ prediction: Tensor, _ target: Target) throws(ApusError) -> Tensor {
    guard case .values(let values) = target else {
      throw ApusError(.typeMismatch, "the squared error compares with values", actual: "classes")
    }
    guard values.shape == prediction.shape else {
      throw ApusError(
        .shapeMismatch, "predictions and values do not go together", expected: "\(prediction.shape)", actual: "\(values.shape)")
    }
    let difference = try prediction - values
    return try (difference * difference).mean()
  }
}
