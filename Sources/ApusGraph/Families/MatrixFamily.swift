extension OperatorRegistry {
  static let matrix: [OperatorSchema] = [
    .det, .einsum, .gemm, .matMul, .matMulInteger, .matMulIntegerToFloat, .matMulNBits, .qGemm,
    .qLinearMatMul,
  ]
}
