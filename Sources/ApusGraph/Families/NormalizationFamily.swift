extension OperatorRegistry {
  static let normalization: [OperatorSchema] = [
    .batchNormalization,
  ]
}
