/// What an operator is: its name, parameters, attributes, type constraints and shape rule. One definition serves training,
/// conversion and the runtime. A class, so that lists, nodes and rules share the one definition by reference.
public final class OperatorSchema: Sendable {
  public let domain: Name
  public let name: Name
  /// The since-versions that this definition covers, ascending: versions that differ in allowed types alone share one entry.
  public let versions: [Int32]
  public let inputs: [Parameter]
  public let outputs: [Parameter]
  public let attributes: [AttributeSchema]
  /// Sets the output types from the input types; throws where the node is wrong.
  public let infer: @Sendable (inout InferenceContext) throws(ApusError) -> Void
  /// The elements of output 0 where they follow from the types of the inputs alone, as those of Shape do; nil for operators
  /// that compute.
  public let contents: (@Sendable (InferenceContext) -> [Int64]?)?

  // These initializers stay out of line: each of some hundred definitions would hold copies of them.
  @inline(never)
  public init(
    domain: Name? = nil, name: StaticString, versions: [Int32], inputs: [Parameter], outputs: [Parameter],
    attributes: [AttributeSchema] = [], contents: (@Sendable (InferenceContext) -> [Int64]?)? = nil,
    infer: @escaping @Sendable (inout InferenceContext) throws(ApusError) -> Void
  ) {
    self.domain = domain ?? .onnx
    self.name = Name(stringLiteral: name)
    self.versions = versions
    self.inputs = inputs
    self.outputs = outputs
    self.attributes = attributes
    self.contents = contents
    self.infer = infer
  }

  public var minimumInputs: Int { OperatorSchema.least(inputs) }
  public var maximumInputs: Int { OperatorSchema.most(inputs) }
  public var minimumOutputs: Int { OperatorSchema.least(outputs) }
  public var maximumOutputs: Int { OperatorSchema.most(outputs) }

  private static func least(_ list: [Parameter]) -> Int {
    list.lastIndex { $0.arity == .required || $0.arity == .variadic }.map { $0 + 1 } ?? 0
  }

  private static func most(_ list: [Parameter]) -> Int {
    list.last.map { $0.arity == .variadic || $0.arity == .variadicOptional } ?? false ? Int.max : list.count
  }

  /// The parameter at a position; a variadic last one repeats.
  public func parameter(_ index: Int, of list: [Parameter]) -> Parameter { list[min(index, list.count - 1)] }
}

/// An input or output of an operator.
public struct Parameter: Sendable {
  public enum Arity: Sendable {
    case required
    /// May be left out (`ValueID.absent`, or missing at the end).
    case optional
    /// The last parameter, once or more.
    case variadic
    /// The last parameter, any number of times; single ones may be left out.
    case variadicOptional
  }

  /// What a value must be.
  public enum Kind: Sendable {
    case tensor
    case sequence
    case optional
    /// A value of any kind.
    case any
  }

  public var name: StaticString
  public var types: TypeSet
  /// Parameters of one group have one element type; 0 stands for no group.
  public var group: Int
  public var arity: Arity
  /// `types` holds for tensors alone.
  public var kind: Kind
  /// Whether the elements of the operand, not its type alone, decide shapes or how the operator is run: axes, extents,
  /// counts. A kernel binding finds them known.
  public var steers: Bool

  @inline(never)
  public init(
    _ name: StaticString, _ types: TypeSet, group: Int = 1, _ arity: Arity = .required, kind: Kind = .tensor,
    steers: Bool = false
  ) {
    self.name = name
    self.types = types
    self.group = group
    self.arity = arity
    self.kind = kind
    self.steers = steers
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

  @inline(never)
  public init(_ name: StaticString, _ kind: Kind, required: Bool = false) {
    self.name = Name(stringLiteral: name)
    self.kind = kind
    isRequired = required
  }

  @inline(never)
  public init(_ name: StaticString, default value: AttributeValue) {
    self.name = Name(stringLiteral: name)
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
