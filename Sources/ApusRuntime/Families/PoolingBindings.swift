extension KernelBindings {
  static let pooling: [KernelBinding] = [
    .averagePool, .col2Im, .globalAveragePool, .globalLpPool, .globalMaxPool, .lpPool, .maxPool, .maxUnpool,
  ]
  static let poolingHosts: [HostBinding] = []
}
