/// What an operator is: its name, parameters, attributes, type constraints and shape rule. One definition serves training,
/// conversion and the runtime.
public struct OperatorSchema: Sendable {
  public var domain: Name
  public var name: Name
  /// The since-versions that this definition covers, ascending: versions that differ in allowed types alone share one entry.
  public var versions: [Int32]
  public var inputs: [Parameter]
  public var outputs: [Parameter]
  public var attributes: [AttributeSchema]
  /// Sets the output types from the input types; throws where the node is wrong.
  public var infer: @Sendable (inout InferenceContext) throws(ApusError) -> Void

  public init(
    domain: Name = .onnx, name: Name, versions: [Int32], inputs: [Parameter], outputs: [Parameter],
    attributes: [AttributeSchema] = [], infer: @escaping @Sendable (inout InferenceContext) throws(ApusError) -> Void
  ) {
    self.domain = domain
    self.name = name
    self.versions = versions
    self.inputs = inputs
    self.outputs = outputs
    self.attributes = attributes
    self.infer = infer
  }

  public var minimumInputs: Int { inputs.lastIndex { $0.arity != .optional }.map { $0 + 1 } ?? 0 }
  public var maximumInputs: Int { inputs.last?.arity == .variadic ? Int.max : inputs.count }
  public var minimumOutputs: Int { outputs.lastIndex { $0.arity != .optional }.map { $0 + 1 } ?? 0 }
  public var maximumOutputs: Int { outputs.last?.arity == .variadic ? Int.max : outputs.count }

  /// The parameter at a position; a variadic last one repeats.
  func parameter(_ index: Int, of list: [Parameter]) -> Parameter { list[min(index, list.count - 1)] }
}

/// An input or output of an operator.
public struct Parameter: Sendable {
  public enum Arity: Sendable {
    case required
    /// May be left out (`ValueID.absent`, or missing at the end).
    case optional
    /// The last parameter, once or more.
    case variadic
  }

  public var name: StaticString
  public var types: TypeSet
  /// Parameters of one group have one element type; 0 stands for no group.
  public var group: Int
  public var arity: Arity

  public init(_ name: StaticString, _ types: TypeSet, group: Int = 1, _ arity: Arity = .required) {
    self.name = name
    self.types = types
    self.group = group
    self.arity = arity
  }
}

/// An attribute of an operator: its kind, and its default where it may be left out.
public struct AttributeSchema: Sendable {
  public enum Kind: Int32, Sendable {
    case int, float, string, tensor, graph, ints, floats, strings, tensors, graphs, type
  }

  public var name: Name
  public var kind: Kind
  public var isRequired: Bool
  /// nil with `isRequired` false: leaving it out has a meaning of its own, which the shape rule and the kernel know.
  public var defaultValue: AttributeValue?

  public init(_ name: Name, _ kind: Kind, required: Bool = false) {
    self.name = name
    self.kind = kind
    isRequired = required
  }

  public init(_ name: Name, default value: AttributeValue) {
    self.name = name
    kind = value.kind
    isRequired = false
    defaultValue = value
  }
}

extension AttributeValue {
  public var kind: AttributeSchema.Kind {
    switch self {
    case .int: .int
    case .float: .float
    case .string: .string
    case .tensor: .tensor
    case .graph: .graph
    case .ints: .ints
    case .floats: .floats
    case .strings: .strings
    case .tensors: .tensors
    case .graphs: .graphs
    case .type: .type
    }
  }
}

extension AttributeSchema.Kind {
  /// The name used in messages.
  public var text: String {
    switch self {
    case .int: "int"
    case .float: "float"
    case .string: "string"
    case .tensor: "tensor"
    case .graph: "graph"
    case .ints: "ints"
    case .floats: "floats"
    case .strings: "strings"
    case .tensors: "tensors"
    case .graphs: "graphs"
    case .type: "type"
    }
  }
}
