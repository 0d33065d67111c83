extension KernelBindings {
  static let elementwise: [KernelBinding] = [
    .absolute, .acos, .acosh, .add, .and, .asin, .asinh, .atan, .atanh, .bitCast, .bitShift, .bitwiseAnd, .bitwiseNot,
    .bitwiseOr, .bitwiseXor, .cast, .castLike, .ceil, .celu, .clip, .cos, .cosh, .div, .elu, .equal, .erf, .exp,
    .floor, .gelu, .greater, .greaterOrEqual, .hardSigmoid, .hardSwish, .isInf, .isNaN, .leakyRelu, .less,
    .lessOrEqual, .log, .maximum, .mean, .microsoftBiasGelu, .microsoftFastGelu, .microsoftGelu, .microsoftQuickGelu,
    .minimum, .mish, .mod, .mul, .neg, .not, .or, .pow, .prelu, .reciprocal, .relu, .round, .selu, .shrink, .sigmoid,
    .sign, .sin, .sinh, .softplus, .softsign, .sqrt, .sub, .sum, .swish, .tan, .tanh, .thresholdedRelu, .where,
    .xor,
  ]
  static let elementwiseHosts: [HostBinding] = [.cast, .castLike]
}
