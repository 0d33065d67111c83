extension KernelBindings {
  static let controlFlow: [KernelBinding] = []
  static let controlFlowHosts: [HostBinding] = [.ifElse, .loop, .scan]
}
