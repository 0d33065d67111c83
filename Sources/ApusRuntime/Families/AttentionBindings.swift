extension KernelBindings {
  static let attention: [KernelBinding] = [
    .attention, .causalConvWithState, .groupQueryAttention, .linearAttention, .rotaryEmbedding, .rotaryEmbeddingMicrosoft,
  ]
  static let attentionHosts: [HostBinding] = []
}
