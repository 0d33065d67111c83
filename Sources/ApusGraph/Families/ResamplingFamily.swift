extension OperatorRegistry {
  static let resampling: [OperatorSchema] = [
    .affineGrid, .gridSample, .maxRoiPool, .nonMaxSuppression, .resize, .roiAlign,
  ]
}
