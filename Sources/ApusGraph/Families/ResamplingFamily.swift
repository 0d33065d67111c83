extension OperatorRegistry {
  static let resampling: [OperatorSchema] = []
}
