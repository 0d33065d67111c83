extension KernelBindings {
  static let quantization: [KernelBinding] = [
    .dequantizeLinear, .dynamicQuantizeLinear, .dynamicQuantizeRows, .microsoftDequantizeLinear, .microsoftQuantizeLinear,
    .quantizeLinear,
  ]
  static let quantizationHosts: [HostBinding] = []
}
