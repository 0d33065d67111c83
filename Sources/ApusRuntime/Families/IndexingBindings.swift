extension KernelBindings {
  static let indexing: [KernelBinding] = [
    .gather, .gatherElements, .gatherND, .oneHot, .scatterElements, .scatterND, .tensorScatter, .trilu,
  ]
  static let indexingHosts: [HostBinding] = [.compress, .nonZero, .unique]
}
