extension KernelBindings {
  static let machineLearning: [KernelBinding] = []
  static let machineLearningHosts: [HostBinding] = []
}
