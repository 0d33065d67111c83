extension KernelBindings {
  static let resampling: [KernelBinding] = []
  static let resamplingHosts: [HostBinding] = []
}
