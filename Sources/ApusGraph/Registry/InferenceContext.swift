/// What is known of an input of a node that is a tensor.
public struct Operand: Sendable {
  public var type: TensorType
  /// The elements of a small tensor where they are known, as bytes in the tensor's own layout.
  public var contents: [UInt8]?

  public init(type: TensorType, contents: [UInt8]? = nil) {
    self.type = type
    self.contents = contents
  }

  /// The elements of an integer or bool tensor, where they are known.
  public var integers: [Int64]? { contents.flatMap { type.elementType.integers($0) } }

  /// The elements of a float tensor, where they are known.
  public var floats: [Double]? { contents.flatMap { type.elementType.floats($0) } }
}

/// A node with its schema: attributes by name, with defaults. A class, so that rules and bindings hand it on by reference.
public final class AttributeReader: Sendable {
  public let node: Node
  public let schema: OperatorSchema

  public init(node: Node, schema: OperatorSchema) {
    self.node = node
    self.schema = schema
  }

  /// The attribute as the node gives it or, where it leaves it out, the schema's default.
  public func value(_ name: StaticString) -> AttributeValue? {
    for attribute in node.attributes where attribute.name.is(name) { return attribute.value }
    for attribute in schema.attributes where attribute.name.is(name) { return attribute.defaultValue }
    return nil
  }

  public func int(_ name: StaticString) -> Int? {
    if case .int(let value) = value(name) { Int(value) } else { nil }
  }

  /// An int attribute that ONNX uses as a truth value: 0 is false, all else true.
  public func flag(_ name: StaticString) -> Bool { (int(name) ?? 0) != 0 }

  public func float(_ name: StaticString) -> Float? {
    if case .float(let value) = value(name) { value } else { nil }
  }

  public func floats(_ name: StaticString) -> [Float]? {
    if case .floats(let values) = value(name) { values } else { nil }
  }

  public func ints(_ name: StaticString) -> [Int]? {
    if case .ints(let values) = value(name) { values.map { Int($0) } } else { nil }
  }

  public func string(_ name: StaticString) -> Name? {
    if case .string(let value) = value(name) { value } else { nil }
  }

  public func strings(_ name: StaticString) -> [Name]? {
    if case .strings(let values) = value(name) { values } else { nil }
  }

  public func tensor(_ name: StaticString) -> TensorID? {
    if case .tensor(let id) = value(name) { id } else { nil }
  }

  public func graph(_ name: StaticString) -> GraphID? {
    if case .graph(let id) = value(name) { id } else { nil }
  }

  public func type(_ name: StaticString) -> ValueType? {
    if case .type(let type) = value(name) { type } else { nil }
  }
}

/// What a shape rule reads and writes. Inputs that are left out, are no tensors, or have no known type are nil.
public struct InferenceContext: Sendable {
  public let attributes: AttributeReader
  public let inputs: [Operand?]
  /// The types of the inputs of whatever kind, for operators that take more than tensors.
  public let valueTypes: [ValueType?]
  public var outputs: [ValueType?]
  /// Types and shapes of constant tensors, for rules whose attributes name one.
  public let tensors: [ConstantTensor]

  public init(
    attributes: AttributeReader, inputs: [Operand?], valueTypes: [ValueType?] = [], tensors: [ConstantTensor]
  ) {
    self.attributes = attributes
    self.inputs = inputs
    self.valueTypes = valueTypes
    self.tensors = tensors
    outputs = Array(repeating: nil, count: attributes.node.outputs.count)
  }

  public var node: Node { attributes.node }

  public func input(_ index: Int) -> Operand? { index < inputs.count ? inputs[index] : nil }

  /// The shape of an input, or nil while it is not known.
  public func shape(_ index: Int) -> Shape? { input(index)?.type.shape }

  /// The element type of an input that must be there. The registry's check has seen to that before a rule runs.
  public func elementType(_ index: Int) throws(ApusError) -> ElementType {
    guard let operand = input(index) else { throw error("input \(index) has no known type") }
    return operand.type.elementType
  }

  public mutating func setOutput(_ index: Int, _ elementType: ElementType, _ shape: Shape?) {
    if index < outputs.count { outputs[index] = .tensor(TensorType(elementType, shape)) }
  }

  /// Declares the type of an output that may be no tensor.
  public mutating func setOutput(_ index: Int, _ type: ValueType?) {
    if index < outputs.count { outputs[index] = type }
  }

  /// The type of an input of whatever kind, where it is known.
  public func valueType(_ index: Int) -> ValueType? {
    if index < valueTypes.count, let type = valueTypes[index] { return type }
    return input(index).map { .tensor($0.type) }
  }

  /// Declares that output 0 has the type and shape of input 0.
  public mutating func propagate() throws(ApusError) {
    setOutput(0, try elementType(0), shape(0))
  }

  /// A `shape_inference` error about this node.
  public func error(_ message: String, input: Int? = nil, expected: String = "", actual: String = "") -> ApusError {
    var tensor = ""
    if let input, input < attributes.schema.inputs.count { tensor = attributes.schema.inputs[input].name.text }
    return ApusError(
      .shapeInference, message, operatorName: node.label, tensorName: tensor, expected: expected, actual: actual)
  }

  /// An `invalid_attribute` error about this node.
  public func attributeError(_ name: StaticString, expected: String, actual: String) -> ApusError {
    ApusError(
      .invalidAttribute, "attribute '" + name.text + "' is out of range", operatorName: node.label, expected: expected,
      actual: actual)
  }

  /// Demands a rank of an input whose shape is known.
  public func requireRank(_ index: Int, _ rank: Int) throws(ApusError) {
    guard let shape = shape(index), shape.rank != rank else { return }
    throw error("wrong rank", input: index, expected: "rank \(rank)", actual: shape.text(symbols: []))
  }

  public func requireRank(_ index: Int, atLeast rank: Int) throws(ApusError) {
    guard let shape = shape(index), shape.rank < rank else { return }
    throw error("wrong rank", input: index, expected: "rank \(rank) or more", actual: shape.text(symbols: []))
  }

  /// `axis` counted from the front; ONNX counts negative axes from the back.
  public func normalizedAxis(_ axis: Int, rank: Int, attribute: StaticString = "axis") throws(ApusError) -> Int {
    guard axis >= -rank, axis < rank else {
      throw attributeError(attribute, expected: "-\(rank) <= axis < \(rank)", actual: "\(axis)")
    }
    return axis < 0 ? axis + rank : axis
  }

  /// Two extents that must be equal: the better known of them.
  public func unified(_ a: Dimension, _ b: Dimension, _ what: String) throws(ApusError) -> Dimension {
    switch (a, b) {
    case (.known(let x), .known(let y)):
      guard x == y else { throw error(what + " differ", expected: "\(x)", actual: "\(y)") }
      return a
    case (.known, _): return a
    case (_, .known): return b
    case (.unknown, _): return b
    case (_, .unknown): return a
    case (.symbol, .symbol): return a
    }
  }
}
