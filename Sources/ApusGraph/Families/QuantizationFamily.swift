extension OperatorRegistry {
  static let quantization: [OperatorSchema] = [
    .dequantizeLinear, .dynamicQuantizeLinear, .dynamicQuantizeRows, .microsoftDequantizeLinear, .microsoftQuantizeLinear,
    .quantizeLinear,
  ]
}
