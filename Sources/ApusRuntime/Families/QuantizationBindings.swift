extension KernelBindings {
  static let quantization: [KernelBinding] = [
    .dequantizeLinear, .dynamicQuantizeLinear, .microsoftDequantizeLinear, .microsoftQuantizeLinear, .quantizeLinear,
  ]
  static let quantizationHosts: [HostBinding] = []
}
