extension OperatorRegistry {
  static let convolution: [OperatorSchema] = [
    .conv, .convInteger, .convTranspose, .deformConv, .qLinearConv,
  ]
}
