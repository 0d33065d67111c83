import ApusGraph
import CApusKernels

/// A node of the program as a binding sees it.
struct BoundNode {
  let node: ProgramNode
  /// Attributes, input types and the known contents of integer inputs.
  let context: InferenceContext

  init(_ node: ProgramNode, schema: OperatorSchema, inference: TypeInference, tensors: [ConstantTensor]) {
    self.node = node
    context = inference.context(of: node.node, schema: schema, tensors: tensors)
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

/// Parts of a `QuantizedTail` that kernels honour.
struct QuantizedTailParts: OptionSet, Sendable {
  let rawValue: UInt8
  static let bounds = QuantizedTailParts(rawValue: 1)
  static let addition = QuantizedTailParts(rawValue: 2)
}

/// How the runtime runs an operator: emits the steps of a node into a plan.
final class KernelBinding: Sendable {
  let domain: Name
  let name: Name
  /// Element types that the kernels take. Operands of others are widened to one of these, and results narrowed.
  let native: TypeSet
  /// What of a `QuantizedTail` the kernels honour.
  let tail: QuantizedTailParts
  let emit: @Sendable (PlanBuilder, BoundNode) throws(ApusError) -> Void

  @inline(never)
  init(
    _ name: StaticString, domain: Name? = nil, native: TypeSet = TypeSet(.float32),
    tail: QuantizedTailParts = [], emit: @escaping @Sendable (PlanBuilder, BoundNode) throws(ApusError) -> Void
  ) {
    self.name = Name(stringLiteral: name)
    self.domain = domain ?? .onnx
    self.native = native
    self.tail = tail
    self.emit = emit
  }
}

/// How the runtime runs an operator whose results' sizes depend on data, or that takes more than tensors: in Swift, between
/// the steps of planned kernels.
final class HostBinding: Sendable {
  let domain: Name
  let name: Name
  let run: @Sendable (HostContext) throws(ApusError) -> Void

  @inline(never)
  init(_ name: StaticString, domain: Name? = nil, run: @escaping @Sendable (HostContext) throws(ApusError) -> Void) {
    self.name = Name(stringLiteral: name)
    self.domain = domain ?? .onnx
    self.run = run
  }
}

/// How the operators of a registry are run: given at load, as the registry is.
public struct KernelBindings: Sendable {
  /// Sorted by domain and name, for binary search.
  private let kernels: [KernelBinding]
  private let hosts: [HostBinding]

  init(_ kernels: [KernelBinding], _ hosts: [HostBinding]) {
    self.kernels = kernels.inOrder { KernelBindings.precedes($0.domain, $0.name, $1.domain, $1.name) }
    self.hosts = hosts.inOrder { KernelBindings.precedes($0.domain, $0.name, $1.domain, $1.name) }
  }

  private static func precedes(_ domainA: Name, _ nameA: Name, _ domainB: Name, _ nameB: Name) -> Bool {
    domainA == domainB ? nameA < nameB : domainA < domainB
  }

  /// For `OperatorRegistry.core`.
  public static let core = KernelBindings(
    elementwise + quantization + random + reduction + normalization + loss + shape + indexing + resampling
      + convolution + pooling + matrix + attention + recurrent + signal + controlFlow + sequences,
    elementwiseHosts + quantizationHosts + randomHosts + reductionHosts + normalizationHosts + lossHosts
      + shapeHosts + indexingHosts + resamplingHosts + convolutionHosts + poolingHosts + matrixHosts + attentionHosts
      + recurrentHosts + signalHosts + controlFlowHosts + sequencesHosts)

  /// For `OperatorRegistry.full`.
  public static let full = KernelBindings(
    core.kernels + strings + machineLearning + training + imageDecoding,
    core.hosts + stringsHosts + machineLearningHosts + trainingHosts + imageDecodingHosts)

  /// Whether an operator can be run, by its domain and name.
  public func canRun(_ node: Node) -> Bool { kernel(of: node) != nil || host(of: node) != nil }

  func kernel(of node: Node) -> KernelBinding? {
    var low = 0
    var high = kernels.count
    while low < high {
      let middle = low + (high - low) / 2
      if KernelBindings.precedes(kernels[middle].domain, kernels[middle].name, node.domain, node.operatorName) {
        low = middle + 1
      } else {
        high = middle
      }
    }
    guard low < kernels.count, kernels[low].domain == node.domain, kernels[low].name == node.operatorName else { return nil }
    return kernels[low]
  }

  /// The kernels of `QuantizedForm`s; nil where this build has none.
  var quantizedForms: KernelBinding? {
    kernels.first { $0.domain == KernelBinding.quantizedDomain }
  }

  func host(of node: Node) -> HostBinding? {
    hosts.first { $0.domain == node.domain && $0.name == node.operatorName }
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
    case .clip(let low, let high): (tail.activation, tail.alpha, tail.beta) = (APUSK_ACTIVATION_CLIP, low, high)
    case .hardSigmoid(let alpha, let beta):
      (tail.activation, tail.alpha, tail.beta) = (APUSK_ACTIVATION_HARD_SIGMOID, alpha, beta)
    case .hardSwish(let alpha, let beta):
      (tail.activation, tail.alpha, tail.beta) = (APUSK_ACTIVATION_HARD_SWISH, alpha, beta)
    case .swish(let alpha): (tail.activation, tail.alpha) = (APUSK_ACTIVATION_SWISH, alpha)
    case .gelu: tail.activation = APUSK_ACTIVATION_GELU
    }
  }
}
