extension OperatorRegistry {
  static let imageDecoding: [OperatorSchema] = []
}
