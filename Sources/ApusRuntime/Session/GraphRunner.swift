import ApusFormat
import ApusGraph
import CApusPlatform

/// What all graphs of one run share.
final class RunResources {
  let model: Model
  let threads: Int
  let workspace: Workspace
  let recycler: Recycler
  /// Pool and control of the session, for each stage's execution.
  var execution = apusp_execution()
  /// By graph id; made when a graph is first run.
  private var runners: [GraphRunner?]

  static func make(model: Model, threads: Int) throws(ApusError) -> RunResources {
    RunResources(model, threads, try Workspace.make(memory: model.memory))
  }

  private init(_ model: Model, _ threads: Int, _ workspace: Workspace) {
    self.model = model
    self.threads = threads
    self.workspace = workspace
    recycler = Recycler(memory: model.memory)
    runners = Array(repeating: nil, count: model.programs.count)
  }

  func runner(_ graph: GraphID) throws(ApusError) -> GraphRunner {
    if let runner = runners[Int(graph)] { return runner }
    let runner = try GraphRunner.make(model, model.programs[Int(graph)])
    runners[Int(graph)] = runner
    return runner
  }

  /// Runs a graph whose captures come from the frame of the enclosing one.
  func run(_ graph: GraphID, _ inputs: [RuntimeValue], enclosing: Frame?) throws(ApusError) -> [RuntimeValue] {
    try runner(graph).run(inputs, enclosing: enclosing, self)
  }

  /// Throws where the run was cancelled or its time is up: for operators that iterate.
  func checkControl() throws(ApusError) {
    if let control = execution.control, apusp_run_control_is_cancelled(control) {
      throw ApusError(.cancelled, "the run was cancelled")
    }
    if execution.deadline != 0, apusp_clock_now() > execution.deadline {
      throw ApusError(.deadlineExceeded, "the run's time was up")
    }
  }
}

/// The values of one run of a graph.
final class Frame {
  var values: [RuntimeValue?]

  init(count: Int) { values = Array(repeating: nil, count: count) }
}

/// Nodes that are planned for certain shapes, with their memory.
final class Stage {
  let range: Range<Int>
  let program: Program
  let plan: PreparedPlan
  /// By input of `program`: what the plan was made for.
  let inputTypes: [TensorType]
  let outputTypes: [ElementType]
  /// Values whose elements the plan depends on.
  let steering: [(id: ValueID, bytes: [UInt8])]

  init(
    range: Range<Int>, program: Program, plan: PreparedPlan, inputTypes: [TensorType], outputTypes: [ElementType],
    steering: [(id: ValueID, bytes: [UInt8])]
  ) {
    self.range = range
    self.program = program
    self.plan = plan
    self.inputTypes = inputTypes
    self.outputTypes = outputTypes
    self.steering = steering
  }

  /// Whether the values of a frame are those that the plan was made for.
  func fits(_ frame: Frame) -> Bool {
    for (position, id) in program.graph.inputs.enumerated() {
      guard case .tensor(let tensor) = frame.values[Int(id)], tensor.elementType == inputTypes[position].elementType else {
        return false
      }
      guard let shape = inputTypes[position].shape, shape.rank == tensor.extents.count else { return false }
      for axis in 0..<shape.rank where shape[axis] != .known(tensor.extents[axis]) { return false }
    }
    for entry in steering {
      guard case .tensor(let tensor) = frame.values[Int(entry.id)], tensor.byteCount == entry.bytes.count else { return false }
      for (index, byte) in entry.bytes.enumerated() where tensor.bytes[index] != byte { return false }
    }
    return true
  }
}

/// Runs one graph, stage by stage: plans each for the shapes that come, and keeps the plans for when these come again.
final class GraphRunner {
  private let program: Program
  /// The types of constants; the rest is set by each run.
  private let base: TypeInference
  /// By node: the values that nobody reads behind it.
  private let dying: [[ValueID]]
  /// By first node: plans, the latest used last.
  private var stages: [[Stage]]
  private static let keptStages = 16

  static func make(_ model: Model, _ program: Program) throws(ApusError) -> GraphRunner {
    var graph = program.graph
    graph.inputs = []
    let base = try model.withConstants { constants, _ throws(ApusError) in
      try TypeInference(of: graph, tensors: constants.tensors) { id throws(ApusError) in try constants.contents(id) }
    }
    return GraphRunner(program, base)
  }

  private init(_ program: Program, _ base: TypeInference) {
    self.program = program
    self.base = base
    stages = Array(repeating: [], count: program.nodes.count)
    var isKept = Array(repeating: false, count: program.graph.values.count)
    for id in program.outputs { isKept[Int(id)] = true }
    var dying: [[ValueID]] = Array(repeating: [], count: program.nodes.count)
    for position in program.nodes.indices.reversed() {
      for id in program.nodes[position].reads + program.nodes[position].node.outputs where id >= 0 && !isKept[Int(id)] {
        isKept[Int(id)] = true
        dying[position].append(id)
      }
    }
    self.dying = dying
  }

  func run(
    _ inputs: [RuntimeValue], enclosing: Frame?, _ resources: RunResources
  ) throws(ApusError) -> [RuntimeValue] {
    let frame = Frame(count: program.graph.values.count)
    guard inputs.count == program.graph.inputs.count else {
      throw ApusError(
        .invalidModel, "a graph is called with another number of inputs", expected: "\(program.graph.inputs.count)",
        actual: "\(inputs.count)")
    }
    for (position, id) in program.graph.inputs.enumerated() {
      try check(inputs[position], id)
      frame.values[Int(id)] = inputs[position]
    }
    for capture in program.captures { frame.values[Int(capture.inner)] = enclosing?.values[Int(capture.outer)] }
    var position = 0
    while position < program.nodes.count {
      let end: Int
      let isPlanned = resources.model.bindings.plans(program.nodes[position], program.graph.values) {
        frame.values[Int($0)]?.type
      }
      if !isPlanned {
        try runHost(position, frame, resources)
        end = position + 1
      } else {
        let stage = try stage(position, frame, resources)
        try execute(stage, frame, resources)
        end = stage.range.upperBound
      }
      for index in position..<end {
        for id in dying[index] { frame.values[Int(id)] = nil }
      }
      position = end
    }
    var results: [RuntimeValue] = []
    for id in program.outputs { results.append(try value(id, frame, resources)) }
    return results
  }

  private func check(_ value: RuntimeValue, _ id: ValueID) throws(ApusError) {
    guard case .tensor(let declared) = program.graph.values[Int(id)].type, let actual = value.tensor else { return }
    guard declared.elementType == actual.elementType else {
      throw ApusError(
        .typeMismatch, "an input has another element type", tensorName: program.graph.values[Int(id)].name.string,
        expected: declared.elementType.name.text, actual: actual.elementType.name.text)
    }
  }

  /// A value of the frame, or a constant.
  private func value(_ id: ValueID, _ frame: Frame, _ resources: RunResources) throws(ApusError) -> RuntimeValue {
    if let value = frame.values[Int(id)] { return value }
    guard let constant = program.graph.values[Int(id)].constant else {
      throw ApusError(
        .internal, "a value is read before it is written", tensorName: program.graph.values[Int(id)].name.string)
    }
    return try resources.model.withConstants { constants, _ throws(ApusError) in
      let tensor = constants.tensors[Int(constant)]
      let pointer = try constants.pointer(constant)
      return .tensor(
        RuntimeTensor(
          tensor.elementType, tensor.dimensions, byteCount: try constants.bytes(constant).count,
          pointer: UnsafeMutableRawPointer(mutating: pointer), owner: nil))
    }
  }

  // MARK: Host operators

  private func runHost(_ position: Int, _ frame: Frame, _ resources: RunResources) throws(ApusError) {
    let node = program.nodes[position]
    let model = resources.model
    let binding = model.bindings.host(of: node.node)
    try resources.checkControl()
    var inference = base
    var inputs: [RuntimeValue?] = []
    for id in node.node.inputs {
      guard id >= 0 else {
        inputs.append(nil)
        continue
      }
      let value = try value(id, frame, resources)
      inference.setType(value.type, of: id)
      inputs.append(value)
    }
    do throws(ApusError) {
      let schema = try model.registry.schema(of: node.node)
      let bound = BoundNode(node, schema: schema, inference: inference, tensors: model.definition.tensors)
      try schema.check(node.node, inputs: bound.context.inputs, valueTypes: bound.context.valueTypes)
      let context = HostContext(
        node: bound, inputs: inputs, recycler: resources.recycler, level: model.level, limits: model.limits,
        programs: model.programs
      ) { graph, arguments throws(ApusError) in
        try resources.checkControl()
        return try resources.run(graph, arguments, enclosing: frame)
      }
      if let binding {
        try binding.run(context)
      } else {
        try runOnRanks(node, context, program.graph.values, model)
      }
      for (index, id) in node.node.outputs.enumerated() where id >= 0 {
        guard let output = context.outputs[index] else { throw context.error("the operator has left out output \(index)") }
        frame.values[Int(id)] = output
      }
    } catch {
      throw error.inOperator(node.node.label)
    }
  }

  // MARK: Stages

  private func stage(_ start: Int, _ frame: Frame, _ resources: RunResources) throws(ApusError) -> Stage {
    for (index, stage) in stages[start].enumerated().reversed() where stage.fits(frame) {
      if index != stages[start].count - 1 {
        stages[start].remove(at: index)
        stages[start].append(stage)
      }
      return stage
    }
    let stage = try makeStage(start, frame, resources)
    if stages[start].count == GraphRunner.keptStages { stages[start].removeFirst() }
    stages[start].append(stage)
    return stage
  }

  private func makeStage(_ start: Int, _ frame: Frame, _ resources: RunResources) throws(ApusError) -> Stage {
    var inference = base
    for (id, value) in frame.values.enumerated() {
      if let value { inference.setType(value.type, of: ValueID(id)) }
    }
    let model = resources.model
    let reserve = try ObjectReserve.begin(model.file.objectBytes)
    defer { ObjectReserve.end(reserve) }
    let known = inference
    return try model.withConstants { constants, packed throws(ApusError) in
      let planner = StagePlanner(program: program, evaluator: model.evaluator(constants))
      let found = try planner.plan(from: start, known) { id in
        guard case .tensor(let tensor) = frame.values[Int(id)] else { return nil }
        return Array(tensor.bytes)
      }
      guard !found.range.isEmpty else {
        throw ApusError(
          .unsupported, "an operand that decides the result's shape is no small tensor",
          operatorName: program.nodes[start].node.label,
          expected: "at most \(TypeInference.steeringElements) elements")
      }
      let part = program.stage(found.range) { id in
        program.graph.values[Int(id)].constant != nil
      }
      let (special, types) = try Compiler.specialized(part, found.inference, evaluator: model.evaluator(constants))
      let builder = try PlanBuilder(
        program: special, constants: constants, registry: model.registry, bindings: model.bindings, inference: types,
        level: model.level, threads: resources.threads, convolution: model.convolution)
      let plan = try PreparedPlan(
        builder, workspace: resources.workspace, packed: packed, threads: resources.threads,
        pool: resources.execution.pool)
      try constants.releaseDecoded()
      var inputTypes: [TensorType] = []
      for id in part.graph.inputs {
        guard let type = found.inference.type(id) else {
          throw ApusError(
            .typeMismatch, "an operand is no tensor", tensorName: program.graph.values[Int(id)].name.string)
        }
        inputTypes.append(type)
      }
      let outputTypes = try part.graph.outputs.map { id throws(ApusError) in try builder.elementType(id) }
      return Stage(
        range: found.range, program: part, plan: plan, inputTypes: inputTypes, outputTypes: outputTypes,
        steering: found.steering.map { ($0, found.inference.contents[Int($0)] ?? []) })
    }
  }

  private func execute(_ stage: Stage, _ frame: Frame, _ resources: RunResources) throws(ApusError) {
    try stage.plan.moveArena(to: resources.workspace)
    for (port, id) in stage.program.graph.inputs.enumerated() {
      stage.plan.bindInput(port, frame.values[Int(id)]?.tensor?.pointer)
    }
    for (port, id) in stage.program.graph.outputs.enumerated() {
      let tensor = try RuntimeTensor(
        stage.outputTypes[port], stage.plan.outputShapes[port], recycler: resources.recycler)
      stage.plan.bindOutput(port, tensor.pointer)
      frame.values[Int(id)] = .tensor(tensor)
    }
    var execution = resources.execution
    execution.steps = stage.plan.firstStep
    execution.count = Int64(stage.plan.stepCount)
    execution.workers = stage.plan.workers
    execution.worker_count = Int32(stage.plan.workerCount)
    var outcome = apusp_outcome()
    let status = withExtendedLifetime(frame) { apusp_execute(&execution, &outcome) }
    guard status == 0 else { throw stage.plan.program.error(outcome, stage.plan) }
  }
}
