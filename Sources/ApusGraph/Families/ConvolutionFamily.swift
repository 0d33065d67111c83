extension OperatorRegistry {
  static let convolution: [OperatorSchema] = [
    .conv,
  ]
}
