extension OperatorRegistry {
  static let shape: [OperatorSchema] = [
    .centerCropPad, .concat, .constant, .constantOfShape, .depthToSpace, .expand, .eyeLike, .flatten, .pad, .range, .reshape,
    .reverseSequence, .shape, .size, .slice, .spaceToDepth, .split, .squeeze, .tile, .transpose, .unsqueeze,
  ]
}
