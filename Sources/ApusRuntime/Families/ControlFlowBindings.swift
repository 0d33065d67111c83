extension KernelBindings {
  static let controlFlow: [KernelBinding] = []
  static let controlFlowHosts: [HostBinding] = []
}
