extension OperatorRegistry {
  static let strings: [OperatorSchema] = []
}
