extension OperatorRegistry {
  static let sequences: [OperatorSchema] = [
    .concatFromSequence, .optional, .optionalGetElement, .optionalHasElement, .sequenceAt, .sequenceConstruct, .sequenceEmpty,
    .sequenceErase, .sequenceInsert, .sequenceLength, .sequenceMap, .splitToSequence,
  ]
}
