extension OperatorRegistry {
  static let attention: [OperatorSchema] = []
}
