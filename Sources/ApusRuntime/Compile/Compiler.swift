import ApusGraph

/// Makes a `Program` of a verified graph: `resolve constants -> fold constants -> remove identities -> fold batch
/// normalization -> fuse tails -> mark shape computations`.
///
/// Each pass keeps the results bit for bit, but for the folding of batch normalization into weights, which rounds the
/// weights once (relative error of a weight at most 2^-23).
struct Compiler {
  var program: Program
  let constants: ConstantStore
  let registry: OperatorRegistry

  /// - Parameters:
  ///   - captured: by graph id, the values of the enclosing graph that a graph's nodes read.
  ///   - evaluator: runs nodes whose operands are constants.
  ///   - optimizes: whether to fold and fuse.
  static func compile(
    _ graph: Graph, captured: [[ValueID]], states: [State], evaluator: NodeEvaluator, optimizes: Bool = true
  ) throws(ApusError) -> Program {
    let nodes = graph.nodes.map { node in
      var made = ProgramNode(node)
      for attribute in node.attributes {
        if case .graph(let id) = attribute.value { made.captured += captured[Int(id)] }
      }
      return made
    }
    var compiler = Compiler(
      program: Program(
        graph: graph, nodes: nodes, states: states, replacement: graph.values.indices.map { ValueID($0) },
        captures: graph.captures),
      constants: evaluator.constants, registry: evaluator.registry)
    try compiler.resolveConstants()
    if optimizes { try compiler.foldConstants(evaluator) }
    try compiler.removeIdentities()
    if optimizes { try compiler.foldBatchNormalization() }
    try compiler.simplifyBatchNormalization()
    if optimizes {
      compiler.fuseBias()
      compiler.fuseResidual()
      compiler.fuseActivations()
    }
    try compiler.markShapeComputations()
    return compiler.program
  }

  /// Appends a value that holds a constant made by a pass.
  mutating func addConstant(_ id: TensorID, name: Name) -> ValueID {
    let tensor = constants.tensors[Int(id)]
    program.graph.values.append(
      Value(name: name, type: .tensor(TensorType(tensor.elementType, Shape(tensor.dimensions))), constant: id))
    let value = ValueID(program.graph.values.count - 1)
    program.replacement.append(value)
    return value
  }

  func attributes(of node: ProgramNode) throws(ApusError) -> AttributeReader {
    AttributeReader(node: node.node, schema: try registry.schema(of: node.node))
  }

  func isStandard(_ node: ProgramNode, _ name: StaticString) -> Bool {
    node.node.domain == .onnx && node.node.operatorName.is(name)
  }

  /// The constant tensor that a value is, or nil.
  func constant(_ id: ValueID) -> TensorID? { id < 0 ? nil : program.graph.values[Int(id)].constant }

  /// Removes nodes at the given positions, ascending.
  mutating func remove(_ positions: [Int]) {
    guard !positions.isEmpty else { return }
    var removed = Array(repeating: false, count: program.nodes.count)
    for position in positions { removed[position] = true }
    var kept: [ProgramNode] = []
    for (position, node) in program.nodes.enumerated() where !removed[position] { kept.append(node) }
    program.nodes = kept
  }
}
