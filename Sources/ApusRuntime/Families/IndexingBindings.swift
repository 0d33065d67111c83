extension KernelBindings {
  static let indexing: [KernelBinding] = [
    .gather,
  ]
  static let indexingHosts: [HostBinding] = []
}
