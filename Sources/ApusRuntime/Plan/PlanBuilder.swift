import ApusGraph
import CApusKernels
import CApusPlatform

/// A step whose argument block can be written once the buffers have addresses.
struct PlannedStep {
  let kernel: apusp_kernel
  let units: Int64
  let grain: Int64
  let phases: Int64
  let node: Int32
  /// Which of an operator's kernels it is, and what for; empty where there is one.
  let note: StaticString
  /// What the choice of a convolution's algorithm went by: the microseconds that each was expected to take on one thread (the
  /// direct sum, Winograd's F(2x2), F(4x4), F(6x6)); empty where there was no choice.
  let expected: [Float]
  /// Of the node's first result.
  let extents: [Int]
  let argumentBytes: Int
  /// Whether it touches a model input or output: then its arguments are written anew when these are bound.
  var touchesPorts = false
  let buffers: [BufferID]
  let writeArguments: (PointerTable, UnsafeMutableRawPointer) -> Void
}

/// Lays out a program for concrete shapes: chooses layouts, emits steps, tells each value's memory.
///
/// Node by node, in order. A binding asks for its operands in the layout it wants (`input`), for its results (`output`), and
/// emits steps. Conversions between layouts are emitted where an operand does not exist in the layout asked for.
final class PlanBuilder {
  /// Nodes, and values that the builder adds for itself.
  private(set) var program: Program
  let constants: ConstantStore
  let registry: OperatorRegistry
  let bindings: KernelBindings
  let level: Int32
  let threads: Int
  let convolution: ConvolutionAlgorithm
  /// Types and known integer contents by value id, for the shapes that are being prepared.
  private(set) var inference: TypeInference

  /// How often a run repeats the plan, for one image of its inputs and outputs after the other.
  var images = 1

  private(set) var buffers: [PlannedBuffer] = []
  private(set) var steps: [PlannedStep] = []
  private(set) var scratchBytes = 0
  /// By value id: where it lies in each layout, as far as it does.
  private var plain: [BufferID?]
  private var channelsLast: [BufferID?]
  /// By value id: where it lies in channels-last order with pixels that stand apart: in a part of a concatenation.
  private var spaced: [SpacedPixels?]
  /// By value id: the concatenation that it is written into, and the first channel there.
  private var places: [(result: ValueID, channel: Int)?]
  /// By value id: the first output port that it is, or nil.
  private var outputPorts: [Int?]
  /// By value id: how many readers are still to be emitted.
  private var pendingReaders: [Int]
  /// By value id: the position of the last node that reads it, or nil.
  private var lastReaders: [Int?]
  /// By position: whether an earlier node's step does the node's work.
  private var isAbsorbed: [Bool]
  /// What the last step computes, if that is convolutions.
  var lastConvolutions: ConvolutionChain?
  /// A value that still lacks a factor for each channel, which its only reader applies.
  var unscaled: (value: ValueID, factors: BufferID)?
  /// Of the next step: which of an operator's kernels it is, and what for.
  var note: StaticString = ""
  /// Of the next step: see `PlannedStep`.
  var expected: [Float] = []
  /// The node that steps are emitted for.
  private(set) var current = 0

  init(
    program: Program, constants: ConstantStore, registry: OperatorRegistry, bindings: KernelBindings,
    inference: TypeInference, level: Int32, threads: Int, convolution: ConvolutionAlgorithm = .automatic
  ) throws(ApusError) {
    self.program = program
    self.constants = constants
    self.registry = registry
    self.bindings = bindings
    self.inference = inference
    self.level = level
    self.threads = threads
    self.convolution = convolution
    plain = Array(repeating: nil, count: program.graph.values.count)
    channelsLast = plain
    spaced = Array(repeating: nil, count: program.graph.values.count)
    places = Array(repeating: nil, count: program.graph.values.count)
    outputPorts = Array(repeating: nil, count: program.graph.values.count)
    for (port, id) in program.outputs.enumerated().reversed() { outputPorts[Int(id)] = port }
    pendingReaders = program.readerCounts()
    lastReaders = program.lastReaders()
    isAbsorbed = Array(repeating: false, count: program.nodes.count)
    places = try concatenationPlaces()
    for (position, id) in program.graph.inputs.enumerated() {
      plain[Int(id)] = addBuffer(.input(position), byteCount: try byteCount(id), value: id)
    }
    for (position, node) in program.nodes.enumerated() {
      current = position
      if isKnown(node) || isAbsorbed[position] { continue }
      do throws(ApusError) {
        try emit(node)
      } catch {
        throw error.inOperator(node.node.label)
      }
      for id in node.reads { pendingReaders[Int(id)] -= 1 }
    }
    current = -1
    try storeOutputs()
    markPorts()
  }

  private func emit(_ node: ProgramNode) throws(ApusError) {
    // Nothing to compute: and extents beside a 0 may be so large that kernels' tables for them could not be made.
    let results = node.node.outputs.filter { $0 >= 0 }
    var isEmpty = true
    for id in results where elementCount(try extents(id)) != 0 { isEmpty = false }
    if isEmpty {
      for id in results { _ = try output(id) }
      return
    }
    let schema = try registry.schema(of: node.node)
    guard let binding = node.quantized == nil ? bindings.kernel(of: node.node) : bindings.quantizedForms else {
      throw ApusError(.unsupportedOperator, "this build has no kernel for the operator", operatorName: node.node.label)
    }
    let widening = try Widening(self, node, schema, binding)
    try binding.emit(
      self, BoundNode(widening.node, schema: schema, inference: inference, tensors: constants.tensors))
    try widening.narrowResults(self)
  }

  /// Whether all results were found while the plan was made: nothing is left to compute.
  private func isKnown(_ node: ProgramNode) -> Bool {
    for id in node.node.outputs where id >= 0 && inference.contents[Int(id)] == nil { return false }
    return true
  }

  // MARK: Buffers

  private func addBuffer(_ kind: PlannedBuffer.Kind, byteCount: Int, value: ValueID? = nil) -> BufferID {
    var buffer = PlannedBuffer(kind: kind, byteCount: byteCount)
    if let value { buffer.values.append(value) }
    buffers.append(buffer)
    return BufferID(index: buffers.count - 1)
  }

  /// A piece of a buffer, for a value that is part of what lies there.
  func part(of buffer: BufferID, offset: Int, byteCount: Int, value: ValueID) -> BufferID {
    var (base, start) = (buffer, offset)
    if case .part(let outer, let inner) = buffers[buffer.index].kind { (base, start) = (outer, inner + offset) }
    // The base must stay while the value is read.
    buffers[base.index].values.append(value)
    return addBuffer(.part(of: base, offset: start), byteCount: byteCount, value: value)
  }

  /// Memory for the node's own use between its steps.
  func temporary(byteCount: Int) -> BufferID { addBuffer(.arena, byteCount: byteCount) }

  func packed(_ request: PackedRequest) -> BufferID { addBuffer(.packed(request), byteCount: request.byteCount) }

  func table<Element: BitwiseCopyable>(_ elements: [Element]) -> BufferID {
    let bytes = elements.withUnsafeBytes { Array($0) }
    return addBuffer(.table(bytes), byteCount: bytes.count)
  }

  /// Adds a value of the builder's own, which the current node reads or writes.
  func addValue(
    _ elementType: ElementType, _ extents: [Int], name: Name, readers: Int, constant: TensorID? = nil
  ) -> ValueID {
    let type = ValueType.tensor(TensorType(elementType, Shape(extents)))
    let id = inference.addValue(type)
    program.graph.values.append(Value(name: name, type: type, constant: constant))
    plain.append(nil)
    channelsLast.append(nil)
    spaced.append(nil)
    places.append(nil)
    outputPorts.append(nil)
    pendingReaders.append(readers)
    lastReaders.append(nil)
    return id
  }

  /// The node that alone reads a value of the current node, if nothing else wants it, and its position.
  func onlyReader(of id: ValueID) throws(ApusError) -> (node: BoundNode, position: Int)? {
    guard outputPorts[Int(id)] == nil, pendingReaders[Int(id)] == 1, let position = lastReaders[Int(id)], position > current
    else { return nil }
    let node = program.nodes[position]
    let schema = try registry.schema(of: node.node)
    return (BoundNode(node, schema: schema, inference: inference, tensors: constants.tensors), position)
  }

  /// Declares that the current node's step writes the results of a later one.
  func absorb(_ position: Int) { isAbsorbed[position] = true }

  /// Lets the current node be another one while it is emitted.
  func replaceCurrent(_ node: ProgramNode) { program.nodes[current] = node }

  /// Whether a value lies in memory in a layout already, or does so without a conversion.
  func isAvailable(_ id: ValueID, _ layout: Layout) throws(ApusError) -> Bool {
    if (layout == .plain ? plain : channelsLast)[Int(id)] != nil { return true }
    if layout == .channelsLast, spaced[Int(id)] != nil { return true }
    return Layout.coincide(try extents(id))
  }

  /// Where a value lies in the given layout; emits a conversion where it does not yet.
  func input(_ id: ValueID, _ layout: Layout = .plain) throws(ApusError) -> BufferID {
    if let found = (layout == .plain ? plain : channelsLast)[Int(id)] { return found }
    if plain[Int(id)] == nil, channelsLast[Int(id)] == nil, let pixels = spaced[Int(id)] {
      let extents = try extents(id)
      let dense = addBuffer(.arena, byteCount: try byteCount(id), value: id)
      setBuffer(dense, of: id, .channelsLast)
      note = "out of a concatenation"
      try emitBlocks(
        pixels.buffer, dense, rows: try checkedElementCount(extents) / extents[1], blockBytes: extents[1] * 4,
        inputRowBytes: pixels.stride * 4, rowBytes: extents[1] * 4, offset: 0)
      return try input(id, layout)
    }
    if plain[Int(id)] == nil, channelsLast[Int(id)] == nil {
      let kind: PlannedBuffer.Kind
      if let constant = constantTensor(id) {
        kind = .constant(constant)
      } else if let contents = inference.contents[Int(id)] {
        kind = .table(contents)
      } else {
        throw ApusError(.internal, "a value is read before it is written", tensorName: name(id))
      }
      plain[Int(id)] = addBuffer(kind, byteCount: try byteCount(id), value: id)
      return try input(id, layout)
    }
    let extents = try extents(id)
    let source = plain[Int(id)] ?? channelsLast[Int(id)]
    guard let source else { throw ApusError(.internal, "a value has no memory", tensorName: name(id)) }
    if Layout.coincide(extents) {
      setBuffer(source, of: id, layout)
      return source
    }
    let target = addBuffer(.arena, byteCount: try byteCount(id), value: id)
    // `extents` describes the plain layout; the channels-last one has its axes in another order.
    let order: [Int]
    let stored: [Int]
    if layout == .channelsLast {
      order = Layout.channelsLastOrder(rank: extents.count)
      stored = extents
    } else {
      order = Layout.plainOrder(rank: extents.count)
      stored = Layout.channelsLastOrder(rank: extents.count).map { extents[$0] }
    }
    note = layout == .plain ? "to plain layout" : "to channels-last"
    try emitTranspose(source, target, extents: stored, order: order, elementBytes: try elementBytes(id))
    setBuffer(target, of: id, layout)
    return target
  }

  /// The pixels of a float32 value in channels-last order, wherever they lie.
  func pixels(_ id: ValueID) throws(ApusError) -> SpacedPixels {
    if channelsLast[Int(id)] == nil, let found = spaced[Int(id)] { return found }
    return SpacedPixels(buffer: try input(id, .channelsLast), stride: try extents(id)[1])
  }

  /// Memory for the pixels of a float32 value that the current node writes: inside of a concatenation where that is the next
  /// reader.
  func outputPixels(_ id: ValueID) throws(ApusError) -> SpacedPixels {
    guard let place = places[Int(id)] else {
      return SpacedPixels(buffer: try output(id, .channelsLast), stride: try extents(id)[1])
    }
    let whole = try concatenation(place.result)
    let stride = try extents(place.result)[1]
    let buffer = part(
      of: whole, offset: place.channel * 4, byteCount: try byteCount(place.result) - place.channel * 4, value: id)
    let pixels = SpacedPixels(buffer: buffer, stride: stride)
    spaced[Int(id)] = pixels
    return pixels
  }

  /// The memory of a concatenation of channels-last operands, some of which may be there already.
  func concatenation(_ id: ValueID) throws(ApusError) -> BufferID {
    if let begun = channelsLast[Int(id)] { return begun }
    return try output(id, .channelsLast)
  }

  func isBegun(concatenation id: ValueID) -> Bool { channelsLast[Int(id)] != nil }

  /// Whether a value was written into a concatenation.
  func isInPlace(_ id: ValueID, in result: ValueID, channel: Int) -> Bool {
    guard let place = places[Int(id)], spaced[Int(id)] != nil else { return false }
    return place.result == result && place.channel == channel
  }

  /// Memory for a value that the current node writes.
  func output(_ id: ValueID, _ layout: Layout = .plain) throws(ApusError) -> BufferID {
    var kind = PlannedBuffer.Kind.arena
    let coincides = Layout.coincide(try extents(id))
    if layout == .plain || coincides, let port = outputPorts[Int(id)] {
      kind = .output(port)
    }
    let buffer = addBuffer(kind, byteCount: try byteCount(id), value: id)
    setBuffer(buffer, of: id, layout)
    return buffer
  }

  /// Memory for a value that the current node writes element by element over `operand`, where that one dies here; else new.
  func output(_ id: ValueID, _ layout: Layout, over operand: ValueID) throws(ApusError) -> BufferID {
    if let reused = try output(id, layout, over: operand, in: layout) { return reused }
    return try output(id, layout)
  }

  /// The operand's memory for a value that is written over it, or nil where it must stay or has another size.
  func output(
    _ id: ValueID, _ layout: Layout, over operand: ValueID, in operandLayout: Layout
  ) throws(ApusError) -> BufferID? {
    let source = try input(operand, operandLayout)
    let bytes = try byteCount(id)
    guard outputPorts[Int(id)] == nil, dies(source), buffers[source.index].byteCount == bytes else { return nil }
    buffers[source.index].values.append(id)
    setBuffer(source, of: id, layout)
    return source
  }

  /// Declares that a value is another one with other extents: the same memory, no step.
  func alias(_ id: ValueID, _ layout: Layout = .plain, to source: BufferID) {
    buffers[source.index].values.append(id)
    if base(of: source) != source.index { buffers[base(of: source)].values.append(id) }
    setBuffer(source, of: id, layout)
  }

  /// Declares that whoever reads a value reads this buffer, too.
  func keep(_ buffer: BufferID, for id: ValueID) { buffers[base(of: buffer)].values.append(id) }

  private func setBuffer(_ buffer: BufferID, of id: ValueID, _ layout: Layout) {
    if layout == .plain { plain[Int(id)] = buffer } else { channelsLast[Int(id)] = buffer }
  }

  /// Whether nobody reads a buffer after the current node.
  private func dies(_ buffer: BufferID) -> Bool {
    guard buffers[buffer.index].isArena, current >= 0 else { return false }
    let reads = program.nodes[current].reads
    for value in buffers[buffer.index].values {
      let readersHere = reads.count { $0 == value }
      if readersHere > 1 || pendingReaders[Int(value)] > readersHere { return false }
    }
    return true
  }

  // MARK: Steps

  /// Adds a step. `arguments` makes the kernel's argument block once the buffers have addresses.
  func emit<Arguments>(
    _ plan: apusk_plan, _ touched: [BufferID?], arguments: @escaping (PointerTable) -> Arguments
  ) throws(ApusError) {
    defer { (note, expected) = ("", []) }
    lastConvolutions = nil
    guard plan.units > 0 else { return }
    guard let kernel = plan.kernel else { throw ApusError(.internal, "a plan has no kernel") }
    scratchBytes = max(scratchBytes, Int(plan.scratch_bytes))
    let step = PlannedStep(
      kernel: kernel, units: plan.units, grain: plan.grain, phases: plan.phases, node: Int32(current), note: note,
      expected: expected, extents: currentExtents,
      argumentBytes: MemoryLayout<Arguments>.stride, buffers: touched.compactMap { $0 },
      writeArguments: { pointers, target in
        target.initializeMemory(as: Arguments.self, repeating: arguments(pointers), count: 1)
      })
    for buffer in step.buffers {
      let index = base(of: buffer)
      buffers[index].firstStep = min(buffers[index].firstStep, steps.count)
      buffers[index].lastStep = max(buffers[index].lastStep, steps.count)
    }
    steps.append(step)
  }

  /// Takes back the last step, for one that computes what it does too and leaves no `result` in memory.
  func withdrawLastStep(making result: BufferID) {
    steps.removeLast()
    buffers[result.index].firstStep = Int.max
    buffers[result.index].lastStep = -1
  }

  /// Whether the current node alone reads a value, once, which lies in memory of its own.
  func isOnlyReader(of id: ValueID) -> Bool {
    guard let buffer = channelsLast[Int(id)], outputPorts[Int(id)] == nil, pendingReaders[Int(id)] == 1 else { return false }
    return buffers[buffer.index].isArena && buffers[buffer.index].values == [id]
  }

  private var currentExtents: [Int] {
    guard current >= 0, let id = program.nodes[current].node.outputs.first(where: { $0 >= 0 }) else { return [] }
    return inference.type(id)?.shape?.known ?? []
  }

  private func base(of buffer: BufferID) -> Int {
    if case .part(let base, _) = buffers[buffer.index].kind { base.index } else { buffer.index }
  }

  /// Sees to it that each graph output ends up in its own buffer.
  private func storeOutputs() throws(ApusError) {
    for (port, id) in program.outputs.enumerated() {
      let source = try input(id)
      switch buffers[source.index].kind {
      case .output(port): continue
      case .arena:
        // Nothing else claims this memory: let the steps write and read the caller's instead.
        buffers[source.index].kind = .output(port)
      default:
        let target = addBuffer(.output(port), byteCount: try byteCount(id), value: id)
        try emitCopy(source, target, byteCount: try byteCount(id))
      }
    }
    for state in program.states {
      let from = program.outputs.firstIndex(of: program.resolved(state.output))
      let into = program.graph.inputs.firstIndex(of: state.input)
      guard let from, let into else { continue }
      let source = buffers.firstIndex { if case .output(from) = $0.kind { true } else { false } }
      let target = buffers.firstIndex { if case .input(into) = $0.kind { true } else { false } }
      guard let source, let target else { throw ApusError(.internal, "a state has no memory") }
      // Last of all, so that a run that is cut off leaves the state as it was.
      try emitCopy(BufferID(index: source), BufferID(index: target), byteCount: buffers[target].byteCount)
    }
  }

  /// Tells the steps that read or write a model input or output.
  private func markPorts() {
    for index in steps.indices {
      steps[index].touchesPorts = steps[index].buffers.contains { buffers[base(of: $0)].isPort }
    }
  }
}
