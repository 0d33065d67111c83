extension KernelBindings {
  static let training: [KernelBinding] = []
  static let trainingHosts: [HostBinding] = []
}
