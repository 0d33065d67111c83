extension KernelBindings {
  static let signal: [KernelBinding] = []
  static let signalHosts: [HostBinding] = []
}
