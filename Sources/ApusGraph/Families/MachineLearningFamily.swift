extension OperatorRegistry {
  static let machineLearning: [OperatorSchema] = []
}
