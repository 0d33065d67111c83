extension OperatorRegistry {
  static let quantization: [OperatorSchema] = [
    .dequantizeLinear, .dynamicQuantizeLinear, .microsoftDequantizeLinear, .microsoftQuantizeLinear, .quantizeLinear,
  ]
}
