extension OperatorRegistry {
  static let pooling: [OperatorSchema] = [
    .averagePool, .col2Im, .globalAveragePool, .globalLpPool, .globalMaxPool, .lpPool, .maxPool, .maxUnpool,
  ]
}
