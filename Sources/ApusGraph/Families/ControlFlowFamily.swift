extension OperatorRegistry {
  static let controlFlow: [OperatorSchema] = []
}
