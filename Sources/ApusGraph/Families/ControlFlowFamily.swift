extension OperatorRegistry {
  static let controlFlow: [OperatorSchema] = [.ifElse, .loop, .scan]
}
