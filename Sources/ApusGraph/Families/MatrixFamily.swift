extension OperatorRegistry {
  static let matrix: [OperatorSchema] = [
    .gemm, .matMul,
  ]
}
