extension OperatorRegistry {
  static let strings: [OperatorSchema] = [
    .regexFullMatch, .stringConcat, .stringNormalizer, .stringSplit, .tfIdfVectorizer,
  ]
}
