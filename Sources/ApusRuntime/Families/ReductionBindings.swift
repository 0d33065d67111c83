extension KernelBindings {
  static let reduction: [KernelBinding] = [
    .logSoftmax, .reduceMean, .reduceSum, .softmax,
  ]
  static let reductionHosts: [HostBinding] = []
}
