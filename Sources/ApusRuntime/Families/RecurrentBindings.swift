extension KernelBindings {
  static let recurrent: [KernelBinding] = [
    .dynamicQuantizeLSTM, .gru, .lstm, .rnn,
  ]
  static let recurrentHosts: [HostBinding] = []
}
