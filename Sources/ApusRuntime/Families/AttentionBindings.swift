extension KernelBindings {
  static let attention: [KernelBinding] = []
  static let attentionHosts: [HostBinding] = []
}
