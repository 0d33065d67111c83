import ApusGraph

/// LeNet-5 (LeCun, Bottou, Bengio, Haffner 1998) with ReLU and maximum pooling, for images [N, 1, 28, 28] in `classes` classes.
public final class LeNet5: Module {
  public let features: Sequential
  public let classifier: Sequential

  public init(classes: Int = 10, using generator: inout RandomGenerator) throws(ApusError) {
    features = Sequential(
      try Conv2d(1, 6, kernel: 5, padding: 2, using: &generator), ReLU(), MaxPool2d(2),
      try Conv2d(6, 16, kernel: 5, using: &generator), ReLU(), MaxPool2d(2))
    classifier = Sequential(
      Flatten(), try Linear(400, 120, using: &generator), ReLU(), try Linear(120, 84, using: &generator), ReLU(),
      try Linear(84, classes, initializer: .glorotUniform, using: &generator))
  }

  public func callAsFunction(_ input: Tensor) throws(ApusError) -> Tensor { try classifier(features(input)) }
}
