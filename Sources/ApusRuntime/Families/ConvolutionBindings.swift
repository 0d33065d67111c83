extension KernelBindings {
  static let convolution: [KernelBinding] = [
    .conv, .convInteger, .convTranspose, .deformConv, .qLinearConv,
  ]
  static let convolutionHosts: [HostBinding] = []
}
