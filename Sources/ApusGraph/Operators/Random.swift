extension OperatorSchema {
  private static let seed = AttributeSchema("seed", .float)

  /// Numbers of a distribution in a shape that an attribute gives.
  private static func random(_ name: StaticString, attributes: [AttributeSchema]) -> OperatorSchema {
    OperatorSchema(
      name: name, versions: [22], inputs: [], outputs: [Parameter("output", .floats)],
      attributes: attributes + [
        seed, AttributeSchema("dtype", default: .int(1)), AttributeSchema("shape", .ints, required: true),
      ]
    ) { context throws(ApusError) in
      let extents = context.attributes.ints("shape") ?? []
      for extent in extents where extent < 0 {
        throw context.attributeError("shape", expected: "extents of 0 or more", actual: "\(extent)")
      }
      context.setOutput(0, try context.elementType("dtype", among: .floats), Shape(extents))
    }
  }

  /// The same in the shape of another tensor, and in its type unless an attribute gives one.
  private static func randomLike(_ name: StaticString, attributes: [AttributeSchema]) -> OperatorSchema {
    OperatorSchema(
      name: name, versions: [22], inputs: [Parameter("input", .all)], outputs: [Parameter("output", .floats, group: 2)],
      attributes: attributes + [seed, AttributeSchema("dtype", .int)]
    ) { context throws(ApusError) in
      context.setOutput(0, try context.resultType(among: .floats), context.shape(0))
    }
  }

  private static let bounds = [AttributeSchema("low", default: .float(0)), AttributeSchema("high", default: .float(1))]
  private static let moments = [AttributeSchema("mean", default: .float(0)), AttributeSchema("scale", default: .float(1))]

  /// Evenly distributed in `low ..< high`.
  public static let randomUniform = random("RandomUniform", attributes: bounds)
  public static let randomUniformLike = randomLike("RandomUniformLike", attributes: bounds)
  /// Normally distributed with the given mean and standard deviation.
  public static let randomNormal = random("RandomNormal", attributes: moments)
  public static let randomNormalLike = randomLike("RandomNormalLike", attributes: moments)

  /// 1 with the probability that the input's element gives, else 0.
  public static let bernoulli = OperatorSchema(
    name: "Bernoulli", versions: [22], inputs: [Parameter("input", .floats)],
    outputs: [Parameter("output", [.numeric, TypeSet(.bool)], group: 2)],
    attributes: [seed, AttributeSchema("dtype", .int)]
  ) { context throws(ApusError) in
    context.setOutput(0, try context.resultType(among: [.numeric, TypeSet(.bool)]), context.shape(0))
  }

  /// `[rows, classes]` of logarithms of probabilities that need no norm: `[rows, sample_size]` of class numbers.
  public static let multinomial = OperatorSchema(
    name: "Multinomial", versions: [22], inputs: [Parameter("input", .floats)],
    outputs: [Parameter("output", .indices, group: 2)],
    attributes: [seed, AttributeSchema("dtype", default: .int(6)), AttributeSchema("sample_size", default: .int(1))]
  ) { context throws(ApusError) in
    try context.requireRank(0, 2)
    let samples = context.attributes.int("sample_size") ?? 1
    guard samples > 0 else { throw context.attributeError("sample_size", expected: "1 or more", actual: "\(samples)") }
    if let shape = context.shape(0), case .known(0) = shape[1] {
      throw context.error("there is no class to choose", input: 0, expected: "a class", actual: shape.text(symbols: []))
    }
    context.setOutput(
      0, try context.elementType("dtype", among: .indices), context.shape(0).map { Shape([$0[0], .known(samples)]) })
  }

  /// The operand itself, or with `training_mode` each element dropped with the probability `ratio` and the others scaled by
  /// `1 / (1 - ratio)`. The optional mask says which elements stay.
  public static let dropout = OperatorSchema(
    name: "Dropout", versions: [22],
    inputs: [
      Parameter("data", [.floats, .float8]), Parameter("ratio", [.floats, .float8], group: 2, .optional),
      Parameter("training_mode", TypeSet(.bool), group: 3, .optional),
    ],
    outputs: [Parameter("output", [.floats, .float8]), Parameter("mask", TypeSet(.bool), group: 3, .optional)],
    attributes: [AttributeSchema("seed", .int)]
  ) { context throws(ApusError) in
    for index in 1...2 {
      guard let shape = context.shape(index), let count = shape.known.flatMap({ elementCount($0) }), count != 1 else { continue }
      throw context.error("the operand is one number", input: index, expected: "[]", actual: shape.text(symbols: []))
    }
    try context.propagate()
    context.setOutput(1, .bool, context.shape(0))
  }
}

extension InferenceContext {
  /// The type that `dtype` names, or that of input 0.
  fileprivate func resultType(among types: TypeSet) throws(ApusError) -> ElementType {
    if attributes.int("dtype") != nil { return try elementType("dtype", among: types) }
    let type = try elementType(0)
    guard types.contains(type) else {
      throw attributeError("dtype", expected: types.text, actual: "nothing, beside an input of " + type.name.text)
    }
    return type
  }
}
