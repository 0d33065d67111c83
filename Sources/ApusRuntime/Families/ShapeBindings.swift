extension KernelBindings {
  static let shape: [KernelBinding] = [
    .centerCropPad, .concat, .constantOfShape, .depthToSpace, .expand, .eyeLike, .flatten, .pad, .range, .reshape,
    .reverseSequence, .shape, .size, .slice, .spaceToDepth, .split, .squeeze, .tile, .transpose, .unsqueeze,
  ]
  static let shapeHosts: [HostBinding] = []
}
