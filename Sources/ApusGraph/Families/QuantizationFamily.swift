extension OperatorRegistry {
  static let quantization: [OperatorSchema] = []
}
