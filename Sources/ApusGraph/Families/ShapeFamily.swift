extension OperatorRegistry {
  static let shape: [OperatorSchema] = [
    .concat, .constant, .flatten, .reshape, .transpose,
  ]
}
