import ApusFormat
import ApusGraph
import CApusPlatform

/// Bytes that a plan needs, and where its parts lie.
struct PlanSizes {
  /// Buffers with their arena offsets set.
  let buffers: [PlannedBuffer]
  /// Arena buffers, then one scratch area a thread.
  let arena: Int
  let scratchOffset: Int
  /// Bytes of one thread's scratch.
  let scratch: Int
  /// Steps, workers, addresses, profile, tables and argument blocks.
  let control: Int
  let packed: Int
  let constants: Int
  let ports: Int

  init(_ builder: PlanBuilder, threads: Int) throws(ApusError) {
    var placed = builder.buffers
    guard let activations = ArenaPlanner.place(&placed) else { throw Int.overflowError("the arena's size") }
    buffers = placed
    scratch = try PlanSizes.aligned(builder.scratchBytes)
    scratchOffset = activations
    arena = try activations.checkedAdding(try scratch.checkedMultiplied(by: threads))
    var (packed, constants, ports, tables) = (0, 0, 0, 0)
    var counted: [TensorID] = []
    for buffer in placed {
      switch buffer.kind {
      case .arena, .part: break
      case .input, .output:
        ports = try ports.checkedAdding(try PlanSizes.aligned(try buffer.byteCount.checkedMultiplied(by: builder.images)))
      case .packed: packed = try packed.checkedAdding(try PlanSizes.aligned(buffer.byteCount))
      case .table: tables = try tables.checkedAdding(try PlanSizes.aligned(buffer.byteCount))
      case .constant(let id):
        if !counted.contains(id) {
          counted.append(id)
          constants = try constants.checkedAdding(buffer.byteCount)
        }
      }
    }
    self.packed = packed
    self.constants = constants
    self.ports = ports
    var control = try tables.checkedAdding(threads * MemoryLayout<apusp_worker>.stride)
    for step in builder.steps { control = try control.checkedAdding(try PlanSizes.aligned(step.argumentBytes)) }
    let fixed = builder.steps.count * (MemoryLayout<apusp_step>.stride + 8) + placed.count * 8
    self.control = try control.checkedAdding(fixed).checkedAdding(4 * ArenaPlanner.alignment)
  }

  static func aligned(_ byteCount: Int) throws(ApusError) -> Int {
    try byteCount.checkedAdding(ArenaPlanner.alignment - 1) / ArenaPlanner.alignment * ArenaPlanner.alignment
  }
}

/// The arena of a session: one piece of memory for all its plans, of which one runs at a time.
final class Workspace {
  let memory: BulkMemory
  private(set) var buffer: BulkBuffer

  static func make(memory: BulkMemory) throws(ApusError) -> Workspace {
    Workspace(memory, try memory.allocate(byteCount: 0, purpose: "the session's arena"))
  }

  private init(_ memory: BulkMemory, _ buffer: BulkBuffer) {
    self.memory = memory
    self.buffer = buffer
  }

  /// Makes the memory large enough. Plans that were made before move with `moveArena`.
  func reserve(_ byteCount: Int) throws(ApusError) {
    guard buffer.byteCount < byteCount else { return }
    // The old memory first: its contents are nobody's, and both at a time could pass the limit.
    buffer = try memory.allocate(byteCount: 0, purpose: "the session's arena")
    buffer = try memory.allocate(byteCount: byteCount, purpose: "the session's arena")
  }
}

/// A plan with memory: what `run` executes. All plain C from here on.
final class PreparedPlan {
  private let steps: [PlannedStep]
  /// Where the workspace's memory was when the addresses were made. The plan does not keep it: old memory goes when the
  /// workspace grows, whatever plans were made for it.
  private var arena: UnsafeMutableRawPointer
  private let scratchOffset: Int
  private let scratchBytes: Int
  /// By buffer: where it lies in the arena, or -1.
  private let arenaOffsets: [Int]
  private let controlBuffer: BulkBuffer
  /// Keeps packed weights alive; the addresses are in the table.
  private var packedBlocks: [BulkBuffer] = []
  private let addresses: UnsafeMutablePointer<UnsafeMutableRawPointer?>
  private let stepTable: UnsafeMutablePointer<apusp_step>
  private var argumentBlocks: [UnsafeMutableRawPointer] = []
  /// Buffers of inputs and outputs by port, with the byte where each begins; several for an output that is written twice, or
  /// in parts.
  private var inputBuffers: [[(index: Int, offset: Int)]]
  private var outputBuffers: [[(index: Int, offset: Int)]]
  /// By buffer: the steps whose arguments hold its address; for buffers of ports only.
  private var stepsOfPorts: [[Int]]
  let arenaBytes: Int
  /// How often a run repeats the steps: for each image of the inputs and outputs.
  let images: Int
  /// By port: where its first image is.
  private var inputBases: [UnsafeMutableRawPointer?]
  private var outputBases: [UnsafeMutableRawPointer?]
  /// What the steps' nodes are positions in.
  let program: Program
  let workers: UnsafeMutablePointer<apusp_worker>
  let workerCount: Int
  let profile: UnsafeMutablePointer<UInt64>
  let inputBytes: [Int]
  let outputBytes: [Int]
  let outputShapes: [[Int]]
  /// Where the session's own memory of each port begins, in one block of `portBytes`.
  let inputOffsets: [Int]
  let outputOffsets: [Int]
  let portBytes: Int

  var stepCount: Int { steps.count }
  var firstStep: UnsafePointer<apusp_step> { UnsafePointer(stepTable) }

  /// The program's node that a step belongs to, or -1 for the copies at the end.
  func node(ofStep step: Int) -> Int { Int(steps[step].node) }

  func note(ofStep step: Int) -> StaticString { steps[step].note }

  func expected(ofStep step: Int) -> [Float] { steps[step].expected }

  func extents(ofStep step: Int) -> [Int] { steps[step].extents }

  /// Sizes, shapes and places of inputs and outputs.
  private struct PortLayout {
    let inputBytes: [Int]
    let outputBytes: [Int]
    let outputShapes: [[Int]]
    let inputOffsets: [Int]
    let outputOffsets: [Int]
    let byteCount: Int

    init(_ builder: PlanBuilder) throws(ApusError) {
      let images = builder.images
      inputBytes = try builder.program.graph.inputs.map { id throws(ApusError) in
        try builder.byteCount(id).checkedMultiplied(by: images)
      }
      outputBytes = try builder.program.graph.outputs.map { id throws(ApusError) in
        try builder.byteCount(builder.program.resolved(id)).checkedMultiplied(by: images)
      }
      outputShapes = try builder.program.graph.outputs.map { id throws(ApusError) in
        let extents = try builder.extents(builder.program.resolved(id))
        return images == 1 ? extents : [images] + extents.dropFirst()
      }
      var end = 0
      func place(_ byteCount: Int) throws(ApusError) -> Int {
        let offset = end
        end = try end.checkedAdding(try PlanSizes.aligned(byteCount))
        return offset
      }
      inputOffsets = try inputBytes.map { bytes throws(ApusError) in try place(bytes) }
      outputOffsets = try outputBytes.map { bytes throws(ApusError) in try place(bytes) }
      byteCount = end
    }
  }

  /// - Parameters:
  ///   - workspace: the arena's memory, shared by plans of which one runs at a time.
  ///   - packed: the packed weights of the model that `builder` planned, under the same lock as its constants.
  ///   - pool: an `apusp_pool` that decodes and packs beside the calling thread, or nil.
  convenience init(
    _ builder: PlanBuilder, workspace: Workspace, packed: PackedWeights, threads: Int, pool: OpaquePointer? = nil
  ) throws(ApusError) {
    let sizes = try PlanSizes(builder, threads: threads)
    let ports = try PortLayout(builder)
    try workspace.reserve(sizes.arena)
    let control = try workspace.memory.allocate(byteCount: sizes.control, purpose: "the session's steps")
    var requests: [PackedRequest] = []
    for buffer in sizes.buffers {
      if case .packed(let request) = buffer.kind { requests.append(request) }
    }
    try packed.fill(requests, from: builder.constants, on: pool)
    try self.init(builder, packed, threads, sizes, ports, workspace, control, pool)
  }

  /// Throws only once all is set: Embedded Swift does not free an object whose designated initializer throws before.
  private init(
    _ builder: PlanBuilder, _ packed: PackedWeights, _ threads: Int, _ sizes: PlanSizes, _ ports: PortLayout,
    _ workspace: Workspace, _ controlBuffer: BulkBuffer, _ pool: OpaquePointer?
  ) throws(ApusError) {
    steps = builder.steps
    program = builder.program
    arenaBytes = sizes.arena
    images = builder.images
    inputBases = Array(repeating: nil, count: ports.inputBytes.count)
    outputBases = Array(repeating: nil, count: ports.outputBytes.count)
    scratchOffset = sizes.scratchOffset
    scratchBytes = sizes.scratch
    let whole = sizes.buffers.indices.map { index -> (index: Int, offset: Int) in
      if case .part(let base, let offset) = sizes.buffers[index].kind { (base.index, offset) } else { (index, 0) }
    }
    arenaOffsets = whole.map { sizes.buffers[$0.index].isArena ? sizes.buffers[$0.index].arenaOffset + $0.offset : -1 }
    let arena = workspace.buffer.pointer
    self.arena = arena
    self.controlBuffer = controlBuffer
    var next = controlBuffer.pointer
    func take(_ byteCount: Int) -> UnsafeMutableRawPointer {
      let place = next
      next += (byteCount + ArenaPlanner.alignment - 1) / ArenaPlanner.alignment * ArenaPlanner.alignment
      return place
    }
    stepTable = take(steps.count * MemoryLayout<apusp_step>.stride).bindMemory(to: apusp_step.self, capacity: steps.count)
    profile = take(steps.count * 8).bindMemory(to: UInt64.self, capacity: steps.count)
    profile.initialize(repeating: 0, count: steps.count)
    addresses = take(sizes.buffers.count * 8).bindMemory(
      to: UnsafeMutableRawPointer?.self, capacity: sizes.buffers.count)
    addresses.initialize(repeating: nil, count: sizes.buffers.count)
    workers = take(threads * MemoryLayout<apusp_worker>.stride).bindMemory(to: apusp_worker.self, capacity: threads)
    workerCount = threads
    for index in 0..<threads {
      var worker = apusp_worker()
      worker.scratch = arena + sizes.scratchOffset + index * sizes.scratch
      worker.scratch_size = Int64(sizes.scratch)
      worker.index = Int32(index)
      (workers + index).initialize(to: worker)
    }
    stepsOfPorts = Array(repeating: [], count: sizes.buffers.count)
    for (index, step) in steps.enumerated() where step.touchesPorts {
      for buffer in step.buffers where sizes.buffers[whole[buffer.index].index].isPort {
        stepsOfPorts[buffer.index].append(index)
      }
    }
    inputBuffers = Array(repeating: [], count: builder.program.graph.inputs.count)
    outputBuffers = Array(repeating: [], count: builder.program.graph.outputs.count)
    inputBytes = ports.inputBytes
    outputBytes = ports.outputBytes
    outputShapes = ports.outputShapes
    inputOffsets = ports.inputOffsets
    outputOffsets = ports.outputOffsets
    portBytes = ports.byteCount
    for index in sizes.buffers.indices {
      switch sizes.buffers[whole[index].index].kind {
      case .arena: addresses[index] = arena + arenaOffsets[index]
      case .input(let port): inputBuffers[port].append((index, whole[index].offset))
      case .output(let port): outputBuffers[port].append((index, whole[index].offset))
      case _ where whole[index].index != index:
        // A constant, or a table: bases stand before their parts.
        addresses[index] = addresses[whole[index].index].map { $0 + whole[index].offset }
      case .table(let bytes):
        let place = take(bytes.count)
        bytes.withUnsafeBytes { place.copyMemory(from: $0.baseAddress ?? UnsafeRawPointer(place), byteCount: $0.count) }
        addresses[index] = place
      case .constant(let id):
        addresses[index] = UnsafeMutableRawPointer(mutating: try builder.constants.pointer(id, on: pool))
      case .packed(let request):
        guard let made = packed.find(request.tensor, request.packing) else {
          throw ApusError(.internal, "weights were not packed")
        }
        if packedBlocks.last !== made.block { packedBlocks.append(made.block) }
        addresses[index] = made.pointer
      case .part: break
      }
    }
    for (index, step) in steps.enumerated() {
      let block = take(step.argumentBytes)
      argumentBlocks.append(block)
      step.writeArguments(PointerTable(addresses: addresses), block)
      (stepTable + index).initialize(
        to: apusp_step(
          kernel: step.kernel, args: block, units: step.units, grain: step.grain, node: step.node, phases: step.phases))
    }
  }

  /// Moves the plan to the workspace's memory where that was made anew since, and makes that as large as the plan needs: an
  /// allocation that failed for another plan may have left less.
  func moveArena(to workspace: Workspace) throws(ApusError) {
    try workspace.reserve(arenaBytes)
    guard workspace.buffer.pointer != arena else { return }
    arena = workspace.buffer.pointer
    for (index, offset) in arenaOffsets.enumerated() where offset >= 0 { addresses[index] = arena + offset }
    for index in 0..<workerCount { workers[index].scratch = arena + scratchOffset + index * scratchBytes }
    for (index, step) in steps.enumerated() {
      step.writeArguments(PointerTable(addresses: addresses), argumentBlocks[index])
    }
  }

  func bindInput(_ port: Int, _ pointer: UnsafeRawPointer?) {
    inputBases[port] = UnsafeMutableRawPointer(mutating: pointer)
    bind(inputBuffers[port], inputBases[port])
  }

  func bindOutput(_ port: Int, _ pointer: UnsafeMutableRawPointer?) {
    outputBases[port] = pointer
    bind(outputBuffers[port], pointer)
  }

  /// Runs the steps, once for each image. `execution` holds them; its progress is that of all images.
  func execute(_ execution: inout apusp_execution, _ outcome: inout apusp_outcome) -> Int32 {
    guard images > 1 else { return apusp_execute(&execution, &outcome) }
    execution.steps_of_run = execution.count * Int64(images)
    for image in 0..<images {
      for port in inputBases.indices {
        bind(inputBuffers[port], inputBases[port].map { $0 + image * (inputBytes[port] / images) })
      }
      for port in outputBases.indices {
        bind(outputBuffers[port], outputBases[port].map { $0 + image * (outputBytes[port] / images) })
      }
      execution.steps_before = execution.count * Int64(image)
      let status = apusp_execute(&execution, &outcome)
      if status != 0 { return status }
    }
    return 0
  }

  /// Sets the address of a port's buffers and writes the arguments of all steps that touch one of them anew.
  private func bind(_ buffers: [(index: Int, offset: Int)], _ pointer: UnsafeMutableRawPointer?) {
    if buffers.allSatisfy({ buffer in addresses[buffer.index] == pointer.map { $0 + buffer.offset } }) { return }
    for buffer in buffers { addresses[buffer.index] = pointer.map { $0 + buffer.offset } }
    for buffer in buffers {
      for step in stepsOfPorts[buffer.index] {
        steps[step].writeArguments(PointerTable(addresses: addresses), argumentBlocks[step])
      }
    }
  }
}
