extension KernelBindings {
  static let shape: [KernelBinding] = [
    .concat, .flatten, .reshape, .transpose,
  ]
  static let shapeHosts: [HostBinding] = []
}
