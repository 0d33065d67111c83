import ApusGraph
import CApusKernels

/// The activations f, g and h of each direction of a recurrent layer.
struct RecurrentActivations {
  var f: (apusk_rnn_activation, apusk_rnn_activation)
  var g: (apusk_rnn_activation, apusk_rnn_activation)
  var h: (apusk_rnn_activation, apusk_rnn_activation)

  /// Attribute `activations`, with alphas and betas in the same order, or `defaults`: the functions of one direction.
  init(_ node: BoundNode, directions: Int, defaults: [RecurrentActivation]) throws(ApusError) {
    var functions: [apusk_rnn_activation] = []
    let names = node.attributes.strings("activations") ?? []
    guard names.isEmpty || names.count == defaults.count * directions else {
      throw node.context.attributeError(
        "activations", expected: "\(defaults.count * directions) names", actual: "\(names.count)")
    }
    // Only functions that have a parameter take one from the list.
    var alphas = (node.attributes.floats("activation_alpha") ?? [])[...]
    var betas = (node.attributes.floats("activation_beta") ?? [])[...]
    for position in 0..<defaults.count * directions {
      var function = defaults[position % defaults.count]
      if !names.isEmpty {
        guard let named = RecurrentActivation.named(names[position]) else {
          throw node.unsupported("an unknown recurrent activation", actual: names[position].string)
        }
        function = named
      }
      var activation = apusk_rnn_activation(
        code: function.code, alpha: function.defaultAlpha, beta: function.defaultBeta)
      if function.hasAlpha, let alpha = alphas.popFirst() { activation.alpha = alpha }
      if function.hasBeta, let beta = betas.popFirst() { activation.beta = beta }
      functions.append(activation)
    }
    // A layer of one direction has the same functions in both places; one with fewer functions, any in the others.
    func pair(_ index: Int) -> (apusk_rnn_activation, apusk_rnn_activation) {
      let position = min(index, defaults.count - 1)
      return (functions[position], functions[(directions - 1) * defaults.count + position])
    }
    f = pair(0)
    g = pair(1)
    h = pair(2)
  }
}

extension RecurrentActivation {
  /// The function of a name; ONNX compares these names without regard to case.
  static func named(_ name: Name) -> RecurrentActivation? {
    let wanted = name.bytes.map { $0 >= 65 && $0 <= 90 ? $0 + 32 : $0 }
    return allCases.first { $0.name.bytes.map { $0 >= 65 && $0 <= 90 ? $0 + 32 : $0 } == wanted }
  }

  /// The kernels' number.
  var code: Int32 {
    switch self {
    case .sigmoid: APUSK_RNN_SIGMOID
    case .tanh: APUSK_RNN_TANH
    case .relu: APUSK_RNN_RELU
    case .affine: APUSK_RNN_AFFINE
    case .leakyRelu: APUSK_RNN_LEAKY_RELU
    case .thresholdedRelu: APUSK_RNN_THRESHOLDED_RELU
    case .scaledTanh: APUSK_RNN_SCALED_TANH
    case .hardSigmoid: APUSK_RNN_HARD_SIGMOID
    case .elu: APUSK_RNN_ELU
    case .softsign: APUSK_RNN_SOFTSIGN
    case .softplus: APUSK_RNN_SOFTPLUS
    }
  }

  var hasAlpha: Bool {
    switch self {
    case .affine, .leakyRelu, .thresholdedRelu, .scaledTanh, .hardSigmoid, .elu: true
    default: false
    }
  }

  var hasBeta: Bool {
    switch self {
    case .affine, .scaledTanh, .hardSigmoid: true
    default: false
    }
  }

  /// ONNX's defaults.
  var defaultAlpha: Float {
    switch self {
    case .leakyRelu: 0.01
    case .hardSigmoid: 0.2
    case .affine, .thresholdedRelu, .scaledTanh, .elu: 1
    default: 0
    }
  }

  var defaultBeta: Float {
    switch self {
    case .hardSigmoid: 0.5
    case .scaledTanh: 1
    default: 0
    }
  }
}
