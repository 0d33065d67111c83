import ApusGraph

/// Makes a `Program` of a verified graph: `resolve constants -> remove identities -> fold batch normalization -> fuse tails`.
///
/// Each pass keeps the results bit for bit, but for the folding of batch normalization into weights, which rounds the
/// weights once (relative error of a weight at most 2^-23).
struct Compiler {
  var program: Program
  let constants: ConstantStore
  let registry: OperatorRegistry

  static func compile(
    _ graph: Graph, states: [State], constants: ConstantStore, registry: OperatorRegistry
  ) throws(ApusError) -> Program {
    var compiler = Compiler(
      program: Program(
        graph: graph, nodes: graph.nodes.map { ProgramNode($0) }, states: states,
        replacement: graph.values.indices.map { ValueID($0) }),
      constants: constants, registry: registry)
    try compiler.resolveConstants()
    try compiler.removeIdentities()
    try compiler.foldBatchNormalization()
    try compiler.simplifyBatchNormalization()
    compiler.fuseBias()
    compiler.fuseResidual()
    compiler.fuseActivations()
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

  func isStandard(_ node: ProgramNode, _ name: Name) -> Bool {
    node.node.domain == .onnx && node.node.operatorName == name
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
