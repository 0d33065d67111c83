extension OperatorRegistry {
  static let elementwise: [OperatorSchema] = [
    .add, .cast, .div, .dropout, .identity, .leakyRelu, .mul, .relu, .sigmoid, .sub, .tanh,
  ]
}
