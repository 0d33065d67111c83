/// Index into `Graph.values`; -1 stands for an absent optional input or output of a node.
public typealias ValueID = Int32
/// Index into `ModelDefinition.tensors`.
public typealias TensorID = Int32
/// Index into `ModelDefinition.graphs`; 0 is the main graph.
public typealias GraphID = Int32

extension ValueID {
  /// An optional input or output that a node leaves out.
  public static let absent: ValueID = -1
}

/// A value of a graph: what a node reads or writes.
public struct Value: Sendable {
  /// Unique in its graph; empty for values that nobody names.
  public var name: Name
  /// nil where the type is left to inference.
  public var type: ValueType?
  /// The constant tensor that this value is; nil where it is computed or fed.
  public var constant: TensorID?

  public init(name: Name, type: ValueType? = nil, constant: TensorID? = nil) {
    self.name = name
    self.type = type
    self.constant = constant
  }
}

public enum AttributeValue: Equatable, Sendable {
  case int(Int64)
  case float(Float)
  case string(Name)
  case tensor(TensorID)
  case graph(GraphID)
  case ints([Int64])
  case floats([Float])
  case strings([Name])
  case tensors([TensorID])
  case graphs([GraphID])
  case type(ValueType)
}

public struct Attribute: Equatable, Sendable {
  public var name: Name
  public var value: AttributeValue

  public init(_ name: Name, _ value: AttributeValue) {
    self.name = name
    self.value = value
  }
}

/// One application of an operator. `domain`, `operatorName` and `sinceVersion` name a schema of the registry.
public struct Node: Sendable {
  /// For messages and profiles; may be empty.
  public var name: Name
  /// `ai.onnx`, `ai.onnx.ml`, `apus`, or the user's own.
  public var domain: Name
  public var operatorName: Name
  public var sinceVersion: Int32
  public var inputs: [ValueID]
  public var outputs: [ValueID]
  public var attributes: [Attribute]

  public init(
    name: Name = .empty, domain: Name = .onnx, operatorName: Name, sinceVersion: Int32, inputs: [ValueID], outputs: [ValueID],
    attributes: [Attribute] = []
  ) {
    self.name = name
    self.domain = domain
    self.operatorName = operatorName
    self.sinceVersion = sinceVersion
    self.inputs = inputs
    self.outputs = outputs
    self.attributes = attributes
  }

  /// `conv1 (ai.onnx.Conv-22)`, as errors and profiles print it.
  public var label: String {
    let kind = domain.string + "." + operatorName.string + "-\(sinceVersion)"
    return name.isEmpty ? kind : name.string + " (" + kind + ")"
  }
}

extension Name {
  /// The domain of the standard operators, spelled out (ONNX files leave it empty).
  public static var onnx: Name {
    @inline(never) get { standard }
  }
  private static let standard: Name = "ai.onnx"
  public static let machineLearning: Name = "ai.onnx.ml"
  public static let previewTraining: Name = "ai.onnx.preview.training"
  /// The domain of Apus's own operators.
  public static let apus: Name = "apus"
}

/// A value of an enclosing graph that a subgraph reads.
public struct Capture: Equatable, Sendable {
  public var inner: ValueID
  public var outer: ValueID

  public init(inner: ValueID, outer: ValueID) {
    self.inner = inner
    self.outer = outer
  }
}

/// One graph, main or nested: arrays of values and nodes that name each other by index. Nodes stand in an order in which every
/// value is written before it is read.
public struct Graph: Sendable {
  public var name: Name
  /// The graph that this one is nested in; nil for the main graph.
  public var parent: GraphID?
  public var values: [Value]
  public var nodes: [Node]
  public var inputs: [ValueID]
  public var outputs: [ValueID]
  public var captures: [Capture]

  public init(
    name: Name = .empty, parent: GraphID? = nil, values: [Value] = [], nodes: [Node] = [], inputs: [ValueID] = [],
    outputs: [ValueID] = [], captures: [Capture] = []
  ) {
    self.name = name
    self.parent = parent
    self.values = values
    self.nodes = nodes
    self.inputs = inputs
    self.outputs = outputs
    self.captures = captures
  }
}

/// Where the bytes of a constant tensor are. Row-major, little-endian; 4- and 2-bit elements packed low bits first.
public enum TensorStorage: Sendable {
  /// Small tensors inside the graph section, or any tensor of a model that is still in memory.
  case inline([UInt8])
  /// `length` bytes from `offset` of the decoded segment `index`.
  case segment(index: Int32, offset: UInt64, length: UInt64)
}

/// A tensor whose elements are part of the model.
public struct ConstantTensor: Sendable {
  /// For messages; may be empty.
  public var name: Name
  public var elementType: ElementType
  public var dimensions: [Int]
  public var storage: TensorStorage
  public var quantization: Quantization?

  public init(
    name: Name = .empty, elementType: ElementType, dimensions: [Int], storage: TensorStorage, quantization: Quantization? = nil
  ) {
    self.name = name
    self.elementType = elementType
    self.dimensions = dimensions
    self.storage = storage
    self.quantization = quantization
  }
}

extension ConstantTensor {
  /// The bytes of a tensor that stands in the graph section; nil for one in a segment.
  public var inlineBytes: [UInt8]? {
    if case .inline(let bytes) = storage { bytes } else { nil }
  }
}

/// State carried from one run to the next: `output` of a run becomes `input` of the next, `initial` of the first.
public struct State: Equatable, Sendable {
  public var name: Name
  public var input: ValueID
  public var output: ValueID
  /// nil: zeros.
  public var initial: TensorID?

  public init(name: Name, input: ValueID, output: ValueID, initial: TensorID? = nil) {
    self.name = name
    self.input = input
    self.output = output
    self.initial = initial
  }
}

/// A named way to call the main graph. A model without signatures has one, of all its inputs and outputs.
public struct Signature: Sendable {
  public var name: Name
  public var inputs: [ValueID]
  public var outputs: [ValueID]
  public var states: [State]

  public init(name: Name, inputs: [ValueID], outputs: [ValueID], states: [State] = []) {
    self.name = name
    self.inputs = inputs
    self.outputs = outputs
    self.states = states
  }
}

/// Stored inputs with the outputs that the model's source gave for them.
public struct TestVector: Sendable {
  public struct Tensor: Sendable {
    /// Name of the main graph's input or output.
    public var name: Name
    public var tensor: ConstantTensor

    public init(name: Name, tensor: ConstantTensor) {
      self.name = name
      self.tensor = tensor
    }
  }

  public var name: Name
  public var inputs: [Tensor]
  public var outputs: [Tensor]
  /// An element passes if |actual - expected| <= absoluteTolerance + relativeTolerance * |expected|.
  public var absoluteTolerance: Float
  public var relativeTolerance: Float

  public init(
    name: Name, inputs: [Tensor], outputs: [Tensor], absoluteTolerance: Float, relativeTolerance: Float
  ) {
    self.name = name
    self.inputs = inputs
    self.outputs = outputs
    self.absoluteTolerance = absoluteTolerance
    self.relativeTolerance = relativeTolerance
  }
}

/// Where a model comes from and what it says about itself. No time stamps: one model gives one file.
public struct Metadata: Sendable {
  public struct Entry: Equatable, Sendable {
    public var key: Name
    public var value: Name

    public init(key: Name, value: Name) {
      self.key = key
      self.value = value
    }
  }

  /// Sorted by key when written.
  public var entries: [Entry] = []
  /// Program and version that wrote the file.
  public var producer: Name = .empty
  /// SHA-256 of the source checkpoint; empty where there is none.
  public var sourceHash: [UInt8] = []
  public var quantizationMethod: Name = .empty
  /// SHA-256 of the calibration data; empty where there is none.
  public var calibrationHash: [UInt8] = []
  public var testVectors: [TestVector] = []

  public init() {}
}

/// A whole model, as files hold it and compilers read it: no implementation, no layout.
public struct ModelDefinition: Sendable {
  public var symbols: [Symbol]
  /// The main graph and the graphs nested in it.
  public var graphs: [Graph]
  public var tensors: [ConstantTensor]
  public var signatures: [Signature]
  public var metadata: Metadata

  public init(
    symbols: [Symbol] = [], graphs: [Graph] = [], tensors: [ConstantTensor] = [], signatures: [Signature] = [],
    metadata: Metadata = Metadata()
  ) {
    self.symbols = symbols
    self.graphs = graphs
    self.tensors = tensors
    self.signatures = signatures
    self.metadata = metadata
  }
}
