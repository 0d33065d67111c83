extension KernelBindings {
  static let attention: [KernelBinding] = [
    .attention, .causalConvWithState, .linearAttention, .rotaryEmbedding, .rotaryEmbeddingMicrosoft,
  ]
  static let attentionHosts: [HostBinding] = []
}
