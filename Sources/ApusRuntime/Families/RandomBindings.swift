extension KernelBindings {
  static let random: [KernelBinding] = [
    .bernoulli, .dropout, .multinomial, .randomNormal, .randomNormalLike, .randomUniform, .randomUniformLike,
  ]
  static let randomHosts: [HostBinding] = []
}
