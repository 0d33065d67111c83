import ApusGraph

/// What one run of a model takes for given input shapes, whatever the implementation.
public struct ModelCost: Sendable {
  public struct NodeCost: Sendable {
    public let node: Node
    /// Shape of the first output.
    public let output: [Int]?
    /// Elements of the constants that the node is the first to read.
    public let parameters: UInt64
    /// nil where the operator's cost is not known.
    public let operations: UInt64?
  }

  public let inputShapes: [[Int]]
  public let outputShapes: [[Int]?]
  /// One a node, in the graph's order.
  public let nodes: [NodeCost]
  /// The largest sum of sizes of values that must exist at once: while a node runs, its operands, its results and whatever is
  /// read later. Constants do not count.
  public let liveBytes: UInt64
  /// Elements of all constants of floating-point type: the model's parameters.
  public let parameters: UInt64
  /// Bytes of all constants.
  public let constantBytes: UInt64

  /// Floating-point operations of one run. Nodes of unknown cost count as 0.
  public var operations: UInt64 { nodes.reduce(0) { $0 &+ ($1.operations ?? 0) } }

  /// - Parameters:
  ///   - inputShapes: one for each input of the model, in the order of its signature.
  ///   - readContents: the bytes of a small constant tensor.
  /// - Throws: what checks and shape rules of the operators find.
  public init(
    _ definition: ModelDefinition, inputShapes: [[Int]], registry: OperatorRegistry = .core,
    readContents: (TensorID) throws(ApusError) -> [UInt8]?
  ) throws(ApusError) {
    let graph = definition.calledGraph
    let types = try TypeInference(
      graph: graph, tensors: definition.tensors, registry: registry, inputShapes: inputShapes.map { Shape($0) },
      readContents: readContents
    ).tensorTypes
    func shape(_ id: ValueID) -> [Int]? { id < 0 ? nil : types[Int(id)]?.shape?.known }
    self.inputShapes = inputShapes
    outputShapes = graph.outputs.map { shape($0) }
    var seen: Set<TensorID> = []
    nodes = graph.nodes.map { node in
      var parameters: UInt64 = 0
      for id in node.inputs where id >= 0 {
        guard let tensor = graph.values[Int(id)].constant, seen.insert(tensor).inserted else { continue }
        parameters += ModelCost.parameters(definition.tensors[Int(tensor)])
      }
      return NodeCost(
        node: node, output: node.outputs.first.flatMap { shape($0) }, parameters: parameters,
        operations: OperatorCost.operations(node, inputs: node.inputs.map(shape), outputs: node.outputs.map(shape)))
    }
    liveBytes = ModelCost.liveBytes(graph, types)
    parameters = definition.tensors.reduce(0) { $0 + ModelCost.parameters($1) }
    constantBytes = definition.tensors.reduce(0) {
      $0 + UInt64($1.elementType.byteCount(of: elementCount($1.dimensions) ?? 0) ?? 0)
    }
  }

  private static func parameters(_ tensor: ConstantTensor) -> UInt64 {
    switch tensor.elementType {
    case .float32, .float16, .bfloat16, .float64: UInt64(elementCount(tensor.dimensions) ?? 0)
    default: 0
    }
  }

  private static func liveBytes(_ graph: Graph, _ types: [TensorType?]) -> UInt64 {
    let never = -1
    var lastRead = Array(repeating: never, count: graph.values.count)
    for (position, node) in graph.nodes.enumerated() {
      // A value that nobody reads lives while its node runs.
      for id in node.outputs + node.inputs where id >= 0 { lastRead[Int(id)] = position }
    }
    for id in graph.outputs { lastRead[Int(id)] = graph.nodes.count }
    func bytes(_ id: ValueID) -> UInt64 {
      guard graph.values[Int(id)].constant == nil, let type = types[Int(id)], let extents = type.shape?.known,
        let count = elementCount(extents), let size = type.elementType.byteCount(of: count)
      else { return 0 }
      return UInt64(size)
    }
    var live = graph.inputs.reduce(UInt64(0)) { $0 &+ bytes($1) }
    var largest = live
    for (position, node) in graph.nodes.enumerated() {
      for id in node.outputs where id >= 0 { live &+= bytes(id) }
      largest = max(largest, live)
      for id in Set((node.inputs + node.outputs).filter { $0 >= 0 }) where lastRead[Int(id)] == position { live &-= bytes(id) }
    }
    return largest
  }
}

extension ModelDefinition {
  /// The input shapes with every symbol at its smallest allowed value that is not 0; nil where an input's extent is not known
  /// or no such value is allowed.
  public func smallestInputShapes() -> [[Int]]? {
    var shapes: [[Int]] = []
    for id in calledGraph.inputs {
      guard let shape = smallestShape(of: graphs[0].values[Int(id)]) else { return nil }
      shapes.append(shape)
    }
    return shapes
  }

  /// The same for one value.
  func smallestShape(of value: Value) -> [Int]? {
    guard let shape = value.type?.tensor?.shape else { return nil }
    var extents: [Int] = []
    for dimension in shape.dimensions {
      switch dimension {
      case .known(let extent): extents.append(extent)
      case .symbol(let id):
        let symbol = symbols[Int(id)]
        let multiple = max(symbol.multiple, 1)
        let (rounded, overflow) = (max(symbol.minimum, 1) - 1).addingReportingOverflow(multiple)
        let value = rounded / multiple * multiple
        guard !overflow, value <= symbol.maximum ?? Int.max else { return nil }
        extents.append(value)
      case .unknown: return nil
      }
    }
    return extents
  }
}
