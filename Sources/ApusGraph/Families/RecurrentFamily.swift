extension OperatorRegistry {
  static let recurrent: [OperatorSchema] = [
    .gru, .lstm, .rnn,
  ]
}
