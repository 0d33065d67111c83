extension OperatorRegistry {
  static let signal: [OperatorSchema] = [
    .blackmanWindow, .dft, .hammingWindow, .hannWindow, .melWeightMatrix, .stft,
  ]
}
