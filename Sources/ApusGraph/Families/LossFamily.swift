extension OperatorRegistry {
  static let loss: [OperatorSchema] = []
}
