/// The types of a graph's values, found by running each node's shape rule in order.
public struct TypeInference: Sendable {
  /// By value id; nil where the type is not known.
  public private(set) var valueTypes: [ValueType?]
  /// By value id: the bytes of small tensors that are known before a run, because they may steer shapes.
  public private(set) var contents: [[UInt8]?]

  /// Tensors up to this many elements are read where a shape rule may need them.
  public static let steeringElements = 1024

  /// Axes that a value may have.
  public static let maximumRank = 64

  /// The types of a graph's inputs and constants; nodes are left to `infer`.
  ///
  /// - Parameters:
  ///   - graph: a graph whose ids are in range and whose nodes stand in order (the file's verifier sees to both).
  ///   - inputShapes: shapes that replace the declared ones of the graph's inputs, in order; nil keeps those.
  ///   - readContents: the bytes of a constant tensor of at most `steeringElements` elements.
  public init(
    of graph: Graph, tensors: [ConstantTensor], inputShapes: [Shape]? = nil,
    readContents: (TensorID) throws(ApusError) -> [UInt8]?
  ) throws(ApusError) {
    valueTypes = Array(repeating: nil, count: graph.values.count)
    contents = Array(repeating: nil, count: graph.values.count)
    for (id, value) in graph.values.enumerated() {
      guard let constant = value.constant else { continue }
      let tensor = tensors[Int(constant)]
      valueTypes[id] = .tensor(TensorType(tensor.elementType, Shape(tensor.dimensions), quantization: tensor.quantization))
      if TypeInference.maySteer(tensor) { contents[id] = try readContents(constant) }
    }
    for (position, id) in graph.inputs.enumerated() {
      if case .tensor(var type) = graph.values[Int(id)].type, let inputShapes {
        type.shape = inputShapes[position]
        valueTypes[Int(id)] = .tensor(type)
      } else {
        valueTypes[Int(id)] = graph.values[Int(id)].type
      }
    }
  }

  /// The types of all values of a graph; see the other initializer.
  /// - Throws: the first error of a node's check or shape rule, naming the operator.
  public init(
    graph: Graph, tensors: [ConstantTensor], registry: OperatorRegistry, inputShapes: [Shape]? = nil,
    readContents: (TensorID) throws(ApusError) -> [UInt8]?
  ) throws(ApusError) {
    try self.init(of: graph, tensors: tensors, inputShapes: inputShapes, readContents: readContents)
    for node in graph.nodes {
      try infer(
        node, schema: try registry.schema(of: node), tensors: tensors,
        declared: inputShapes == nil ? graph.values : nil)
    }
  }

  /// The type of a value that is a tensor of known type.
  public func type(_ id: ValueID) -> TensorType? { id < 0 ? nil : valueTypes[Int(id)]?.tensor }

  /// The types of all values that are tensors, by value id.
  public var tensorTypes: [TensorType?] { valueTypes.map { $0?.tensor } }

  /// What a node that reads a value knows of it.
  public func operand(_ id: ValueID) -> Operand? {
    type(id).map { Operand(type: $0, contents: contents[Int(id)]) }
  }

  public mutating func setType(_ type: ValueType?, of id: ValueID) { valueTypes[Int(id)] = type }

  public mutating func setContents(_ bytes: [UInt8]?, of id: ValueID) { contents[Int(id)] = bytes }

  /// Adds a value that the graph does not have. Returns its id.
  public mutating func addValue(_ type: ValueType) -> ValueID {
    valueTypes.append(type)
    contents.append(nil)
    return ValueID(valueTypes.count - 1)
  }

  /// What the shape rule of a node sees, and later its kernel.
  public func context(of node: Node, schema: OperatorSchema, tensors: [ConstantTensor]) -> InferenceContext {
    InferenceContext(
      attributes: AttributeReader(node: node, schema: schema), inputs: node.inputs.map { operand($0) },
      valueTypes: node.inputs.map { $0 < 0 ? nil : valueTypes[Int($0)] }, tensors: tensors)
  }

  /// Runs the shape rule of a node; its outputs stay unknown where the type of one of its inputs is.
  /// - Parameter declared: the graph's values, whose declared types must agree with the inferred ones; nil to leave them out.
  public mutating func infer(
    _ node: Node, schema: OperatorSchema, tensors: [ConstantTensor], declared: [Value]? = nil
  ) throws(ApusError) {
    var context = context(of: node, schema: schema, tensors: tensors)
    try schema.check(node, inputs: context.inputs, valueTypes: context.valueTypes)
    let isComplete = !node.inputs.contains { $0 >= 0 && valueTypes[Int($0)] == nil }
    if isComplete {
      try schema.infer(&context)
      try context.checkRanks()
    }
    for (position, id) in node.outputs.enumerated() where id >= 0 {
      valueTypes[Int(id)] = try TypeInference.merged(context, position, declared: declared?[Int(id)].type)
    }
    if isComplete, let id = node.outputs.first, id >= 0, let integers = schema.contents?(context) {
      contents[Int(id)] = type(id)?.elementType.bytes(of: integers)
    }
  }

  /// Whether a constant is small enough to be read for the sake of shapes.
  private static func maySteer(_ tensor: ConstantTensor) -> Bool {
    tensor.elementType.byteWidth != nil && (elementCount(tensor.dimensions) ?? Int.max) <= steeringElements
  }

  /// The inferred type with what the file declares of the same value; they must agree.
  private static func merged(
    _ context: InferenceContext, _ position: Int, declared: ValueType?
  ) throws(ApusError) -> ValueType? {
    guard let type = context.outputs[position] else { return declared }
    guard case .tensor(let inferred) = type, let declared else { return type }
    guard case .tensor(let stated) = declared else {
      throw context.error(
        "output \(position) is declared as another kind of value", expected: "tensor", actual: declared.kindText)
    }
    guard stated.elementType == inferred.elementType else {
      throw context.error(
        "output \(position) is declared with another element type", expected: inferred.elementType.name.text,
        actual: stated.elementType.name.text)
    }
    guard let a = inferred.shape, let b = stated.shape else {
      return .tensor(TensorType(inferred.elementType, inferred.shape ?? stated.shape))
    }
    guard a.rank == b.rank else {
      throw context.error(
        "output \(position) is declared with another rank", expected: a.text(symbols: []), actual: b.text(symbols: []))
    }
    var result = a
    for axis in 0..<a.rank { result[axis] = try context.unified(a[axis], b[axis], "inferred and declared extents") }
    return .tensor(TensorType(inferred.elementType, result, quantization: stated.quantization))
  }
}

extension InferenceContext {
  /// Ranks add up along a chain of Gathers: without a bound a small file could ask for any amount of memory.
  fileprivate func checkRanks() throws(ApusError) {
    for type in outputs {
      guard let rank = type?.tensor?.shape?.rank, rank > TypeInference.maximumRank else { continue }
      throw ApusError(
        .limitExceeded, "an output has too many axes", operatorName: node.label,
        expected: "at most \(TypeInference.maximumRank)", actual: "\(rank)")
    }
  }
}
