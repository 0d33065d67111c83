extension OperatorRegistry {
  static let recurrent: [OperatorSchema] = [
    .lstm,
  ]
}
