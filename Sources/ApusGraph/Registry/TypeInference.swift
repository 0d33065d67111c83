/// The types of a graph's values, found by running each node's shape rule in order.
public struct TypeInference: Sendable {
  /// By value id; nil for values whose type is not a tensor or not known.
  public private(set) var types: [TensorType?]
  /// By value id: the contents of small integer tensors that are known before a run, because they steer shapes.
  public private(set) var integers: [[Int64]?]

  /// Integer tensors up to this many elements are read where a shape rule may need them.
  public static let steeringElements = 1024

  /// Axes that a value may have.
  public static let maximumRank = 64

  /// - Parameters:
  ///   - graph: a graph whose ids are in range and whose nodes stand in order (the file's verifier sees to both).
  ///   - inputShapes: shapes that replace the declared ones of the graph's inputs, in order; nil keeps those.
  ///   - readIntegers: the elements of a constant int32 or int64 tensor of at most `steeringElements` elements.
  /// - Throws: the first error of a node's check or shape rule, naming the operator.
  public init(
    graph: Graph, tensors: [ConstantTensor], registry: OperatorRegistry, inputShapes: [Shape]? = nil,
    readIntegers: (TensorID) throws(ApusError) -> [Int64]?
  ) throws(ApusError) {
    types = Array(repeating: nil, count: graph.values.count)
    integers = Array(repeating: nil, count: graph.values.count)
    for (id, value) in graph.values.enumerated() {
      guard let constant = value.constant else { continue }
      let tensor = tensors[Int(constant)]
      types[id] = TensorType(tensor.elementType, Shape(tensor.dimensions), quantization: tensor.quantization)
      if TypeInference.mayWrite(tensor) { integers[id] = try readIntegers(constant) }
    }
    for (position, id) in graph.inputs.enumerated() {
      guard case .tensor(var type) = graph.values[Int(id)].type else {
        throw ApusError(
          .unsupported, "this version runs graphs whose inputs are tensors",
          tensorName: graph.values[Int(id)].name.string)
      }
      if let inputShapes { type.shape = inputShapes[position] }
      types[Int(id)] = type
    }
    for node in graph.nodes {
      let schema = try registry.schema(of: node)
      let operands = node.inputs.map { operand($0) }
      try schema.check(node, inputs: operands)
      for (index, operand) in operands.enumerated() where operand == nil && node.inputs[index] >= 0 {
        throw ApusError(
          .unsupported, "the operator reads a value that is not a tensor", operatorName: node.label,
          tensorName: graph.values[Int(node.inputs[index])].name.string)
      }
      var context = InferenceContext(
        attributes: AttributeReader(node: node, schema: schema), inputs: operands, tensors: tensors)
      try schema.infer(&context)
      // Ranks add up along a chain of Gathers: without a bound a small file could ask for any amount of memory.
      for type in context.outputs {
        guard let rank = type?.shape?.rank, rank > TypeInference.maximumRank else { continue }
        throw ApusError(
          .limitExceeded, "an output has too many axes", operatorName: node.label,
          expected: "at most \(TypeInference.maximumRank)", actual: "\(rank)")
      }
      for (position, id) in node.outputs.enumerated() where id >= 0 {
        let declared = inputShapes == nil ? graph.values[Int(id)].type : nil
        types[Int(id)] = try TypeInference.merged(context, position, declared: declared)
      }
    }
  }

  private func operand(_ id: ValueID) -> Operand? {
    guard id >= 0, let type = types[Int(id)] else { return nil }
    return Operand(type: type, integers: integers[Int(id)])
  }

  private static func mayWrite(_ tensor: ConstantTensor) -> Bool {
    guard tensor.elementType == .int64 || tensor.elementType == .int32, tensor.dimensions.count <= 1 else { return false }
    return (elementCount(tensor.dimensions) ?? Int.max) <= steeringElements
  }

  /// The inferred type with what the file declares of the same value; they must agree.
  private static func merged(
    _ context: InferenceContext, _ position: Int, declared: ValueType?
  ) throws(ApusError) -> TensorType? {
    guard let inferred = context.outputs[position] else { return declared?.tensor }
    guard case .tensor(let stated) = declared else { return inferred }
    guard stated.elementType == inferred.elementType else {
      throw context.error(
        "output \(position) is declared with another element type", expected: inferred.elementType.name.text,
        actual: stated.elementType.name.text)
    }
    guard let a = inferred.shape, let b = stated.shape else {
      return TensorType(inferred.elementType, inferred.shape ?? stated.shape)
    }
    guard a.rank == b.rank else {
      throw context.error(
        "output \(position) is declared with another rank", expected: a.text(symbols: []), actual: b.text(symbols: []))
    }
    var result = a
    for axis in 0..<a.rank { result[axis] = try context.unified(a[axis], b[axis], "inferred and declared extents") }
    return TensorType(inferred.elementType, result, quantization: stated.quantization)
  }
}
