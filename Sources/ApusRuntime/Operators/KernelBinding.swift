import ApusGraph
import CApusKernels

/// A node of the program as a binding sees it.
struct BoundNode {
  let node: ProgramNode
  /// Attributes, input types and the known contents of integer inputs.
  let context: InferenceContext

  init(_ node: ProgramNode, schema: OperatorSchema, inference: TypeInference, tensors: [ConstantTensor]) {
    self.node = node
    let operands = node.node.inputs.map { id -> Operand? in
      guard id >= 0, let type = inference.types[Int(id)] else { return nil }
      return Operand(type: type, integers: inference.integers[Int(id)])
    }
    context = InferenceContext(
      attributes: AttributeReader(node: node.node, schema: schema), inputs: operands, tensors: tensors)
  }

  var attributes: AttributeReader { context.attributes }

  /// A required input.
  func input(_ index: Int) -> ValueID { node.node.inputs[index] }

  /// An optional input, or nil where it is left out.
  func optionalInput(_ index: Int) -> ValueID? {
    index < node.node.inputs.count && node.node.inputs[index] >= 0 ? node.node.inputs[index] : nil
  }

  func output(_ index: Int) -> ValueID { node.node.outputs[index] }

  func optionalOutput(_ index: Int) -> ValueID? {
    index < node.node.outputs.count && node.node.outputs[index] >= 0 ? node.node.outputs[index] : nil
  }

  func unsupported(_ message: String, expected: String = "", actual: String = "") -> ApusError {
    ApusError(.unsupported, message, operatorName: node.node.label, expected: expected, actual: actual)
  }
}

/// How the runtime runs an operator: emits the steps of a node into a plan.
struct KernelBinding: Sendable {
  let name: Name
  let emit: @Sendable (PlanBuilder, BoundNode) throws(ApusError) -> Void

  init(_ name: Name, emit: @escaping @Sendable (PlanBuilder, BoundNode) throws(ApusError) -> Void) {
    self.name = name
    self.emit = emit
  }
}

/// The operators that this build runs.
enum KernelBindings {
  /// Sorted by name, for binary search.
  static let core: [KernelBinding] = [
    .add, .averagePool, .batchNormalization, .cast, .concat, .conv, .div, .flatten, .gather, .gemm, .globalAveragePool,
    .leakyRelu, .logSoftmax, .lstm, .matMul, .maxPool, .mul, .reduceMean, .reduceSum, .relu, .reshape, .sigmoid, .softmax,
    .sub, .tanh, .transpose,
  ].sorted { $0.name < $1.name }

  static func binding(of node: ProgramNode) throws(ApusError) -> KernelBinding {
    var low = 0
    var high = core.count
    while low < high {
      let middle = low + (high - low) / 2
      if core[middle].name < node.node.operatorName { low = middle + 1 } else { high = middle }
    }
    guard node.node.domain == .onnx, low < core.count, core[low].name == node.node.operatorName else {
      throw ApusError(.unsupportedOperator, "this build has no kernel for the operator", operatorName: node.node.label)
    }
    return core[low]
  }
}

extension FusedActivation {
  /// Writes the activation into a tail.
  func apply(to tail: inout apusk_tail) {
    switch self {
    case .none: tail.activation = APUSK_ACTIVATION_NONE
    case .relu: tail.activation = APUSK_ACTIVATION_RELU
    case .leakyRelu(let alpha):
      tail.activation = APUSK_ACTIVATION_LEAKY_RELU
      tail.alpha = alpha
    case .sigmoid: tail.activation = APUSK_ACTIVATION_SIGMOID
    case .tanh: tail.activation = APUSK_ACTIVATION_TANH
    }
  }
}
