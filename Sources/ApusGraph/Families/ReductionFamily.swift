extension OperatorRegistry {
  static let reduction: [OperatorSchema] = [
    .logSoftmax, .reduceMean, .reduceSum, .softmax,
  ]
}
