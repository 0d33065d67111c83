import ApusGraph

/// An activation that a kernel applies to its result before it stores it.
public enum FusedActivation: Sendable, Equatable {
  case none
  case relu
  case leakyRelu(alpha: Float)
  case sigmoid
  case tanh
  /// Bounds, infinite where there is none.
  case clip(low: Float, high: Float)
  /// `clip(alpha x + beta)` between 0 and 1.
  case hardSigmoid(alpha: Float, beta: Float)
  /// `x` times that.
  case hardSwish(alpha: Float, beta: Float)
  /// `x sigmoid(alpha x)`.
  case swish(alpha: Float)
  /// `x Phi(x)`, Phi the standard normal distribution.
  case gelu

  /// ` + relu`, as it stands behind the operator in listings; nothing where there is none.
  public var text: String {
    switch self {
    case .none: ""
    case .relu: " + relu"
    case .leakyRelu(let alpha): " + leaky_relu(\(alpha))"
    case .sigmoid: " + sigmoid"
    case .tanh: " + tanh"
    case .clip(let low, let high): " + clip(\(low), \(high))"
    case .hardSigmoid(let alpha, let beta): " + hard_sigmoid(\(alpha), \(beta))"
    case .hardSwish: " + hard_swish"
    case .swish(let alpha): alpha == 1 ? " + silu" : " + swish(\(alpha))"
    case .gelu: " + gelu"
    }
  }
}

/// What a quantized product or convolution (QLinearConv, QLinearMatMul, QGemm with an 8-bit result) does with each of its
/// 8-bit results before it stores them.
public struct QuantizedTail: Sendable, Equatable {
  /// Bounds of the node's own result, within the range of its type: a Relu or Clip behind it.
  public var low: Int32
  public var high: Int32
  /// How `ProgramNode.residual` is added to that; nil where it is not.
  public var addition: QuantizedAddition?

  public init(low: Int32, high: Int32, addition: QuantizedAddition? = nil) {
    (self.low, self.high, self.addition) = (low, high, addition)
  }
}

/// The sum of two quantized tensors of one shape and type:
/// `clamp(roundTiesToEven(Float(a - zeroA) * factorA + Float(b - zeroB) * factorB) + zero, low, high)`, in float32, each
/// operation rounded. A factor is the operand's scale divided by the sum's.
public struct QuantizedAddition: Sendable, Equatable {
  /// Of the first operand; in a tail the node's own result, within its bounds.
  public var factorA: Float
  public var zeroA: Int32
  /// Of the second operand; in a tail the residual.
  public var factorB: Float
  public var zeroB: Int32
  /// Of the sum, with bounds within its type's range.
  public var zero: Int32
  public var low: Int32
  public var high: Int32
}

/// A node of the compiled program: an operator of the graph, with what was fused into it.
public struct ProgramNode: Sendable {
  /// The operator with its attributes; inputs and outputs are values of the program.
  public var node: Node
  /// A vector along the last axis of the result, added to it; for MatMul, whose operator has no bias.
  public var bias: ValueID?
  /// A tensor of the result's shape, added before the activation.
  public var residual: ValueID?
  public var activation: FusedActivation = .none
  /// What follows an 8-bit result; nil: nothing. Only for bindings that declare that they take it.
  public var tail: QuantizedTail?
  /// Where operands and result are 8-bit integers, and the operator is one of floats: what is computed.
  var quantized: QuantizedForm?
  /// Values that the node's subgraphs capture.
  public var captured: [ValueID] = []
  /// The node as the graph has it, for its shape rule, where a pass made a form of it that only the kernel knows.
  var original: Node?

  public init(_ node: Node) { self.node = node }

  /// Whether nothing was fused into the node.
  var isPlain: Bool { bias == nil && residual == nil && activation == .none && tail == nil && quantized == nil }

  /// All values that the node reads, those left out excepted.
  public var reads: [ValueID] {
    var ids = node.inputs.filter { $0 >= 0 }
    ids += captured
    if let bias { ids.append(bias) }
    if let residual { ids.append(residual) }
    return ids
  }

  /// `conv1 (ai.onnx.Conv-22) + bias + residual + relu`.
  public var label: String {
    var text = node.label
    if bias != nil { text += " + bias" }
    if residual != nil { text += " + residual" }
    if let tail { text += " + clamp(\(tail.addition?.low ?? tail.low), \(tail.addition?.high ?? tail.high))" }
    if let quantized { text += quantized.text }
    return text + activation.text
  }
}

/// A graph after the compiler's passes: what `prepare` lays out for given shapes. Made once, at load.
///
/// Values keep the ids of the graph; values that passes added (folded weights) come after them.
public struct Program: Sendable {
  /// The graph as loaded, constants resolved; types are inferred over it.
  public var graph: Graph
  public var nodes: [ProgramNode]
  /// States of the model: their outputs are copied to their inputs at the end of a run.
  public var states: [State]
  /// Where a value was found to be another one (Identity, Dropout): by value id, itself for all others.
  public var replacement: [ValueID]
  /// Values of the enclosing graph that this one reads: inner and outer ids, those of constants left out.
  public var captures: [Capture] = []
  /// Whether the compiler folds and fuses.
  var isOptimized = true
  /// By node: whether its results may steer shapes, so that they are wanted before a run.
  var feedsShapes: [Bool] = []

  /// The value that stands for `id` after the passes.
  public func resolved(_ id: ValueID) -> ValueID { id < 0 ? id : replacement[Int(id)] }

  public var outputs: [ValueID] { graph.outputs.map { resolved($0) } }

  /// How many nodes read each value; a graph output counts as one more reader.
  func readerCounts() -> [Int] {
    var counts = Array(repeating: 0, count: graph.values.count)
    for node in nodes {
      for id in node.reads { counts[Int(id)] += 1 }
    }
    for id in outputs { counts[Int(id)] += 1 }
    return counts
  }

  /// The position of the last node that reads each value, or nil where none does.
  func lastReaders() -> [Int?] {
    var readers: [Int?] = Array(repeating: nil, count: graph.values.count)
    for (position, node) in nodes.enumerated() {
      for id in node.reads { readers[Int(id)] = position }
    }
    return readers
  }

  /// The position of the node that writes each value, or nil for inputs and constants.
  func writers() -> [Int?] {
    var writers: [Int?] = Array(repeating: nil, count: graph.values.count)
    for (position, node) in nodes.enumerated() {
      for id in node.node.outputs where id >= 0 { writers[Int(id)] = position }
    }
    return writers
  }
}
