import ApusGraph
import CApusKernels

extension TypeSet {
  /// What unary kernels take: narrower floats are widened.
  static let unaryNative: TypeSet = [TypeSet(.float32, .float64, .bool), .signedIntegers, .unsignedIntegers]
}

extension PlanBuilder {
  /// Adds a step that maps each element of `source`.
  func emitUnary(
    _ function: Int32, _ type: ElementType, _ source: BufferID, to target: BufferID, count: Int, of id: ValueID,
    _ parameters: (inout apusk_unary_args) -> Void = { _ in }
  ) throws(ApusError) {
    var arguments = apusk_unary_args()
    arguments.count = Int64(count)
    parameters(&arguments)
    var plan = apusk_plan()
    try check(apusk_unary_plan(level, function, type.rawValue, &arguments, &plan), type, of: id)
    try emit(plan, arguments, from: source, to: target)
  }
}

extension KernelBinding {
  private typealias Parameters = @Sendable (AttributeReader, inout apusk_unary_args) -> Void

  private static func unary(
    _ name: StaticString, _ function: Int32, domain: Name? = nil, native: TypeSet = .unaryNative,
    _ parameters: @escaping Parameters = { _, _ in }
  ) -> KernelBinding {
    KernelBinding(name, domain: domain, native: native) { builder, node throws(ApusError) in
      let type = try builder.elementType(node.input(0))
      let layout = try builder.layout(of: node.input(0))
      let source = try builder.input(node.input(0), layout)
      // Over the operand only where a result is as wide as its element.
      let keepsType = try builder.elementType(node.output(0)) == type
      let target =
        keepsType
        ? try builder.output(node.output(0), layout, over: node.input(0)) : try builder.output(node.output(0), layout)
      try builder.emitUnary(
        function, type, source, to: target, count: try checkedElementCount(try builder.extents(node.input(0))),
        of: node.input(0)
      ) { parameters(node.attributes, &$0) }
    }
  }

  /// An attribute as a parameter of a kernel.
  private static func number(_ attributes: AttributeReader, _ name: StaticString) -> Double {
    Double(attributes.float(name) ?? 0)
  }

  private static let alpha: Parameters = { attributes, arguments in arguments.alpha = number(attributes, "alpha") }

  static let relu = unary("Relu", APUSK_UNARY_RELU)
  static let leakyRelu = unary("LeakyRelu", APUSK_UNARY_LEAKY_RELU, alpha)
  static let sigmoid = unary("Sigmoid", APUSK_UNARY_SIGMOID)
  static let tanh = unary("Tanh", APUSK_UNARY_TANH)
  static let exp = unary("Exp", APUSK_UNARY_EXP)
  static let log = unary("Log", APUSK_UNARY_LOG)
  static let neg = unary("Neg", APUSK_UNARY_NEG)
  static let absolute = unary("Abs", APUSK_UNARY_ABS)
  static let sqrt = unary("Sqrt", APUSK_UNARY_SQRT)
  static let ceil = unary("Ceil", APUSK_UNARY_CEIL)
  static let floor = unary("Floor", APUSK_UNARY_FLOOR)
  static let round = unary("Round", APUSK_UNARY_ROUND)
  static let reciprocal = unary("Reciprocal", APUSK_UNARY_RECIPROCAL)
  static let erf = unary("Erf", APUSK_UNARY_ERF)
  static let mish = unary("Mish", APUSK_UNARY_MISH)
  static let softplus = unary("Softplus", APUSK_UNARY_SOFTPLUS)
  static let softsign = unary("Softsign", APUSK_UNARY_SOFTSIGN)
  static let hardSwish = unary("HardSwish", APUSK_UNARY_HARD_SWISH)
  static let swish = unary("Swish", APUSK_UNARY_SWISH, alpha)
  static let thresholdedRelu = unary("ThresholdedRelu", APUSK_UNARY_THRESHOLDED_RELU, alpha)
  static let sign = unary("Sign", APUSK_UNARY_SIGN)
  static let sin = unary("Sin", APUSK_UNARY_SIN)
  static let cos = unary("Cos", APUSK_UNARY_COS)
  static let tan = unary("Tan", APUSK_UNARY_TAN)
  static let asin = unary("Asin", APUSK_UNARY_ASIN)
  static let acos = unary("Acos", APUSK_UNARY_ACOS)
  static let atan = unary("Atan", APUSK_UNARY_ATAN)
  static let sinh = unary("Sinh", APUSK_UNARY_SINH)
  static let cosh = unary("Cosh", APUSK_UNARY_COSH)
  static let asinh = unary("Asinh", APUSK_UNARY_ASINH)
  static let acosh = unary("Acosh", APUSK_UNARY_ACOSH)
  static let atanh = unary("Atanh", APUSK_UNARY_ATANH)
  static let not = unary("Not", APUSK_UNARY_NOT)
  static let bitwiseNot = unary("BitwiseNot", APUSK_UNARY_BITWISE_NOT)

  static let hardSigmoid = unary("HardSigmoid", APUSK_UNARY_HARD_SIGMOID) { attributes, arguments in
    arguments.alpha = number(attributes, "alpha")
    arguments.beta = number(attributes, "beta")
  }

  static let shrink = unary("Shrink", APUSK_UNARY_SHRINK) { attributes, arguments in
    arguments.alpha = number(attributes, "bias")
    arguments.beta = number(attributes, "lambd")
  }

  static let elu = unary("Elu", APUSK_UNARY_ELU) { attributes, arguments in
    (arguments.alpha, arguments.beta, arguments.gamma) = (number(attributes, "alpha"), 1, 1)
  }

  static let selu = unary("Selu", APUSK_UNARY_ELU) { attributes, arguments in
    let gamma = number(attributes, "gamma")
    (arguments.alpha, arguments.beta, arguments.gamma) = (gamma * number(attributes, "alpha"), 1, gamma)
  }

  static let celu = unary("Celu", APUSK_UNARY_ELU) { attributes, arguments in
    let alpha = number(attributes, "alpha")
    (arguments.alpha, arguments.beta, arguments.gamma) = (alpha, 1 / alpha, 1)
  }

  /// Types that are asked about in their own form: widening keeps NaN and infinity, but would cost a copy.
  private static let special: TypeSet = [.floats, .float8]

  static let isNaN = unary("IsNaN", APUSK_UNARY_IS_NAN, native: [special, TypeSet(.bool)])
  static let isInf = unary("IsInf", APUSK_UNARY_IS_INF, native: [special, TypeSet(.bool)]) { attributes, arguments in
    arguments.alpha = attributes.flag("detect_negative") ? 1 : 0
    arguments.beta = attributes.flag("detect_positive") ? 1 : 0
  }

  // MARK: Gelu and its kin

  /// Adds the optional bias along the last axis, then maps each element.
  private static func gelu(
    _ name: StaticString, domain: Name, _ function: @escaping @Sendable (AttributeReader) -> Int32
  ) -> KernelBinding {
    KernelBinding(name, domain: domain, native: TypeSet(.float32, .float64)) { builder, node throws(ApusError) in
      let type = try builder.elementType(node.input(0))
      let extents = try builder.extents(node.input(0))
      var source = try builder.input(node.input(0))
      let target = try builder.output(node.output(0), .plain, over: node.input(0))
      if let bias = node.optionalInput(1) {
        try builder.emitBinary(
          APUSK_BINARY_ADD, type, source, extents, try builder.input(bias), try builder.extents(bias), to: target,
          of: node.input(0))
        source = target
      }
      try builder.emitUnary(
        function(node.attributes), type, source, to: target, count: try checkedElementCount(extents), of: node.input(0))
    }
  }

  static let gelu = gelu("Gelu", domain: .onnx) {
    $0.string("approximate") == "tanh" ? APUSK_UNARY_GELU_TANH : APUSK_UNARY_GELU
  }
  static let microsoftGelu = gelu("Gelu", domain: "com.microsoft") { _ in APUSK_UNARY_GELU }
  static let microsoftBiasGelu = gelu("BiasGelu", domain: "com.microsoft") { _ in APUSK_UNARY_GELU }
  static let microsoftFastGelu = gelu("FastGelu", domain: "com.microsoft") { _ in APUSK_UNARY_GELU_TANH }
  static let microsoftQuickGelu = unary("QuickGelu", APUSK_UNARY_SWISH, domain: "com.microsoft", alpha)
}
