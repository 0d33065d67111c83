import ApusFormat
import ApusGraph
import CApusPlatform

/// Runs single nodes while a model is compiled or planned: those whose operands are known before a run.
///
/// The same kernels compute as in a run, so what is found early is bit for bit what a run would find.
struct NodeEvaluator {
  let constants: ConstantStore
  let registry: OperatorRegistry
  let bindings: KernelBindings
  let level: Int32
  let memory: BulkMemory
  let limits: Limits

  /// The results of a node, by output; nil where it has no kernel, or fails: then the run will say so.
  ///
  /// - Parameters:
  ///   - values: of the node's graph, for its constants.
  ///   - known: the operands that are no constants of the graph, where they are known.
  ///   - maximumBytes: of one result.
  func evaluate(
    _ node: ProgramNode, _ values: [Value], known: (ValueID) -> Operand?, maximumBytes: Int
  ) throws(ApusError) -> [RuntimeTensor?]? {
    // What a pass fused into the node, or made of it, is not in the node that `alone` runs.
    guard bindings.kernel(of: node.node) != nil || bindings.host(of: node.node) != nil, node.captured.isEmpty, node.isPlain,
      node.original == nil
    else { return nil }
    let schema = try registry.schema(of: node.node)
    let (program, contents) = alone(node, values, known)
    var inference = try TypeInference(of: program.graph, tensors: constants.tensors) { id throws(ApusError) in
      try constants.contents(id)
    }
    for (id, bytes) in contents { inference.setContents(bytes, of: id) }
    try inference.infer(program.nodes[0].node, schema: schema, tensors: constants.tensors)
    if bindings.kernel(of: node.node) == nil { return try evaluateHost(program, schema, inference) }
    for id in program.graph.outputs {
      guard let type = inference.type(id), let extents = type.shape?.known, let count = elementCount(extents),
        let bytes = type.elementType.byteCount(of: count), bytes <= maximumBytes
      else { return nil }
    }
    return try run(program, inference)
  }

  /// A program of the node alone: its operands are constants or known, its results are outputs.
  private func alone(
    _ node: ProgramNode, _ values: [Value], _ known: (ValueID) -> Operand?
  ) -> (Program, [(ValueID, [UInt8])]) {
    var graph = Graph()
    var contents: [(ValueID, [UInt8])] = []
    var copied: [(ValueID, ValueID)] = []
    var copy = ProgramNode(node.node)
    copy.node.inputs = copy.node.inputs.map { id in
      if id < 0 { return id }
      if let earlier = copied.first(where: { $0.0 == id }) { return earlier.1 }
      var value = values[Int(id)]
      let new = ValueID(graph.values.count)
      if value.constant == nil, let operand = known(id) {
        value.type = .tensor(operand.type)
        if let bytes = operand.contents { contents.append((new, bytes)) }
        // Its type comes with it, as that of an input does; its bytes are a table of the plan.
        graph.inputs.append(new)
      }
      graph.values.append(value)
      copied.append((id, new))
      return new
    }
    copy.node.outputs = copy.node.outputs.map { id in
      if id < 0 { return id }
      let new = ValueID(graph.values.count)
      graph.values.append(Value(name: values[Int(id)].name))
      graph.outputs.append(new)
      return new
    }
    let program = Program(
      graph: graph, nodes: [copy], states: [], replacement: graph.values.indices.map { ValueID($0) })
    return (program, contents)
  }

  private func run(_ program: Program, _ inference: TypeInference) throws(ApusError) -> [RuntimeTensor?]? {
    var program = program
    program.graph.inputs = []
    let builder = try PlanBuilder(
      program: program, constants: constants, registry: registry, bindings: bindings, inference: inference, level: level,
      threads: 1)
    let workspace = try Workspace.make(memory: memory)
    let plan = try PreparedPlan(
      builder, workspace: workspace, packed: PackedWeights(tensorCount: 0, memory: memory), threads: 1)
    var results: [RuntimeTensor?] = []
    for (port, id) in program.graph.outputs.enumerated() {
      let result = try RuntimeTensor(
        try builder.elementType(id), plan.outputShapes[port], memory: memory)
      plan.bindOutput(port, result.pointer)
      results.append(result)
    }
    var execution = apusp_execution()
    execution.steps = plan.firstStep
    execution.count = Int64(plan.stepCount)
    execution.workers = plan.workers
    execution.worker_count = 1
    var outcome = apusp_outcome()
    let status = withExtendedLifetime((workspace, plan)) { apusp_execute(&execution, &outcome) }
    guard status == 0 else { return nil }
    return byOutput(program, results)
  }

  private func evaluateHost(
    _ program: Program, _ schema: OperatorSchema, _ inference: TypeInference
  ) throws(ApusError) -> [RuntimeTensor?]? {
    guard let binding = bindings.host(of: program.nodes[0].node) else { return nil }
    var inputs: [RuntimeValue?] = []
    for id in program.nodes[0].node.inputs {
      guard id >= 0 else {
        inputs.append(nil)
        continue
      }
      guard let type = inference.type(id), let extents = type.shape?.known else { return nil }
      let bytes: UnsafeRawBufferPointer
      if let constant = program.graph.values[Int(id)].constant {
        bytes = try constants.bytes(constant)
      } else {
        return nil
      }
      inputs.append(
        .tensor(
          RuntimeTensor(
            type.elementType, extents, byteCount: bytes.count,
            pointer: UnsafeMutableRawPointer(mutating: bytes.baseAddress), owner: nil)))
    }
    let context = HostContext(
      node: BoundNode(program.nodes[0], schema: schema, inference: inference, tensors: constants.tensors), inputs: inputs,
      recycler: Recycler(memory: memory), level: level, limits: limits, programs: []
    ) { _, _ throws(ApusError) in throw ApusError(.internal, "a subgraph is run at load") }
    do throws(ApusError) { try binding.run(context) } catch { return nil }
    var results: [RuntimeTensor?] = []
    for output in context.outputs {
      guard case .tensor(let tensor) = output else { return nil }
      results.append(tensor)
    }
    return results
  }

  /// Results of the outputs that are there, by position among all.
  private func byOutput(_ program: Program, _ results: [RuntimeTensor?]) -> [RuntimeTensor?] {
    var next = 0
    return program.nodes[0].node.outputs.map { id in
      guard id >= 0 else { return nil }
      next += 1
      return results[next - 1]
    }
  }
}
