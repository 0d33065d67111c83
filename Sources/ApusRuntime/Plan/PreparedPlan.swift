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
      case .arena: break
      case .input, .output: ports = try ports.checkedAdding(try PlanSizes.aligned(buffer.byteCount))
      case .packed: packed = try packed.checkedAdding(buffer.byteCount)
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

/// A plan with memory: what `run` executes. All plain C from here on.
final class PreparedPlan {
  private let steps: [PlannedStep]
  private let arenaBuffer: BulkBuffer
  private let controlBuffer: BulkBuffer
  /// Keeps packed weights alive; the addresses are in the table.
  private var packedBuffers: [BulkBuffer] = []
  private let addresses: UnsafeMutablePointer<UnsafeMutableRawPointer?>
  private let stepTable: UnsafeMutablePointer<apusp_step>
  private var argumentBlocks: [UnsafeMutableRawPointer] = []
  /// Buffers of inputs and outputs by port; several for an output that is written twice.
  private var inputBuffers: [[Int]]
  private var outputBuffers: [[Int]]
  /// By buffer: the steps whose arguments hold its address; for buffers of ports only.
  private var stepsOfPorts: [[Int]]
  let arenaBytes: Int
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

  /// Sizes, shapes and places of inputs and outputs.
  private struct PortLayout {
    let inputBytes: [Int]
    let outputBytes: [Int]
    let outputShapes: [[Int]]
    let inputOffsets: [Int]
    let outputOffsets: [Int]
    let byteCount: Int

    init(_ builder: PlanBuilder) throws(ApusError) {
      inputBytes = try builder.program.graph.inputs.map { id throws(ApusError) in try builder.byteCount(id) }
      outputBytes = try builder.program.graph.outputs.map { id throws(ApusError) in
        try builder.byteCount(builder.program.resolved(id))
      }
      outputShapes = try builder.program.graph.outputs.map { id throws(ApusError) in
        try builder.extents(builder.program.resolved(id))
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

  convenience init(_ builder: PlanBuilder, model: Model, threads: Int) throws(ApusError) {
    let sizes = try PlanSizes(builder, threads: threads)
    let ports = try PortLayout(builder)
    let arena = try model.memory.allocate(byteCount: sizes.arena, purpose: "the session's arena")
    let control = try model.memory.allocate(byteCount: sizes.control, purpose: "the session's steps")
    try self.init(builder, model, threads, sizes, ports, arena, control)
  }

  /// Throws only once all is set: Embedded Swift does not free an object whose designated initializer throws before.
  private init(
    _ builder: PlanBuilder, _ model: Model, _ threads: Int, _ sizes: PlanSizes, _ ports: PortLayout,
    _ arenaBuffer: BulkBuffer, _ controlBuffer: BulkBuffer
  ) throws(ApusError) {
    steps = builder.steps
    arenaBytes = sizes.arena
    self.arenaBuffer = arenaBuffer
    self.controlBuffer = controlBuffer
    let arena = arenaBuffer.pointer
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
      for buffer in step.buffers where sizes.buffers[buffer.index].isPort { stepsOfPorts[buffer.index].append(index) }
    }
    inputBuffers = Array(repeating: [], count: model.inputs.count)
    outputBuffers = Array(repeating: [], count: model.outputs.count)
    inputBytes = ports.inputBytes
    outputBytes = ports.outputBytes
    outputShapes = ports.outputShapes
    inputOffsets = ports.inputOffsets
    outputOffsets = ports.outputOffsets
    portBytes = ports.byteCount
    for (index, buffer) in sizes.buffers.enumerated() {
      switch buffer.kind {
      case .arena: addresses[index] = arena + buffer.arenaOffset
      case .input(let port): inputBuffers[port].append(index)
      case .output(let port): outputBuffers[port].append(index)
      case .table(let numbers):
        let place = take(8 * numbers.count)
        numbers.withUnsafeBytes { place.copyMemory(from: $0.baseAddress ?? UnsafeRawPointer(place), byteCount: $0.count) }
        addresses[index] = place
      case .constant(let id):
        let pointer = try model.withConstants { constants, _ throws(ApusError) in try constants.pointer(id) }
        addresses[index] = UnsafeMutableRawPointer(mutating: pointer)
      case .packed(let request):
        let packed = try model.withConstants { constants, packed throws(ApusError) in
          try packed.buffer(tensor: request.tensor, packing: request.packing, byteCount: request.byteCount) {
            target throws(ApusError) in
            let source = try constants.bytes(request.tensor)
            if let first = source.baseAddress { request.pack(first, target) }
          }
        }
        packedBuffers.append(packed)
        addresses[index] = packed.pointer
      }
    }
    try model.withConstants { constants, _ throws(ApusError) in try constants.releaseDecoded() }
    for (index, step) in steps.enumerated() {
      let block = take(step.argumentBytes)
      argumentBlocks.append(block)
      step.writeArguments(PointerTable(addresses: addresses), block)
      (stepTable + index).initialize(
        to: apusp_step(kernel: step.kernel, args: block, units: step.units, grain: step.grain, node: step.node))
    }
  }

  func bindInput(_ port: Int, _ pointer: UnsafeRawPointer?) {
    bind(inputBuffers[port], UnsafeMutableRawPointer(mutating: pointer))
  }

  func bindOutput(_ port: Int, _ pointer: UnsafeMutableRawPointer?) {
    bind(outputBuffers[port], pointer)
  }

  /// Sets the address of a port's buffers and writes the arguments of all steps that touch one of them anew.
  private func bind(_ buffers: [Int], _ pointer: UnsafeMutableRawPointer?) {
    if buffers.allSatisfy({ addresses[$0] == pointer }) { return }
    for buffer in buffers { addresses[buffer] = pointer }
    for buffer in buffers {
      for step in stepsOfPorts[buffer] {
        steps[step].writeArguments(PointerTable(addresses: addresses), argumentBlocks[step])
      }
    }
  }
}
