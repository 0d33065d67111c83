extension KernelBindings {
  static let training: [KernelBinding] = [
    .adagrad, .adam, .momentum,
  ]
  static let trainingHosts: [HostBinding] = []
}
