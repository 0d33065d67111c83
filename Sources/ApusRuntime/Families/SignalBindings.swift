extension KernelBindings {
  static let signal: [KernelBinding] = [
    .blackmanWindow, .dft, .hammingWindow, .hannWindow, .melWeightMatrix, .stft,
  ]
  static let signalHosts: [HostBinding] = []
}
