import ApusFormat
import ApusGraph
import CApusPlatform

/// How a session runs.
public struct SessionOptions {
  /// Threads to share; nil: the calling thread alone.
  public var pool: ThreadPool?
  /// Whether runs measure each step.
  public var profiles = false
  /// Called on the running thread after each step; must not call the session.
  public var progress: (@convention(c) (UnsafeMutableRawPointer?, Int64, Int64) -> Void)?
  public var progressUser: UnsafeMutableRawPointer?

  public init() {}
}

/// A plan that a session keeps.
private struct PlanOfShapes {
  let shapes: [[Int]]
  let plan: PreparedPlan
  let inputPlaces: [(offset: Int, byteCount: Int)]

  init(_ shapes: [[Int]], _ plan: PreparedPlan) {
    self.shapes = shapes
    self.plan = plan
    inputPlaces = plan.inputBytes.indices.map { (plan.inputOffsets[$0], plan.inputBytes[$0]) }
  }
}

/// One caller's way to run a model: prepared memory, bound buffers, state.
///
/// Belongs to one thread at a time, `cancel` excepted. `prepare` for shapes, bind or fill buffers, `run`.
public final class Session {
  public let model: Model
  public let threads: Int
  private let pool: ThreadPool?
  private let control: OpaquePointer
  /// The plan for the prepared shapes where these tell all; nil for models that are run stage by stage.
  private var plan: PreparedPlan?
  /// Plans for shapes that were prepared before, the latest used last.
  private var plans: [PlanOfShapes] = []
  private static let keptPlans = 16
  private var shapes: [[Int]] = []
  private var isReady = false
  /// Where the inputs lie in the session's own memory.
  private var inputPlaces: [(offset: Int, byteCount: Int)] = []
  /// What the last run of a model without a plan gave.
  private var results: [RuntimeTensor] = []
  private var execution = apusp_execution()
  private var resources: RunResources?
  /// Memory of the session's own for all inputs and outputs; untouched pages of it cost nothing.
  private var ownPorts: BulkBuffer?
  /// By port: the caller's memory, where it is bound.
  private var boundInputs: [UnsafeRawBufferPointer?]
  private var boundOutputs: [UnsafeMutableRawBufferPointer?]
  private let options: SessionOptions

  public convenience init(model: Model, options: SessionOptions = SessionOptions()) throws(ApusError) {
    guard let control = apusp_run_control_create() else { throw ApusError(.outOfMemory, "no memory for a session") }
    self.init(model, options, control)
  }

  private init(_ model: Model, _ options: SessionOptions, _ control: OpaquePointer) {
    self.model = model
    self.options = options
    pool = options.pool
    threads = options.pool?.threads ?? 1
    boundInputs = Array(repeating: nil, count: model.inputs.count)
    boundOutputs = Array(repeating: nil, count: model.outputs.count)
    self.control = control
  }

  deinit { apusp_run_control_destroy(control) }

  /// Whether a run is in flight, on any thread.
  public var isRunning: Bool { apusp_run_control_is_running(control) }

  private func requireIdle() throws(ApusError) {
    guard !isRunning else { throw ApusError(.busy, "the session is running") }
  }

  private func requirePrepared() throws(ApusError) {
    guard isReady else { throw ApusError(.notPrepared, "the session has not been prepared for shapes") }
  }

  // MARK: Prepare

  /// Plans memory and packs weights for given shapes, and sets states to their initial values.
  ///
  /// Buffers that were bound before stay bound where they are large enough for the new shapes, and are unbound otherwise.
  /// After an error of the shapes the session is as it was; after one of memory it is not prepared.
  /// - Parameter shapes: one for each model input, in order.
  public func prepare(_ shapes: [[Int]]) throws(ApusError) {
    try requireIdle()
    if !isReady || shapes != self.shapes {
      try model.checkShapes(shapes)
      let reserve = try ObjectReserve.begin(model.file.objectBytes)
      defer { ObjectReserve.end(reserve) }
      if let index = plans.firstIndex(where: { $0.shapes == shapes }) {
        try usePlan(index)
      } else {
        try makePlan(shapes)
      }
    }
    do throws(ApusError) { try resetStates() } catch {
      isReady = false
      throw error
    }
  }

  private func makePlan(_ shapes: [[Int]]) throws(ApusError) {
    let resources = try sharedResources()
    let builder: PlanBuilder?
    do throws(ApusError) {
      builder = try model.withConstants { constants, _ throws(ApusError) in
        try model.plan(shapes, constants, threads: threads)
      }
    } catch {
      // After an error of the shapes the session is as it was; after one of memory it is not.
      if error.status == .outOfMemory { isReady = false }
      throw error
    }
    isReady = false
    guard let builder else {
      plan = nil
      return try prepareStaged(shapes)
    }
    if plans.count == Session.keptPlans { plans.removeFirst() }
    let made = try model.withConstants { constants, packed throws(ApusError) in
      defer { try? constants.releaseDecoded() }
      return try PreparedPlan(builder, workspace: resources.workspace, packed: packed, threads: threads, pool: pool?.handle)
    }
    plans.append(PlanOfShapes(shapes, made))
    try usePlan(plans.count - 1)
  }

  /// `prepare` for shapes that are prepared now, or were before and whose plan is still kept: takes no memory of any kind.
  /// - Parameter matches: whether given shapes, one for each input, are the wanted ones.
  /// - Returns: false where there is no such plan; then nothing has changed.
  public func prepareAgain(_ matches: ([[Int]]) -> Bool) throws(ApusError) -> Bool {
    try requireIdle()
    guard let index = plans.lastIndex(where: { matches($0.shapes) }) else { return false }
    try usePlan(index)
    try resetStates()
    return true
  }

  private func sharedResources() throws(ApusError) -> RunResources {
    if let resources { return resources }
    let made = try RunResources.make(model: model, threads: threads)
    resources = made
    return made
  }

  /// Makes a kept plan the one that runs.
  private func usePlan(_ index: Int) throws(ApusError) {
    let entry = plans.remove(at: index)
    plans.append(entry)
    let made = entry.plan
    isReady = false
    plan = made
    try made.moveArena(to: try sharedResources().workspace)
    try reservePorts(made.portBytes)
    inputPlaces = entry.inputPlaces
    shapes = entry.shapes
    execution = runExecution()
    execution.steps = made.firstStep
    execution.count = Int64(made.stepCount)
    execution.workers = made.workers
    execution.worker_count = Int32(made.workerCount)
    execution.profile = options.profiles ? made.profile : nil
    dropSmallInputs()
    for index in model.inputs.indices {
      made.bindInput(index, boundInputs[index]?.baseAddress ?? UnsafeRawPointer(ownInput(index)))
    }
    for index in model.outputs.indices {
      if let bound = boundOutputs[index], bound.count < made.outputBytes[index] { boundOutputs[index] = nil }
      made.bindOutput(index, boundOutputs[index]?.baseAddress ?? ownOutput(made, index))
    }
    isReady = true
  }

  /// Makes room for the inputs of a model whose plan waits for data.
  private func prepareStaged(_ shapes: [[Int]]) throws(ApusError) {
    var places: [(offset: Int, byteCount: Int)] = []
    var end = 0
    for (position, port) in model.inputs.enumerated() {
      guard case .tensor(let type) = port.type,
        let byteCount = type.elementType.byteCount(of: elementCount(shapes[position]) ?? -1)
      else {
        throw ApusError(
          .unsupported, "an input of this kind has no buffer", tensorName: port.name.string,
          expected: "a tensor of numbers", actual: port.type.kindText)
      }
      places.append((end, byteCount))
      end = try end.checkedAdding(try PlanSizes.aligned(byteCount))
    }
    try reservePorts(end)
    inputPlaces = places
    self.shapes = shapes
    results = []
    execution = runExecution()
    dropSmallInputs()
    isReady = true
  }

  private func reservePorts(_ byteCount: Int) throws(ApusError) {
    if let ownPorts, ownPorts.byteCount >= byteCount { return }
    // The old memory first: two at a time need twice of it.
    ownPorts = nil
    ownPorts = try model.memory.allocate(byteCount: byteCount, purpose: "inputs and outputs")
  }

  private func dropSmallInputs() {
    for index in model.inputs.indices {
      if let bound = boundInputs[index], bound.count < inputPlaces[index].byteCount { boundInputs[index] = nil }
    }
  }

  private func runExecution() -> apusp_execution {
    var execution = apusp_execution()
    execution.pool = pool?.handle
    execution.control = control
    execution.progress = options.progress
    execution.progress_user = options.progressUser
    return execution
  }

  private func ownInput(_ index: Int) -> UnsafeMutableRawPointer? {
    ownPorts.map { $0.pointer + inputPlaces[index].offset }
  }

  private func ownOutput(_ plan: PreparedPlan, _ index: Int) -> UnsafeMutableRawPointer? {
    ownPorts.map { $0.pointer + plan.outputOffsets[index] }
  }

  public var isPrepared: Bool { isReady }

  /// Whether all of a run is planned for the prepared shapes. Where it is not, shapes depend on data or operators run on the
  /// host: runs take memory as they go, and keep it for the next ones.
  public var isPlanned: Bool { isReady && plan != nil }

  /// Steps of a run; 0 before `prepare`, and where shapes depend on data.
  public var stepCount: Int { plan.map { $0.stepCount * $0.images } ?? 0 }

  /// Bytes of the arena: activations and scratch.
  public var arenaBytes: UInt64 { UInt64(plan?.arenaBytes ?? resources?.workspace.buffer.byteCount ?? 0) }

  /// The shapes that the session is prepared for; empty before.
  public var preparedShapes: [[Int]] { isReady ? shapes : [] }

  // MARK: States

  /// Sets all states to their initial values, as `prepare` does.
  public func reset() throws(ApusError) {
    try requireIdle()
    try requirePrepared()
    try resetStates()
  }

  private func resetStates() throws(ApusError) {
    for state in model.states {
      try requirePrepared()
      let target = UnsafeMutableRawBufferPointer(
        start: ownInput(state.input), count: inputPlaces[state.input].byteCount)
      guard let initial = state.initial else {
        target.initializeMemory(as: UInt8.self, repeating: 0)
        continue
      }
      try model.withConstants { constants, _ throws(ApusError) in
        let source = try constants.bytes(initial)
        guard source.count == target.count else {
          throw ApusError(
            .shapeMismatch, "the initial value of a state has another size", tensorName: state.name.string,
            expected: "\(target.count) bytes", actual: "\(source.count)")
        }
        target.copyMemory(from: source)
      }
    }
  }

  // MARK: Buffers

  private func port(_ index: Int, of ports: [Port]) throws(ApusError) -> Port {
    guard index >= 0, index < ports.count else {
      throw ApusError(
        .indexOutOfRange, "no such input or output", expected: "0 to \(ports.count - 1)", actual: "\(index)")
    }
    return ports[index]
  }

  private func requireNoState(_ port: Port) throws(ApusError) {
    guard let state = port.state else { return }
    throw ApusError(
      .invalidArgument, "the port belongs to state '" + model.states[state].name.string + "', which the session keeps",
      tensorName: port.name.string)
  }

  /// Lets runs read an input from the caller's memory, without a copy.
  /// - Parameter byteCount: at least the input's size for the prepared shapes. The memory must stay valid until the port is
  ///   bound anew or unbound, `prepare` finds it too small, or the session goes; see `isInputBound`.
  public func bindInput(_ index: Int, _ pointer: UnsafeRawPointer, byteCount: Int) throws(ApusError) {
    let port = try port(index, of: model.inputs)
    try requireIdle()
    try requirePrepared()
    try requireNoState(port)
    guard byteCount >= inputPlaces[index].byteCount else {
      throw ApusError(
        .bufferTooSmall, "input buffer is too small", tensorName: port.name.string,
        expected: "at least \(inputPlaces[index].byteCount) bytes", actual: "\(byteCount)")
    }
    try requireAlignment(pointer, port)
    boundInputs[index] = UnsafeRawBufferPointer(start: pointer, count: byteCount)
    plan?.bindInput(index, pointer)
  }

  /// Lets runs write an output to the caller's memory, without a copy.
  /// - Parameter capacity: bytes; at least the output's size for the prepared shapes. Where that depends on data, `run` fails
  ///   with `buffer_too_small` if the result does not fit.
  public func bindOutput(_ index: Int, _ pointer: UnsafeMutableRawPointer, capacity: Int) throws(ApusError) {
    let port = try port(index, of: model.outputs)
    try requireIdle()
    try requirePrepared()
    try requireNoState(port)
    if let plan, capacity < plan.outputBytes[index] {
      throw ApusError(
        .bufferTooSmall, "output buffer is too small", tensorName: port.name.string,
        expected: "at least \(plan.outputBytes[index]) bytes", actual: "\(capacity)")
    }
    try requireAlignment(UnsafeRawPointer(pointer), port)
    boundOutputs[index] = UnsafeMutableRawBufferPointer(start: pointer, count: capacity)
    plan?.bindOutput(index, pointer)
  }

  /// Whether the caller's memory is bound to an input; false for an index out of range.
  public func isInputBound(_ index: Int) -> Bool {
    index >= 0 && index < boundInputs.count && boundInputs[index] != nil
  }

  public func isOutputBound(_ index: Int) -> Bool {
    index >= 0 && index < boundOutputs.count && boundOutputs[index] != nil
  }

  /// Goes back to the session's own memory.
  public func unbindInput(_ index: Int) throws(ApusError) {
    _ = try port(index, of: model.inputs)
    try requireIdle()
    boundInputs[index] = nil
    if isReady { plan?.bindInput(index, UnsafeRawPointer(ownInput(index))) }
  }

  public func unbindOutput(_ index: Int) throws(ApusError) {
    _ = try port(index, of: model.outputs)
    try requireIdle()
    boundOutputs[index] = nil
    if let plan { plan.bindOutput(index, ownOutput(plan, index)) }
  }

  private func requireAlignment(_ pointer: UnsafeRawPointer, _ port: Port) throws(ApusError) {
    let alignment = min(port.elementType.byteWidth ?? 1, 8)
    guard UInt(bitPattern: pointer) % UInt(alignment) == 0 else {
      throw ApusError(
        .invalidArgument, "buffer is not aligned for its elements", tensorName: port.name.string,
        expected: "a multiple of \(alignment)")
    }
  }

  /// The session's own memory of an input, to be filled before `run`; it keeps its contents from run to run.
  /// - Throws: `invalid_argument` where the caller's memory is bound, or the input is a state's.
  public func inputBuffer(_ index: Int) throws(ApusError) -> UnsafeMutableRawBufferPointer {
    let port = try port(index, of: model.inputs)
    try requireNoState(port)
    try requireIdle()
    try requirePrepared()
    guard boundInputs[index] == nil else {
      throw ApusError(.invalidArgument, "the input is bound to the caller's memory", tensorName: port.name.string)
    }
    return UnsafeMutableRawBufferPointer(start: ownInput(index), count: inputPlaces[index].byteCount)
  }

  /// What the last run wrote to an output, in the session's own memory or the caller's.
  public func outputBuffer(_ index: Int) throws(ApusError) -> UnsafeRawBufferPointer {
    _ = try port(index, of: model.outputs)
    try requireIdle()
    try requirePrepared()
    guard let plan else { return try result(index).bytes }
    let start = boundOutputs[index]?.baseAddress ?? ownOutput(plan, index)
    return UnsafeRawBufferPointer(start: start, count: plan.outputBytes[index])
  }

  /// An output of the last run of a model without a plan.
  private func result(_ index: Int) throws(ApusError) -> RuntimeTensor {
    guard index < results.count else {
      throw ApusError(
        .notPrepared, "the output's shape depends on data: run first", tensorName: model.outputs[index].name.string)
    }
    return results[index]
  }

  /// The shape of an output: for the prepared shapes, or as the last run gave it where it depends on data.
  /// - Throws: `not_prepared`, also where it depends on data and nothing has run.
  public func outputShape(_ index: Int) throws(ApusError) -> [Int] {
    _ = try port(index, of: model.outputs)
    try requirePrepared()
    if let plan { return plan.outputShapes[index] }
    return try result(index).extents
  }

  /// Bytes of an output; see `outputShape`.
  public func outputByteCount(_ index: Int) throws(ApusError) -> Int {
    _ = try port(index, of: model.outputs)
    try requirePrepared()
    if let plan { return plan.outputBytes[index] }
    return try result(index).byteCount
  }

  /// Bytes of an input for the prepared shapes.
  public func inputByteCount(_ index: Int) throws(ApusError) -> Int {
    _ = try port(index, of: model.inputs)
    try requirePrepared()
    return inputPlaces[index].byteCount
  }

  // MARK: Run

  /// Runs the model once. Allocates nothing and, with one thread, makes no system call.
  ///
  /// After an error the outputs are undefined and the states are as before the run.
  /// - Parameter timeout: nanoseconds from now; nil for no deadline.
  /// - Throws: `not_prepared`, `busy`, `cancelled`, `deadline_exceeded`, or a kernel's 6xx.
  public func run(timeout: UInt64? = nil) throws(ApusError) {
    let status = apusp_run_control_begin(control)
    guard status == 0 else { throw ApusError(.busy, "the session is running") }
    defer { apusp_run_control_end(control) }
    try requirePrepared()
    execution.deadline = Session.deadline(timeout)
    guard let plan else { return try runStaged() }
    if options.profiles { plan.profile.update(repeating: 0, count: plan.stepCount) }
    var outcome = apusp_outcome()
    guard plan.execute(&execution, &outcome) == 0 else { throw plan.program.error(outcome, plan) }
  }

  private static func deadline(_ timeout: UInt64?) -> UInt64 {
    guard let timeout else { return 0 }
    let (deadline, overflow) = apusp_clock_now().addingReportingOverflow(timeout)
    return overflow ? .max : deadline
  }

  /// Runs a model whose shapes depend on data, from the inputs' buffers into the outputs'.
  private func runStaged() throws(ApusError) {
    var inputs: [RuntimeValue] = []
    for (index, port) in model.inputs.enumerated() {
      let pointer = boundInputs[index]?.baseAddress.map { UnsafeMutableRawPointer(mutating: $0) } ?? ownInput(index)
      inputs.append(
        .tensor(
          RuntimeTensor(
            port.elementType, shapes[index], byteCount: inputPlaces[index].byteCount, pointer: pointer, owner: nil)))
    }
    let resources = try sharedResources()
    resources.execution = execution
    results = []
    var made: [RuntimeTensor] = []
    for (index, value) in try resources.run(0, inputs, enclosing: nil).enumerated() {
      guard let tensor = value.tensor else {
        throw ApusError(
          .unsupported, "an output of this kind has no buffer", tensorName: model.outputs[index].name.string,
          expected: "a tensor", actual: value.type.kindText)
      }
      made.append(try store(tensor, index))
    }
    for state in model.states {
      let target = UnsafeMutableRawBufferPointer(start: ownInput(state.input), count: inputPlaces[state.input].byteCount)
      guard made[state.output].byteCount == target.count else {
        throw ApusError(
          .shapeMismatch, "a state changes its size", tensorName: state.name.string, expected: "\(target.count) bytes",
          actual: "\(made[state.output].byteCount)")
      }
      target.copyMemory(from: made[state.output].bytes)
    }
    results = made
  }

  /// An output where the caller wants it, or in memory that stays until the next run.
  private func store(_ tensor: RuntimeTensor, _ index: Int) throws(ApusError) -> RuntimeTensor {
    guard let bound = boundOutputs[index] else { return try kept(tensor) }
    guard bound.count >= tensor.byteCount else {
      throw ApusError(
        .bufferTooSmall, "output buffer is too small", tensorName: model.outputs[index].name.string,
        expected: "at least \(tensor.byteCount) bytes", actual: "\(bound.count)")
    }
    bound.copyMemory(from: tensor.bytes)
    return RuntimeTensor(
      tensor.elementType, tensor.extents, byteCount: tensor.byteCount, pointer: bound.baseAddress, owner: nil)
  }

  /// A tensor that does not lie in memory of the model's inputs.
  private func kept(_ tensor: RuntimeTensor) throws(ApusError) -> RuntimeTensor {
    if tensor.owner != nil { return tensor }
    let storage = try model.memory.allocate(byteCount: tensor.byteCount, purpose: "an output")
    storage.mutableBytes.copyMemory(from: tensor.bytes)
    return RuntimeTensor(tensor.elementType, tensor.extents, byteCount: tensor.byteCount, storage: storage)
  }

  /// Runs the model on values of any kind, without `prepare`: for models that take or give sequences, optionals or strings.
  /// - Parameter inputs: one for each input, in order, those of states included.
  /// - Returns: one value for each output.
  /// - Throws: as `run`.
  package func run(_ inputs: [RuntimeValue], timeout: UInt64? = nil) throws(ApusError) -> [RuntimeValue] {
    let status = apusp_run_control_begin(control)
    guard status == 0 else { throw ApusError(.busy, "the session is running") }
    defer { apusp_run_control_end(control) }
    guard inputs.count == model.inputs.count else {
      throw ApusError(
        .invalidArgument, "a value for each input is needed", expected: "\(model.inputs.count) values",
        actual: "\(inputs.count)")
    }
    let extents = inputs.map { $0.tensor?.extents ?? [] }
    try model.checkShapes(extents)
    let resources = try sharedResources()
    resources.execution = runExecution()
    resources.execution.deadline = Session.deadline(timeout)
    var outputs: [RuntimeValue] = []
    for value in try resources.run(0, inputs, enclosing: nil) {
      if let tensor = value.tensor { outputs.append(.tensor(try kept(tensor))) } else { outputs.append(value) }
    }
    return outputs
  }

  /// Asks the run in flight to stop; without one it does nothing, now or later. From any thread.
  /// - Returns: whether there was a run.
  @discardableResult
  public func cancel() -> Bool { apusp_run_control_cancel(control) }

  // MARK: Profile

  /// The program that runs: that of the model, with what more could be fused for the prepared shapes.
  public var program: Program { plan?.program ?? model.program }

  /// What a node took in the last run.
  public struct ProfileEntry: Sendable {
    /// `conv1 (ai.onnx.Conv-22) + relu`; the copies at the end have the label `outputs`.
    public let label: String
    public let operatorName: Name
    public let nanoseconds: UInt64
    /// Kernels that the node became.
    public let steps: Int
    /// Which of an operator's kernels these are, where it has several: see `PlanDescription.Step`.
    public let kernels: [StaticString]
    /// What the choice among a convolution's algorithms went by: the microseconds that each was expected to take on one thread
    /// (the direct sum, Winograd's F(2x2), F(4x4), F(6x6)); empty where there was no choice.
    public let expected: [Float]
    /// Of the node's first result.
    public let extents: [Int]
  }

  /// One entry for each node that became steps, in order; empty where the session does not profile.
  public var profile: [ProfileEntry] {
    guard options.profiles, let plan else { return [] }
    var entries: [ProfileEntry] = []
    var step = 0
    while step < plan.stepCount {
      let position = plan.node(ofStep: step)
      var (nanoseconds, count) = (UInt64(0), 0)
      var kernels: [StaticString] = []
      var expected: [Float] = []
      let extents = plan.extents(ofStep: step)
      while step < plan.stepCount, plan.node(ofStep: step) == position {
        nanoseconds &+= plan.profile[step]
        let note = plan.note(ofStep: step)
        if note.utf8CodeUnitCount > 0 { kernels.append(note) }
        expected += plan.expected(ofStep: step)
        count += 1
        step += 1
      }
      let node: ProgramNode? = position >= 0 ? plan.program.nodes[position] : nil
      entries.append(
        ProfileEntry(
          label: node?.label ?? "outputs", operatorName: node?.node.operatorName ?? "Copy", nanoseconds: nanoseconds,
          steps: count, kernels: kernels, expected: expected, extents: extents))
    }
    return entries
  }
}
