extension OperatorSchema {
  private static func alpha(_ value: Float) -> AttributeSchema { AttributeSchema("alpha", default: .float(value)) }

  /// `max(0, x)`.
  public static let relu = unary("Relu", versions: [14], types: [.floats, .signedIntegers])
  /// `x` where x >= 0, else `alpha x`.
  public static let leakyRelu = unary("LeakyRelu", versions: [16], types: .floats, attributes: [alpha(0.01)])
  /// `1 / (1 + exp(-x))`.
  public static let sigmoid = unary("Sigmoid", versions: [13], types: .floats)
  /// `(exp(2x) - 1) / (exp(2x) + 1)`.
  public static let tanh = unary("Tanh", versions: [13], types: .floats)
  /// `x` where x >= 0, else `alpha (exp(x) - 1)`.
  public static let elu = unary("Elu", versions: [22], types: .floats, attributes: [alpha(1)])
  /// `gamma x` where x > 0, else `gamma alpha (exp(x) - 1)`.
  public static let selu = unary(
    "Selu", versions: [22], types: .floats,
    attributes: [alpha(1.67326319217681884765625), AttributeSchema("gamma", default: .float(1.05070102214813232421875))])
  /// `max(0, x) + min(0, alpha (exp(x / alpha) - 1))`. The standard has it as a function of float32 alone.
  public static let celu = unary("Celu", versions: [12], types: .floats, attributes: [alpha(1)])
  /// `x` where x > alpha, else 0.
  public static let thresholdedRelu = unary("ThresholdedRelu", versions: [22], types: .floats, attributes: [alpha(1)])
  /// `max(0, min(1, alpha x + beta))`.
  public static let hardSigmoid = unary(
    "HardSigmoid", versions: [22], types: .floats, attributes: [alpha(0.2), AttributeSchema("beta", default: .float(0.5))])
  /// `x max(0, min(1, x / 6 + 1 / 2))`.
  public static let hardSwish = unary("HardSwish", versions: [22], types: .floats)
  /// `log(1 + exp(x))`.
  public static let softplus = unary("Softplus", versions: [22], types: .floats)
  /// `x / (1 + |x|)`.
  public static let softsign = unary("Softsign", versions: [22], types: .floats)
  /// `x tanh(log(1 + exp(x)))`.
  public static let mish = unary("Mish", versions: [22], types: .floats)
  /// `x / (1 + exp(-alpha x))`.
  public static let swish = unary("Swish", versions: [24], types: .floats, attributes: [alpha(1)])
  /// `x + bias` where x < -lambd, `x - bias` where x > lambd, else 0.
  public static let shrink = unary(
    "Shrink", versions: [9], types: .numeric,
    attributes: [AttributeSchema("bias", default: .float(0)), AttributeSchema("lambd", default: .float(0.5))])

  /// `x / 2 (1 + erf(x / sqrt 2))`, or with `approximate` = "tanh" `x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))`.
  public static let gelu = OperatorSchema(
    name: "Gelu", versions: [20], inputs: [Parameter("X", .floats)], outputs: [Parameter("Y", .floats)],
    attributes: [AttributeSchema("approximate", default: .string("none"))]
  ) { context throws(ApusError) in
    let form = context.attributes.string("approximate") ?? "none"
    guard form == "none" || form == "tanh" else {
      throw context.attributeError("approximate", expected: "none or tanh", actual: form.string)
    }
    try context.propagate()
  }

  /// `x` where x >= 0, else `slope x`; the slope is broadcast to the shape of X.
  public static let prelu = OperatorSchema(
    name: "PRelu", versions: [16],
    inputs: [
      Parameter("X", [.floats, TypeSet(.int32, .int64, .uint32, .uint64)]),
      Parameter("slope", [.floats, TypeSet(.int32, .int64, .uint32, .uint64)]),
    ],
    outputs: [Parameter("Y", [.floats, TypeSet(.int32, .int64, .uint32, .uint64)])]
  ) { context throws(ApusError) in
    if let x = context.shape(0), let slope = context.shape(1) {
      guard let shape = broadcast(x, slope), shape.rank == x.rank else {
        throw context.error(
          "the slope can not be broadcast to X", input: 1, expected: "compatible with " + x.text(symbols: []),
          actual: slope.text(symbols: []))
      }
      for axis in 0..<x.rank {
        guard case .known(let own) = x[axis], case .known(let joint) = shape[axis], own != joint else { continue }
        throw context.error(
          "the slope can not be broadcast to X", input: 1, expected: "compatible with " + x.text(symbols: []),
          actual: slope.text(symbols: []))
      }
    }
    try context.propagate()
  }

  /// `min(max(x, low), high)`: bounds that are left out don't bound, and `high` wins where they cross.
  public static let clip = OperatorSchema(
    name: "Clip", versions: [13],
    inputs: [Parameter("input", .numeric), Parameter("min", .numeric, .optional), Parameter("max", .numeric, .optional)],
    outputs: [Parameter("output", .numeric)]
  ) { context throws(ApusError) in
    for index in 1...2 {
      guard let shape = context.shape(index), let count = shape.known.flatMap({ elementCount($0) }), count != 1 else { continue }
      throw context.error("a bound is one number", input: index, expected: "[]", actual: shape.text(symbols: []))
    }
    try context.propagate()
  }

  // MARK: com.microsoft

  /// `x / 2 (1 + erf(x / sqrt 2))`.
  public static let microsoftGelu = microsoft("Gelu")
  /// `x / (1 + exp(-alpha x))`.
  public static let microsoftQuickGelu = microsoft("QuickGelu", attributes: [alpha(1.702)])

  private static func microsoft(_ name: StaticString, attributes: [AttributeSchema] = []) -> OperatorSchema {
    unary(name, domain: .microsoft, versions: [1], types: .floats, attributes: attributes)
  }

  /// The operand plus a bias along the last axis, then Gelu: the tanh form of FastGelu, where the bias may be left out.
  private static func microsoftBiased(_ name: StaticString, _ arity: Parameter.Arity) -> OperatorSchema {
    OperatorSchema(
      domain: .microsoft, name: name, versions: [1],
      inputs: [Parameter("X", .floats), Parameter("bias", .floats, arity)], outputs: [Parameter("Y", .floats)]
    ) { context throws(ApusError) in
      try context.requireRank(1, 1)
      if let x = context.shape(0), let bias = context.shape(1), let last = x.dimensions.last {
        _ = try context.unified(last, bias[0], "the last extent of X and that of the bias")
      }
      try context.propagate()
    }
  }

  public static let microsoftFastGelu = microsoftBiased("FastGelu", .optional)
  public static let microsoftBiasGelu = microsoftBiased("BiasGelu", .required)
}
