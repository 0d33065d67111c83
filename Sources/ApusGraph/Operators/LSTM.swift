/// The activation functions of a recurrent layer that ONNX names, in its order of numbering here.
public enum RecurrentActivation: Int32, Sendable, CaseIterable {
  case relu, tanh, sigmoid, affine, leakyRelu, thresholdedRelu, scaledTanh, hardSigmoid, elu, softsign, softplus

  public var name: Name {
    switch self {
    case .relu: "Relu"
    case .tanh: "Tanh"
    case .sigmoid: "Sigmoid"
    case .affine: "Affine"
    case .leakyRelu: "LeakyRelu"
    case .thresholdedRelu: "ThresholdedRelu"
    case .scaledTanh: "ScaledTanh"
    case .hardSigmoid: "HardSigmoid"
    case .elu: "Elu"
    case .softsign: "Softsign"
    case .softplus: "Softplus"
    }
  }
}

extension OperatorSchema {
  /// A long short-term memory layer over a whole sequence (Hochreiter & Schmidhuber 1997, with forget gates).
  ///
  /// Gates in the order input, output, forget, cell. X `[seq, batch, input]`, W `[directions, 4 hidden, input]`,
  /// R `[directions, 4 hidden, hidden]`, B `[directions, 8 hidden]`, sequence_lens `[batch]`, initial_h and initial_c
  /// `[directions, batch, hidden]`, P `[directions, 3 hidden]`; Y `[seq, directions, batch, hidden]`, Y_h and Y_c
  /// `[directions, batch, hidden]`. With layout 1 the batch axis comes first everywhere.
  public static let lstm = OperatorSchema(
    name: "LSTM", versions: [22],
    inputs: [
      Parameter("X", .floats), Parameter("W", .floats), Parameter("R", .floats), Parameter("B", .floats, .optional),
      Parameter("sequence_lens", TypeSet(.int32), group: 2, .optional), Parameter("initial_h", .floats, .optional),
      Parameter("initial_c", .floats, .optional), Parameter("P", .floats, .optional),
    ],
    outputs: [
      Parameter("Y", .floats, .optional), Parameter("Y_h", .floats, .optional), Parameter("Y_c", .floats, .optional),
    ],
    attributes: [
      AttributeSchema("activation_alpha", .floats), AttributeSchema("activation_beta", .floats),
      AttributeSchema("activations", .strings), AttributeSchema("clip", .float),
      AttributeSchema("direction", default: .string("forward")), AttributeSchema("hidden_size", .int),
      AttributeSchema("input_forget", default: .int(0)), AttributeSchema("layout", default: .int(0)),
    ]
  ) { context throws(ApusError) in
    try inferRecurrent(&context)
  }

  private static func inferRecurrent(_ context: inout InferenceContext) throws(ApusError) {
    let type = try context.elementType(0)
    let name = context.attributes.string("direction") ?? "forward"
    guard name == "forward" || name == "reverse" || name == "bidirectional" else {
      throw context.attributeError("direction", expected: "forward, reverse or bidirectional", actual: name.string)
    }
    let layout = context.attributes.int("layout") ?? 0
    guard layout == 0 || layout == 1 else {
      throw context.attributeError("layout", expected: "0 or 1", actual: "\(layout)")
    }
    for index in 0..<3 { try context.requireRank(index, 3) }
    guard let x = context.shape(0), let r = context.shape(2) else { return }
    let directions = Dimension.known(name == "bidirectional" ? 2 : 1)
    let sequence = x[layout == 0 ? 0 : 1]
    let batch = x[layout == 0 ? 1 : 0]
    var hidden = r[2]
    if let stated = context.attributes.int("hidden_size") {
      hidden = try context.unified(.known(stated), hidden, "hidden_size and R")
    }
    let gates: Dimension = hidden.value == nil ? .unknown : .known(try (hidden.value ?? 0).checkedMultiplied(by: 4))
    let biases: Dimension = hidden.value == nil ? .unknown : .known(try (hidden.value ?? 0).checkedMultiplied(by: 8))
    let peepholes: Dimension = hidden.value == nil ? .unknown : .known(try (hidden.value ?? 0).checkedMultiplied(by: 3))
    let state = layout == 0 ? [directions, batch, hidden] : [batch, directions, hidden]
    let expected: [(input: Int, dimensions: [Dimension])] = [
      (1, [directions, gates, x[2]]), (2, [directions, gates, hidden]), (3, [directions, biases]), (4, [batch]),
      (5, state), (6, state), (7, [directions, peepholes]),
    ]
    for (input, dimensions) in expected {
      guard let shape = context.shape(input) else { continue }
      try context.requireRank(input, dimensions.count)
      for axis in dimensions.indices {
        _ = try context.unified(
          dimensions[axis], shape[axis], "extents of input '" + context.attributes.schema.inputs[input].name.text + "'")
      }
    }
    context.setOutput(
      0, type, Shape(layout == 0 ? [sequence, directions, batch, hidden] : [batch, sequence, directions, hidden]))
    context.setOutput(1, type, Shape(state))
    context.setOutput(2, type, Shape(state))
  }
}
