extension KernelBindings {
  static let elementwise: [KernelBinding] = [
    .add, .cast, .div, .leakyRelu, .mul, .relu, .sigmoid, .sub, .tanh,
  ]
  static let elementwiseHosts: [HostBinding] = []
}
