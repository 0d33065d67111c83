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

/// One caller's way to run a model: prepared memory, bound buffers, state.
///
/// Belongs to one thread at a time, `cancel` excepted. `prepare` for shapes, bind or fill buffers, `run`.
public final class Session {
  public let model: Model
  public let threads: Int
  private let pool: ThreadPool?
  private let control: OpaquePointer
  private var plan: PreparedPlan?
  private var shapes: [[Int]] = []
  private var execution = apusp_execution()
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

  private func prepared() throws(ApusError) -> PreparedPlan {
    guard let plan else { throw ApusError(.notPrepared, "the session has not been prepared for shapes") }
    return plan
  }

  // MARK: Prepare

  /// Plans memory and packs weights for given shapes, and sets states to their initial values.
  ///
  /// Buffers that were bound before stay bound where they are large enough for the new shapes, and are unbound otherwise.
  /// After an error of the shapes the session is as it was; after one of memory it is not prepared.
  /// - Parameter shapes: one for each model input, in order.
  public func prepare(_ shapes: [[Int]]) throws(ApusError) {
    try requireIdle()
    if plan == nil || shapes != self.shapes {
      let reserve = try ObjectReserve.begin(model.file.objectBytes)
      defer { ObjectReserve.end(reserve) }
      let builder = try model.plan(shapes, threads: threads)
      // The old memory first: two plans at a time need twice of it.
      plan = nil
      ownPorts = nil
      let made = try PreparedPlan(builder, model: model, threads: threads)
      ownPorts = try model.memory.allocate(byteCount: made.portBytes, purpose: "inputs and outputs")
      self.shapes = shapes
      plan = made
      execution = apusp_execution()
      execution.steps = made.firstStep
      execution.count = Int64(made.stepCount)
      execution.workers = made.workers
      execution.worker_count = Int32(made.workerCount)
      execution.pool = pool?.handle
      execution.control = control
      execution.profile = options.profiles ? made.profile : nil
      execution.progress = options.progress
      execution.progress_user = options.progressUser
      for index in model.inputs.indices {
        if let bound = boundInputs[index], bound.count < made.inputBytes[index] { boundInputs[index] = nil }
        made.bindInput(index, boundInputs[index]?.baseAddress ?? UnsafeRawPointer(ownInput(made, index)))
      }
      for index in model.outputs.indices {
        if let bound = boundOutputs[index], bound.count < made.outputBytes[index] { boundOutputs[index] = nil }
        made.bindOutput(index, boundOutputs[index]?.baseAddress ?? ownOutput(made, index))
      }
    }
    do throws(ApusError) { try resetStates() } catch {
      plan = nil
      throw error
    }
  }

  private func ownInput(_ plan: PreparedPlan, _ index: Int) -> UnsafeMutableRawPointer? {
    ownPorts.map { $0.pointer + plan.inputOffsets[index] }
  }

  private func ownOutput(_ plan: PreparedPlan, _ index: Int) -> UnsafeMutableRawPointer? {
    ownPorts.map { $0.pointer + plan.outputOffsets[index] }
  }

  public var isPrepared: Bool { plan != nil }

  /// Steps of a run; 0 before `prepare`.
  public var stepCount: Int { plan?.stepCount ?? 0 }

  /// Bytes of the arena: activations and scratch.
  public var arenaBytes: UInt64 { UInt64(plan?.arenaBytes ?? 0) }

  /// The shapes that the session is prepared for; empty before.
  public var preparedShapes: [[Int]] { plan == nil ? [] : shapes }

  // MARK: States

  /// Sets all states to their initial values, as `prepare` does.
  public func reset() throws(ApusError) {
    try requireIdle()
    _ = try prepared()
    try resetStates()
  }

  private func resetStates() throws(ApusError) {
    for state in model.states {
      let plan = try prepared()
      let target = UnsafeMutableRawBufferPointer(
        start: ownInput(plan, state.input), count: plan.inputBytes[state.input])
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
    let plan = try prepared()
    try requireNoState(port)
    guard byteCount >= plan.inputBytes[index] else {
      throw ApusError(
        .bufferTooSmall, "input buffer is too small", tensorName: port.name.string,
        expected: "at least \(plan.inputBytes[index]) bytes", actual: "\(byteCount)")
    }
    try requireAlignment(pointer, port)
    boundInputs[index] = UnsafeRawBufferPointer(start: pointer, count: byteCount)
    plan.bindInput(index, pointer)
  }

  /// Lets runs write an output to the caller's memory, without a copy.
  /// - Parameter capacity: bytes; at least the output's size for the prepared shapes.
  public func bindOutput(_ index: Int, _ pointer: UnsafeMutableRawPointer, capacity: Int) throws(ApusError) {
    let port = try port(index, of: model.outputs)
    try requireIdle()
    let plan = try prepared()
    try requireNoState(port)
    guard capacity >= plan.outputBytes[index] else {
      throw ApusError(
        .bufferTooSmall, "output buffer is too small", tensorName: port.name.string,
        expected: "at least \(plan.outputBytes[index]) bytes", actual: "\(capacity)")
    }
    try requireAlignment(UnsafeRawPointer(pointer), port)
    boundOutputs[index] = UnsafeMutableRawBufferPointer(start: pointer, count: capacity)
    plan.bindOutput(index, pointer)
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
    if let plan { plan.bindInput(index, UnsafeRawPointer(ownInput(plan, index))) }
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
    let plan = try prepared()
    guard boundInputs[index] == nil else {
      throw ApusError(.invalidArgument, "the input is bound to the caller's memory", tensorName: port.name.string)
    }
    return UnsafeMutableRawBufferPointer(start: ownInput(plan, index), count: plan.inputBytes[index])
  }

  /// What the last run wrote to an output, in the session's own memory or the caller's.
  public func outputBuffer(_ index: Int) throws(ApusError) -> UnsafeRawBufferPointer {
    _ = try port(index, of: model.outputs)
    try requireIdle()
    let plan = try prepared()
    let start = boundOutputs[index]?.baseAddress ?? ownOutput(plan, index)
    return UnsafeRawBufferPointer(start: start, count: plan.outputBytes[index])
  }

  /// The shape of an output for the prepared shapes.
  public func outputShape(_ index: Int) throws(ApusError) -> [Int] {
    _ = try port(index, of: model.outputs)
    return try prepared().outputShapes[index]
  }

  /// Bytes of an output for the prepared shapes.
  public func outputByteCount(_ index: Int) throws(ApusError) -> Int {
    _ = try port(index, of: model.outputs)
    return try prepared().outputBytes[index]
  }

  /// Bytes of an input for the prepared shapes.
  public func inputByteCount(_ index: Int) throws(ApusError) -> Int {
    _ = try port(index, of: model.inputs)
    return try prepared().inputBytes[index]
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
    let plan = try prepared()
    if options.profiles { plan.profile.update(repeating: 0, count: plan.stepCount) }
    if let timeout {
      let (deadline, overflow) = apusp_clock_now().addingReportingOverflow(timeout)
      execution.deadline = overflow ? .max : deadline
    } else {
      execution.deadline = 0
    }
    var outcome = apusp_outcome()
    guard apusp_execute(&execution, &outcome) == 0 else { throw runError(outcome, plan) }
  }

  private func runError(_ outcome: apusp_outcome, _ plan: PreparedPlan) -> ApusError {
    let status = ApusError.Status(rawValue: outcome.status) ?? .internal
    let position = outcome.step >= 0 && outcome.step < Int64(plan.stepCount) ? plan.node(ofStep: Int(outcome.step)) : -1
    let node: ProgramNode? = position >= 0 ? model.program.nodes[position] : nil
    var error = ApusError(status, "the run failed", operatorName: node?.node.label ?? "")
    switch status {
    case .cancelled: error.message = "the run was cancelled"
    case .deadlineExceeded: error.message = "the run's time was up"
    case .valueOutOfRange:
      let fault = outcome.fault
      error.message = "a value is out of range at element \(fault.position)"
      error.expected = "\(fault.lower) <= value < \(fault.upper)"
      error.actual = "\(fault.value)"
      if let node, fault.operand >= 0, Int(fault.operand) < node.node.inputs.count, node.node.inputs[Int(fault.operand)] >= 0 {
        error.tensorName = model.program.graph.values[Int(node.node.inputs[Int(fault.operand)])].name.string
      }
    default: break
    }
    return error
  }

  /// Asks the run in flight to stop; without one it does nothing, now or later. From any thread.
  /// - Returns: whether there was a run.
  @discardableResult
  public func cancel() -> Bool { apusp_run_control_cancel(control) }

  // MARK: Profile

  /// What a node took in the last run.
  public struct ProfileEntry: Sendable {
    /// `conv1 (ai.onnx.Conv-22) + relu`; the copies at the end have the label `outputs`.
    public let label: String
    public let operatorName: Name
    public let nanoseconds: UInt64
    /// Kernels that the node became.
    public let steps: Int
  }

  /// One entry for each node that became steps, in order; empty where the session does not profile.
  public var profile: [ProfileEntry] {
    guard options.profiles, let plan else { return [] }
    var entries: [ProfileEntry] = []
    var step = 0
    while step < plan.stepCount {
      let position = plan.node(ofStep: step)
      var (nanoseconds, count) = (UInt64(0), 0)
      while step < plan.stepCount, plan.node(ofStep: step) == position {
        nanoseconds &+= plan.profile[step]
        count += 1
        step += 1
      }
      let node: ProgramNode? = position >= 0 ? model.program.nodes[position] : nil
      entries.append(
        ProfileEntry(
          label: node?.label ?? "outputs", operatorName: node?.node.operatorName ?? "Copy", nanoseconds: nanoseconds,
          steps: count))
    }
    return entries
  }
}
