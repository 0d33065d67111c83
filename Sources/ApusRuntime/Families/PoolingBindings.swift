extension KernelBindings {
  static let pooling: [KernelBinding] = [
    .averagePool, .globalAveragePool, .maxPool,
  ]
  static let poolingHosts: [HostBinding] = []
}
