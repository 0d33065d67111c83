extension OperatorSchema {
  /// An operator that maps each element to one of the same type.
  static func unary(
    _ name: StaticString, domain: Name? = nil, versions: [Int32], types: TypeSet, attributes: [AttributeSchema] = []
  ) -> OperatorSchema {
    OperatorSchema(
      domain: domain, name: name, versions: versions, inputs: [Parameter("X", types)], outputs: [Parameter("Y", types)],
      attributes: attributes
    ) { context throws(ApusError) in
      try context.propagate()
    }
  }

  public static let absolute = unary("Abs", versions: [13], types: .numeric)
  public static let neg = unary("Neg", versions: [13], types: [.floats, .signedIntegers])
  /// -1, 0 or 1; NaN for NaN.
  public static let sign = unary("Sign", versions: [13], types: .numeric)
  public static let ceil = unary("Ceil", versions: [13], types: .floats)
  public static let floor = unary("Floor", versions: [13], types: .floats)
  /// To the nearest integer, halves to the even one.
  public static let round = unary("Round", versions: [22], types: .floats)
  public static let sqrt = unary("Sqrt", versions: [13], types: .floats)
  public static let reciprocal = unary("Reciprocal", versions: [13], types: .floats)
  public static let exp = unary("Exp", versions: [13], types: .floats)
  /// The natural logarithm.
  public static let log = unary("Log", versions: [13], types: .floats)
  /// The error function, `2 / sqrt(pi) * integral of exp(-t^2) from 0 to x`.
  public static let erf = unary("Erf", versions: [13], types: .floats)
  public static let sin = unary("Sin", versions: [22], types: .floats)
  public static let cos = unary("Cos", versions: [22], types: .floats)
  public static let tan = unary("Tan", versions: [22], types: .floats)
  public static let asin = unary("Asin", versions: [22], types: .floats)
  public static let acos = unary("Acos", versions: [22], types: .floats)
  public static let atan = unary("Atan", versions: [22], types: .floats)
  public static let sinh = unary("Sinh", versions: [22], types: .floats)
  public static let cosh = unary("Cosh", versions: [22], types: .floats)
  public static let asinh = unary("Asinh", versions: [22], types: .floats)
  public static let acosh = unary("Acosh", versions: [22], types: .floats)
  public static let atanh = unary("Atanh", versions: [22], types: .floats)
  public static let not = unary("Not", versions: [1], types: TypeSet(.bool))
  /// All bits inverted.
  public static let bitwiseNot = unary("BitwiseNot", versions: [18], types: [.signedIntegers, .unsignedIntegers])

  /// Floating types that have NaN or infinity in ONNX's view.
  private static let special: TypeSet = [
    .floats, TypeSet(.float8e4m3fn, .float8e4m3fnuz, .float8e5m2, .float8e5m2fnuz),
  ]

  /// A question about each element.
  private static func predicate(_ name: StaticString, attributes: [AttributeSchema] = []) -> OperatorSchema {
    OperatorSchema(
      name: name, versions: [20], inputs: [Parameter("X", special)],
      outputs: [Parameter("Y", TypeSet(.bool), group: 2)], attributes: attributes
    ) { context throws(ApusError) in
      context.setOutput(0, .bool, context.shape(0))
    }
  }

  public static let isNaN = predicate("IsNaN")
  /// Whether an element is an infinity of one of the asked signs.
  public static let isInf = predicate(
    "IsInf",
    attributes: [
      AttributeSchema("detect_negative", default: .int(1)), AttributeSchema("detect_positive", default: .int(1)),
    ])
}
