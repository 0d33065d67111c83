extension OperatorRegistry {
  static let loss: [OperatorSchema] = [
    .negativeLogLikelihoodLoss, .softmaxCrossEntropyLoss,
  ]
}
