extension OperatorRegistry {
  static let training: [OperatorSchema] = []
}
