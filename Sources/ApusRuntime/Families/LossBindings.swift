extension KernelBindings {
  static let loss: [KernelBinding] = [
    .negativeLogLikelihoodLoss, .softmaxCrossEntropyLoss,
  ]
  static let lossHosts: [HostBinding] = []
}
