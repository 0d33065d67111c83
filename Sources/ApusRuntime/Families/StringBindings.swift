extension KernelBindings {
  static let strings: [KernelBinding] = []
  static let stringsHosts: [HostBinding] = [
    .regexFullMatch, .stringConcat, .stringNormalizer, .stringSplit, .tfIdfVectorizer,
  ]
}
