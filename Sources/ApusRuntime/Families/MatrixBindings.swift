extension KernelBindings {
  static let matrix: [KernelBinding] = [
    .det, .einsum, .gemm, .matMul, .matMulInteger, .matMulIntegerToFloat, .matMulNBits, .qGemm, .qLinearMatMul,
  ]
  static let matrixHosts: [HostBinding] = []
}
