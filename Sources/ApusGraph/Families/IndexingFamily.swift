extension OperatorRegistry {
  static let indexing: [OperatorSchema] = [
    .compress, .gather, .gatherElements, .gatherND, .nonZero, .oneHot, .scatterElements, .scatterND, .tensorScatter, .trilu,
    .unique,
  ]
}
