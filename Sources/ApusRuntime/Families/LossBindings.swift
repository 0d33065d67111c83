extension KernelBindings {
  static let loss: [KernelBinding] = []
  static let lossHosts: [HostBinding] = []
}
