extension KernelBindings {
  static let normalization: [KernelBinding] = [
    .batchNormalization,
  ]
  static let normalizationHosts: [HostBinding] = []
}
