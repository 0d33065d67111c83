extension OperatorRegistry {
  static let indexing: [OperatorSchema] = [
    .gather,
  ]
}
