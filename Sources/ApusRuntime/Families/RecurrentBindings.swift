extension KernelBindings {
  static let recurrent: [KernelBinding] = [
    .gru, .lstm, .rnn,
  ]
  static let recurrentHosts: [HostBinding] = []
}
