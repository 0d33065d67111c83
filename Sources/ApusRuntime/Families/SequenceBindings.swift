extension KernelBindings {
  static let sequences: [KernelBinding] = []
  static let sequencesHosts: [HostBinding] = [
    .concatFromSequence, .optional, .optionalGetElement, .optionalHasElement, .sequenceAt, .sequenceConstruct, .sequenceEmpty,
    .sequenceErase, .sequenceInsert, .sequenceLength, .sequenceMap, .splitToSequence,
  ]
}
