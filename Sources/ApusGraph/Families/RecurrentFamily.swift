extension OperatorRegistry {
  static let recurrent: [OperatorSchema] = [
    .dynamicQuantizeLSTM, .gru, .lstm, .rnn,
  ]
}
