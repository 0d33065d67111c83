extension OperatorRegistry {
  static let attention: [OperatorSchema] = [
    .attention, .causalConvWithState, .linearAttention, .rotaryEmbedding, .rotaryEmbeddingMicrosoft,
  ]
}
