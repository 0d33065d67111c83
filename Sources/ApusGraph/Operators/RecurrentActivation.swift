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
