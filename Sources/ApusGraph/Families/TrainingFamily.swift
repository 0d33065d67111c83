extension OperatorRegistry {
  static let training: [OperatorSchema] = [
    .adagrad, .adam, .momentum,
  ]
}
