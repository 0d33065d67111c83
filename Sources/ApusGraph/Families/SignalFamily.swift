extension OperatorRegistry {
  static let signal: [OperatorSchema] = []
}
