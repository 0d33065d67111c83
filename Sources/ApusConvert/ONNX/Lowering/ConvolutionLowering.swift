import ApusGraph

// ONNX Runtime's convolutions with fused tails, and convolutions and pooling with channels last.

extension Lowering {
  static let convolutions: [Rule] = [
    Rule("FusedConv", { node throws(ApusError) in try fusedConvolution(node, isChannelsLast: false) }),
    Rule("NhwcConv", { node throws(ApusError) in try fusedConvolution(node, isChannelsLast: true) }),
    Rule("NhwcFusedConv", { node throws(ApusError) in try fusedConvolution(node, isChannelsLast: true) }),
    Rule("NhwcMaxPool", { node throws(ApusError) in try maxPool(node) }),
  ]

  // MARK: Channels

  static func permutation(_ order: [Int]) -> Attribute { Attribute("perm", .ints(order.map { Int64($0) })) }

  /// `[N, D1, ..., C]` from `[N, C, D1, ...]`.
  static func lastOrder(_ rank: Int) -> [Int] { rank < 3 ? Array(0..<rank) : [0] + Array(2..<rank) + [1] }

  static func channelsLast(_ node: Adaptation, _ value: ValueID, rank: Int) throws(ApusError) -> ValueID {
    try node.emit("Transpose", [value], [permutation(lastOrder(rank))])
  }

  /// `[N, C, D1, ...]` from `[N, D1, ..., C]`.
  static func channelsSecond(_ node: Adaptation, _ value: ValueID, rank: Int) throws(ApusError) -> ValueID {
    try node.emit("Transpose", [value], [permutation(rank < 3 ? Array(0..<rank) : [0, rank - 1] + Array(1..<(rank - 1)))])
  }

  // MARK: Operators

  /// `activation(Conv(X, W, B) + Z)`.
  private static func fusedConvolution(_ node: Adaptation, isChannelsLast: Bool) throws(ApusError) {
    try node.requireInputs(2)
    let activation = try node.takeString("activation")
    let parameters = try node.takeFloats("activation_params") ?? []
    let attributes = node.node.attributes
    var operands = Array(node.node.inputs.prefix(3))
    let addend = node.input(3)
    var last: (name: Name, inputs: [ValueID], attributes: [Attribute])
    if isChannelsLast {
      let rank = try node.rank(operands[0])
      operands[0] = try channelsSecond(node, operands[0], rank: rank)
      last = ("Transpose", [try node.emit("Conv", operands, attributes)], [permutation(lastOrder(rank))])
    } else {
      last = ("Conv", operands, attributes)
    }
    if addend >= 0 { last = ("Add", [try node.emit(last.name, last.inputs, last.attributes), addend], []) }
    if let activation, !activation.isEmpty {
      last = try activated(node, activation, parameters, try node.emit(last.name, last.inputs, last.attributes))
    }
    node.replace(last.name, last.inputs, last.attributes)
  }

  /// An activation by ONNX Runtime's name for it, with its parameters in order.
  static func activated(
    _ node: Adaptation, _ name: Name, _ parameters: [Float], _ value: ValueID
  ) throws(ApusError) -> (name: Name, inputs: [ValueID], attributes: [Attribute]) {
    switch name {
    case "Relu", "Tanh", "Sigmoid": return (name, [value], [])
    case "LeakyRelu" where parameters.count == 1: return (name, [value], [Attribute("alpha", .float(parameters[0]))])
    case "HardSigmoid" where parameters.count == 2:
      return (name, [value], [Attribute("alpha", .float(parameters[0])), Attribute("beta", .float(parameters[1]))])
    case "Clip" where parameters.count == 2:
      return (
        name,
        [value, try node.scalar(parameters[0], like: value), try node.scalar(parameters[1], like: value)], []
      )
    default:
      throw node.unsupported(
        "the fused activation is not known", expected: "Relu, Tanh, Sigmoid, LeakyRelu, HardSigmoid or Clip",
        actual: "\(name.string) with \(parameters.count) parameters")
    }
  }

  private static func maxPool(_ node: Adaptation) throws(ApusError) {
    try node.requireInputs(1)
    let rank = try node.rank(node.input(0))
    let result = try node.emit("MaxPool", [try channelsSecond(node, node.input(0), rank: rank)], node.node.attributes)
    node.replace("Transpose", [result], [permutation(lastOrder(rank))])
  }
}
