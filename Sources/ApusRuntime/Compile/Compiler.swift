import ApusGraph

/// Makes a `Program` of a verified graph: `resolve constants -> fold constants -> narrow tables -> remove identities -> operators
/// on 8-bit integers -> operators from their parts -> attention -> fold maps of channels -> fuse tails -> mark shape
/// computations`.
///
/// Each pass keeps the results bit for bit, but for the folding of maps of channels into weights, which rounds the
/// weights once (relative error of a weight at most 2^-23), operators that are made of parts (`GraphPattern.operators`,
/// `fuseAttention`), which round less often than the parts, operators on 8-bit integers (`QuantizedFusion`), and products with
/// weights of 4 or 8 bits in blocks, which for up to eight rows differ from the product of floats by about 1e-6.
///
/// A class: passes change the program in place, and their code is a third smaller than that of a struct's.
final class Compiler {
  var program: Program
  let constants: ConstantStore
  let registry: OperatorRegistry

  private init(program: Program, constants: ConstantStore, registry: OperatorRegistry) {
    self.program = program
    self.constants = constants
    self.registry = registry
  }

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
    let compiler = Compiler(
      program: Program(
        graph: graph, nodes: nodes, states: states, replacement: graph.values.indices.map { ValueID($0) },
        captures: graph.captures),
      constants: evaluator.constants, registry: evaluator.registry)
    try compiler.resolveConstants()
    if optimizes {
      try compiler.foldConstants(evaluator, keepsQuantized: true)
      try compiler.narrowTables()
    }
    try compiler.removeIdentities()
    try compiler.expandDynamicLSTM()
    if optimizes {
      try compiler.fuseQuantized(evaluator)
      try compiler.foldConstants(evaluator, keepsQuantized: false)
      try compiler.quantizeTables()
      try compiler.fusePatterns(GraphPattern.operators, evaluator.bindings)
      compiler.fuseDynamicProducts(evaluator.bindings)
      try compiler.foldPads()
      try compiler.foldAffineMaps()
    }
    try compiler.simplifyAffineMaps(evaluator.bindings, merges: optimizes)
    if optimizes {
      compiler.fuseBias()
      compiler.fuseResidual()
      compiler.fuseActivations()
    }
    compiler.program.isOptimized = optimizes
    try compiler.markShapeComputations()
    return compiler.program
  }

  /// A program for shapes that are known by now: without the nodes whose results were found while shapes were, with what could
  /// not be fused while they were not.
  static func specialized(
    _ program: Program, _ inference: TypeInference, evaluator: NodeEvaluator
  ) throws(ApusError) -> (Program, TypeInference) {
    guard program.isOptimized else { return (program, inference) }
    let compiler = Compiler(program: program, constants: evaluator.constants, registry: evaluator.registry)
    for id in program.graph.values.indices { compiler.program.graph.values[id].type = inference.valueTypes[id] }
    compiler.program.nodes.removeAll { node in
      !node.node.outputs.contains { $0 >= 0 && inference.contents[Int($0)] == nil }
    }
    compiler.program.feedsShapes = []
    try compiler.fuseAttention(evaluator.bindings)
    compiler.fuseResidual()
    compiler.fuseActivations()
    var inference = inference
    for value in compiler.program.graph.values[program.graph.values.count...] {
      guard let type = value.type else { throw ApusError(.internal, "a value made by a pass has no type") }
      _ = inference.addValue(type)
    }
    return (compiler.program, inference)
  }

  /// Appends a value that holds a constant made by a pass.
  func addConstant(_ id: TensorID, name: Name) -> ValueID {
    let tensor = constants.tensors[Int(id)]
    return addValue(
      Value(name: name, type: .tensor(TensorType(tensor.elementType, Shape(tensor.dimensions))), constant: id))
  }

  func addValue(_ value: Value) -> ValueID {
    program.graph.values.append(value)
    let id = ValueID(program.graph.values.count - 1)
    program.replacement.append(id)
    return id
  }

  func attributes(of node: ProgramNode) throws(ApusError) -> AttributeReader {
    AttributeReader(node: node.node, schema: try registry.schema(of: node.node))
  }

  func isStandard(_ node: ProgramNode, _ name: StaticString) -> Bool {
    node.quantized == nil && node.node.domain == .onnx && node.node.operatorName.is(name)
  }

  func isStandard(_ node: ProgramNode, named name: Name) -> Bool {
    node.quantized == nil && node.node.domain == .onnx && node.node.operatorName == name
  }

  /// The constant tensor that a value is, or nil.
  func constant(_ id: ValueID) -> TensorID? { id < 0 ? nil : program.graph.values[Int(id)].constant }

  /// Removes nodes at the given positions.
  func remove(_ positions: [Int]) {
    guard !positions.isEmpty else { return }
    var removed = Array(repeating: false, count: program.nodes.count)
    for position in positions { removed[position] = true }
    var kept: [ProgramNode] = []
    for (position, node) in program.nodes.enumerated() where !removed[position] { kept.append(node) }
    program.nodes = kept
  }
}
