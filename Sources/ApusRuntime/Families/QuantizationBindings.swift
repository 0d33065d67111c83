extension KernelBindings {
  static let quantization: [KernelBinding] = []
  static let quantizationHosts: [HostBinding] = []
}
