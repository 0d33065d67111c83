extension KernelBindings {
  static let sequences: [KernelBinding] = []
  static let sequencesHosts: [HostBinding] = []
}
