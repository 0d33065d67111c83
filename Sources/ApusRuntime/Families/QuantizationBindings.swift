extension KernelBindings {
  static let quantization: [KernelBinding] = [
    .dequantizeLinear, .dynamicQuantizeLinear, .dynamicQuantizeRows, .microsoftDequantizeLinear, .microsoftQuantizeLinear,
    .quantizeLinear, .quantizedForms,
  ]
  static let quantizationHosts: [HostBinding] = []
}
