extension OperatorRegistry {
  static let random: [OperatorSchema] = []
}
