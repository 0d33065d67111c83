extension KernelBindings {
  static let resampling: [KernelBinding] = [
    .affineGrid, .gridSample, .maxRoiPool, .resize, .roiAlign,
  ]
  static let resamplingHosts: [HostBinding] = [.nonMaxSuppression]
}
