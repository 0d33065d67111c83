extension KernelBindings {
  static let matrix: [KernelBinding] = [
    .gemm, .matMul,
  ]
  static let matrixHosts: [HostBinding] = []
}
