extension OperatorRegistry {
  static let random: [OperatorSchema] = [
    .bernoulli, .dropout, .multinomial, .randomNormal, .randomNormalLike, .randomUniform, .randomUniformLike,
  ]
}
