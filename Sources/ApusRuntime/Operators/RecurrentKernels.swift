import ApusGraph
import CApusKernels

/// A recurrent layer as its kernels see it: sizes, and the operands that RNN, GRU and LSTM share.
private struct RecurrentLayer {
  let node: BoundNode
  let builder: PlanBuilder
  let kind: Int32
  let type: ElementType
  let gates: Int
  let extents: [Int]
  let directions: Int
  let hidden: Int
  let layout: Int32
  let direction: Int32
  let activations: RecurrentActivations

  init(
    _ builder: PlanBuilder, _ node: BoundNode, _ kind: Int32, _ defaults: [RecurrentActivation]
  ) throws(ApusError) {
    self.node = node
    self.builder = builder
    self.kind = kind
    type = try builder.elementType(node.input(0))
    gates = Int(apusk_recurrent_gates(kind))
    // What the shape rule saw: of a projected layer its X.
    extents = try builder.extents(node.node.original?.inputs[0] ?? node.input(0))
    let r = try builder.extents(node.input(2))
    (directions, hidden) = (r[0], node.node.original == nil ? r[2] : r[1])
    layout = Int32(node.attributes.int("layout") ?? 0)
    let name = node.attributes.string("direction") ?? "forward"
    direction =
      name == "forward" ? APUSK_RECURRENT_FORWARD : name == "reverse" ? APUSK_RECURRENT_REVERSE : APUSK_RECURRENT_BIDIRECTIONAL
    activations = try RecurrentActivations(node, directions: directions, defaults: defaults)
  }

  var steps: Int { layout == 0 ? extents[0] : extents[1] }
  var batch: Int { layout == 0 ? extents[1] : extents[0] }

  func operand(_ index: Int) throws(ApusError) -> BufferID? {
    guard let id = node.optionalInput(index) else { return nil }
    return try builder.input(id)
  }

  func result(_ index: Int) throws(ApusError) -> BufferID? {
    guard let id = node.optionalOutput(index) else { return nil }
    return try builder.output(id)
  }

  /// Whether input 0 is the projection, which a node before has computed: see `Compiler.expandDynamicLSTM`.
  private var isProjected: Bool { node.node.original != nil }

  /// X W^T for all steps, items and directions at once.
  func projection() throws(ApusError) -> BufferID {
    if isProjected { return try builder.input(node.input(0)) }
    let (rows, width) = (try extents[0].checkedMultiplied(by: extents[1]), extents[2])
    let columns = try directions.checkedMultiplied(by: gates).checkedMultiplied(by: hidden)
    let bytes = try rows.checkedMultiplied(by: columns).checkedMultiplied(by: type.byteWidth ?? 4)
    let projected = builder.temporary(byteCount: bytes)
    let x = try builder.input(node.input(0))
    guard type == .float32 else {
      var arguments = apusk_contract_args.plain
      try builder.check(apusk_contract_add_axis(&arguments, Int64(rows), Int64(width), 0, 0))
      try builder.check(apusk_contract_add_axis(&arguments, Int64(columns), 0, Int64(width), 0))
      try builder.check(apusk_contract_add_sum(&arguments, Int64(width), 1, 1))
      try builder.emitContraction(arguments, type, a: x, b: try builder.input(node.input(1)), output: projected)
      return projected
    }
    let weights = RightOperand(source: .value(node.input(1)), k: width, n: columns, strideK: 1, strideN: width)
    try builder.emitProduct(MatrixProduct(a: x, right: weights, m: rows), output: projected)
    return projected
  }

  /// R as the kernels read it: packed matrices `[hidden, hidden]` for each gate, or for float64 as it is.
  private func recurrence() throws(ApusError) -> (buffer: BufferID?, halfType: Int32, blocks: PackedBlocks?) {
    guard type == .float32 else { return (try builder.input(node.input(2)), 0, nil) }
    if isProjected { return (nil, 0, try quantizedRecurrence()) }
    let right = RightOperand(
      source: .value(node.input(2)), k: hidden, n: hidden, strideK: 1, strideN: hidden, count: directions * gates)
    if let blocks = try builder.packedBlocks(right) { return (nil, 0, blocks) }
    let packed = try builder.packed(right, rows: Int64(batch))
    return (packed.buffer, packed.halfType, nil)
  }

  /// R of com.microsoft DynamicQuantizeLSTM: 8 bits, `[directions, hidden, gates hidden]`, with a scale and zero point for each
  /// direction or each of its columns.
  private func quantizedRecurrence() throws(ApusError) -> PackedBlocks {
    guard let r = builder.constantTensor(node.input(2)), let scales = builder.constantTensor(node.input(10)) else {
      throw node.unsupported("quantized weights that are computed", expected: "constants")
    }
    let columns = gates * hidden
    let perColumn = try checkedElementCount(try builder.extents(node.input(10))) == directions * columns && columns > 1
    var weights = BlockWeights(
      elements: r, scales: scales, isSigned: try builder.elementType(node.input(2)) == .int8,
      zeros: try node.optionalInput(11).map { id throws(ApusError) in
        guard let zeros = builder.constantTensor(id) else {
          throw node.unsupported("zero points that are computed", expected: "constants")
        }
        return zeros
      })
    weights.form = BlockWeights.form(hidden, hidden, bits: 8, isSigned: weights.isSigned)
    weights.form.is_dynamic = 1
    weights.strides = (columns, 1)
    weights.tableStrides = (0, perColumn ? 1 : 0)
    weights.places = (0..<directions * gates).map { number in
      let (direction, gate) = (number / gates, number % gates)
      return (direction * hidden * columns + gate * hidden, perColumn ? direction * columns + gate * hidden : direction)
    }
    guard let usable = try builder.supported(weights) else { throw node.unsupported("this form of quantized weights") }
    return try builder.packed(usable)
  }

  /// The layer: the projection, then the state's beginning, then the recurrence.
  func emit() throws(ApusError) {
    var arguments = apusk_recurrent_args()
    arguments.kind = kind
    arguments.element_type = type.rawValue
    arguments.steps = Int64(steps)
    arguments.batch = Int64(batch)
    arguments.hidden = Int64(hidden)
    arguments.direction = direction
    arguments.input_forget = node.attributes.flag("input_forget") ? 1 : 0
    arguments.linear_before_reset = node.attributes.flag("linear_before_reset") ? 1 : 0
    arguments.clip = node.attributes.float("clip") ?? 0
    (arguments.f, arguments.g, arguments.h) = (activations.f, activations.g, activations.h)
    apusk_recurrent_set_layout(&arguments, layout)
    let (r, halfType, blocks) = try recurrence()
    arguments.half_type = halfType
    if let blocks { arguments.weights = blocks.form }
    var plan = apusk_recurrent_plan_result()
    try builder.check(apusk_recurrent_plan(builder.level, &arguments, Int32(builder.threads), &plan))
    let isLSTM = kind == APUSK_LSTM
    let (xw, bias) = (try projection(), try operand(3))
    let (lengths, h) = (try operand(4), try operand(5))
    let (c, peephole) = isLSTM ? (try operand(6), try operand(7)) : (nil, nil)
    let (y, lastH, lastC) = (try result(0), try result(1), isLSTM ? try result(2) : nil)
    let state = builder.temporary(byteCount: Int(plan.state_bytes))
    let base = arguments
    func bound(_ pointers: PointerTable) -> apusk_recurrent_args {
      var arguments = base
      arguments.xw = UnsafeRawPointer(pointers[xw])
      arguments.r = UnsafeRawPointer(pointers.bytes(r))
      if let blocks { arguments.weights = blocks.bound(pointers) }
      arguments.bias = UnsafeRawPointer(pointers.bytes(bias))
      arguments.peephole = UnsafeRawPointer(pointers.bytes(peephole))
      arguments.sequence_lens = UnsafePointer(pointers.bytes(lengths)?.assumingMemoryBound(to: Int32.self))
      arguments.initial_h = UnsafeRawPointer(pointers.bytes(h))
      arguments.initial_c = UnsafeRawPointer(pointers.bytes(c))
      arguments.y = pointers.bytes(y)
      arguments.y_h = pointers.bytes(lastH)
      arguments.y_c = pointers.bytes(lastC)
      arguments.state = pointers[state]
      return arguments
    }
    let touched = [xw, r, bias, lengths, h, c, peephole, y, lastH, lastC, state] + (blocks?.buffers ?? [])
    try builder.emit(plan.start, touched, arguments: bound)
    try builder.emit(plan.run, touched, arguments: bound)
  }
}

extension KernelBinding {
  private static let recurrentTypes = TypeSet(.float32, .float64, .int32)

  static let rnn = KernelBinding("RNN", native: recurrentTypes) { builder, node throws(ApusError) in
    try RecurrentLayer(builder, node, APUSK_RNN, [.tanh]).emit()
  }

  static let gru = KernelBinding("GRU", native: recurrentTypes) { builder, node throws(ApusError) in
    try RecurrentLayer(builder, node, APUSK_GRU, [.sigmoid, .tanh]).emit()
  }

  static let lstm = KernelBinding("LSTM", native: recurrentTypes) { builder, node throws(ApusError) in
    try RecurrentLayer(builder, node, APUSK_LSTM, [.sigmoid, .tanh, .tanh]).emit()
  }

  /// An LSTM whose first input is its projection: see `Compiler.expandDynamicLSTM`.
  static let dynamicQuantizeLSTM = KernelBinding(
    "DynamicQuantizeLSTM", domain: .microsoft, native: TypeSet(.float32, .int8, .uint8, .int32)
  ) { builder, node throws(ApusError) in
    guard node.node.original != nil else {
      throw node.unsupported("quantized weights that are computed", expected: "constants")
    }
    try RecurrentLayer(builder, node, APUSK_LSTM, [.sigmoid, .tanh, .tanh]).emit()
  }
}
