extension KernelBindings {
  static let recurrent: [KernelBinding] = [
    .lstm,
  ]
  static let recurrentHosts: [HostBinding] = []
}
