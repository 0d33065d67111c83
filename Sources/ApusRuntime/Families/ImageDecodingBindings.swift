extension KernelBindings {
  static let imageDecoding: [KernelBinding] = []
  static let imageDecodingHosts: [HostBinding] = []
}
