extension KernelBindings {
  static let convolution: [KernelBinding] = [
    .conv,
  ]
  static let convolutionHosts: [HostBinding] = []
}
