extension OperatorRegistry {
  static let normalization: [OperatorSchema] = [
    .batchNormalization, .groupNormalization, .instanceNormalization, .layerNormalization, .lpNormalization, .lrn,
    .meanVarianceNormalization, .rmsNormalization,
  ]
}
