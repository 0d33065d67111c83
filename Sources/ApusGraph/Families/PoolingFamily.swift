extension OperatorRegistry {
  static let pooling: [OperatorSchema] = [
    .averagePool, .globalAveragePool, .maxPool,
  ]
}
