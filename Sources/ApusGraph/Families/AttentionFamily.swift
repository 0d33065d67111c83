extension OperatorRegistry {
  static let attention: [OperatorSchema] = [
    .attention, .causalConvWithState, .groupQueryAttention, .linearAttention, .rotaryEmbedding, .rotaryEmbeddingMicrosoft,
  ]
}
