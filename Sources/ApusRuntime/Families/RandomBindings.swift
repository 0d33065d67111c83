extension KernelBindings {
  static let random: [KernelBinding] = []
  static let randomHosts: [HostBinding] = []
}
