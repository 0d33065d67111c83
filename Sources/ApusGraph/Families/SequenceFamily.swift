extension OperatorRegistry {
  static let sequences: [OperatorSchema] = []
}
