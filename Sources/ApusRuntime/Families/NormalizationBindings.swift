extension KernelBindings {
  static let normalization: [KernelBinding] = [
    .batchNormalization, .groupNormalization, .instanceNormalization, .layerNormalization, .lpNormalization, .lrn,
    .meanVarianceNormalization, .rmsNormalization,
  ]
  static let normalizationHosts: [HostBinding] = []
}
