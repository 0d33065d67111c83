/// Recurrent layers over a whole sequence.
///
/// X `[seq, batch, input]`, W `[directions, gates hidden, input]`, R `[directions, gates hidden, hidden]`, B
/// `[directions, 2 gates hidden]`, sequence_lens `[batch]`, initial states `[directions, batch, hidden]`; Y `[seq, directions,
/// batch, hidden]`, last states `[directions, batch, hidden]`. With layout 1 the batch axis comes first everywhere.
extension OperatorSchema {
  private static let operands: [Parameter] = [
    Parameter("X", .floats), Parameter("W", .floats), Parameter("R", .floats), Parameter("B", .floats, .optional),
    Parameter("sequence_lens", TypeSet(.int32), group: 2, .optional), Parameter("initial_h", .floats, .optional),
  ]

  private static let results: [Parameter] = [Parameter("Y", .floats, .optional), Parameter("Y_h", .floats, .optional)]

  private static let settings: [AttributeSchema] = [
    AttributeSchema("activation_alpha", .floats), AttributeSchema("activation_beta", .floats),
    AttributeSchema("activations", .strings), AttributeSchema("clip", .float),
    AttributeSchema("direction", default: .string("forward")), AttributeSchema("hidden_size", .int),
    AttributeSchema("layout", default: .int(0)),
  ]

  /// One gate: `h' = f(W x + R h + Wb + Rb)`.
  public static let rnn = OperatorSchema(
    name: "RNN", versions: [22], inputs: operands, outputs: results, attributes: settings
  ) { context throws(ApusError) in
    try inferRecurrent(&context, gates: 1)
  }

  /// Gated recurrent unit (Cho et al. 2014), gates in the order update, reset, hidden.
  public static let gru = OperatorSchema(
    name: "GRU", versions: [22], inputs: operands, outputs: results,
    attributes: settings + [AttributeSchema("linear_before_reset", default: .int(0))]
  ) { context throws(ApusError) in
    try inferRecurrent(&context, gates: 3)
  }

  /// Long short-term memory (Hochreiter & Schmidhuber 1997, with forget gates), gates in the order input, output, forget, cell;
  /// peephole weights P `[directions, 3 hidden]`.
  public static let lstm = OperatorSchema(
    name: "LSTM", versions: [22],
    inputs: operands + [Parameter("initial_c", .floats, .optional), Parameter("P", .floats, .optional)],
    outputs: results + [Parameter("Y_c", .floats, .optional)],
    attributes: settings + [AttributeSchema("input_forget", default: .int(0))]
  ) { context throws(ApusError) in
    try inferRecurrent(&context, gates: 4)
  }

  /// LSTM with W `[directions, input, 4 hidden]` and R `[directions, hidden, 4 hidden]` of 8 bits, each with a scale and zero
  /// point for a direction, or for each of its columns (com.microsoft). X meets W as 8-bit integers, by the range of each of its
  /// rows; in each step so does the state of an item meet R.
  public static let dynamicQuantizeLSTM = OperatorSchema(
    domain: .microsoft, name: "DynamicQuantizeLSTM", versions: [1],
    inputs: [
      Parameter("X", TypeSet(.float32)), Parameter("W", bytes, group: 3), Parameter("R", bytes, group: 4),
      Parameter("B", TypeSet(.float32), .optional), Parameter("sequence_lens", TypeSet(.int32), group: 2, .optional),
      Parameter("initial_h", TypeSet(.float32), .optional), Parameter("initial_c", TypeSet(.float32), .optional),
      Parameter("P", TypeSet(.float32), .optional), Parameter("W_scale", TypeSet(.float32)),
      Parameter("W_zero_point", bytes, group: 3), Parameter("R_scale", TypeSet(.float32)),
      Parameter("R_zero_point", bytes, group: 4),
    ],
    outputs: results + [Parameter("Y_c", .floats, .optional)],
    attributes: settings + [AttributeSchema("input_forget", default: .int(0))]
  ) { context throws(ApusError) in
    try inferRecurrent(&context, gates: 4, isTurned: true)
  }

  private static let bytes = TypeSet(.int8, .uint8)

  /// - Parameter isTurned: whether W and R have gates along their last axis, and scales and zero points as inputs 8 to 11.
  private static func inferRecurrent(_ context: inout InferenceContext, gates: Int, isTurned: Bool = false) throws(ApusError) {
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
    var hidden = r[isTurned ? 1 : 2]
    if let stated = context.attributes.int("hidden_size") {
      hidden = try context.unified(.known(stated), hidden, "hidden_size and R")
    }
    let rows = gates == 1 ? hidden : try hidden.multiplied(by: gates)
    let biases = try hidden.multiplied(by: 2 * gates)
    let peepholes = try hidden.multiplied(by: 3)
    let state = layout == 0 ? [directions, batch, hidden] : [batch, directions, hidden]
    var expected: [(input: Int, dimensions: [Dimension])] = [
      (1, isTurned ? [directions, x[2], rows] : [directions, rows, x[2]]),
      (2, isTurned ? [directions, hidden, rows] : [directions, rows, hidden]), (3, [directions, biases]), (4, [batch]),
      (5, state), (6, state), (7, [directions, peepholes]),
    ]
    if isTurned {
      for input in 8...11 {
        expected.append((input, context.shape(input)?.rank == 1 ? [directions] : [directions, rows]))
      }
    }
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
