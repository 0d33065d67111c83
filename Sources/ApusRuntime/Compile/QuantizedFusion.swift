import ApusGraph

/// The tensor of 8-bit integers that a tensor of floats was made of.
struct DequantizedValue {
  let q: ValueID
  let quantum: Quantum
}

/// Turns operators of floats between DequantizeLinear and QuantizeLinear into operators on 8-bit integers.
///
/// First what only moves elements changes places with the conversions beside it; then each QuantizeLinear is joined with the
/// operators before it, up to DequantizeLinear. Results are those of the integer rules of `QuantizedTail`, `QuantizedForm` and
/// ONNX's QLinear operators; they differ from the floats' by one step of the result's quantization at most.
final class QuantizedFusion {
  let compiler: Compiler
  let evaluator: NodeEvaluator
  /// By value: what it was dequantized from.
  var sources: [DequantizedValue?] = []
  var writers: [Int?] = []
  var readers: [Int] = []
  /// By position: the nodes that stand there by now.
  var slots: [[ProgramNode]] = []
  /// By value: the equal one that what has not been looked at yet is to read in its place.
  private var renamed: [ValueID] = []

  init(_ compiler: Compiler, _ evaluator: NodeEvaluator) {
    self.compiler = compiler
    self.evaluator = evaluator
  }

  func run() throws(ApusError) {
    var isQuantized = false
    for node in compiler.program.nodes where isQuantize(node) || isDequantize(node) { isQuantized = true }
    guard isQuantized else { return }
    try sinkDequantization()
    try hoistQuantization()
    compiler.program.nodes = compiler.removingUnread(compiler.program.nodes) { isDequantize($0) }
    try joinQuantization()
    try joinFloatResults()
    fuseResiduals()
  }

  // MARK: Conversions

  func isQuantize(_ node: ProgramNode) -> Bool { compiler.isConversion(node, "QuantizeLinear") }
  func isDequantize(_ node: ProgramNode) -> Bool { compiler.isConversion(node, "DequantizeLinear") }

  /// How a node converts, where it does so between float32 and 8 bits by one constant pair for the whole tensor.
  func quantum(of node: ProgramNode) -> Quantum? {
    let (floats, integers) =
      isQuantize(node) ? (node.node.inputs[0], node.node.outputs[0]) : (node.node.outputs[0], node.node.inputs[0])
    guard floats >= 0, integers >= 0, compiler.elementType(of: floats) == .float32,
      let type = compiler.elementType(of: integers), type == .int8 || type == .uint8,
      let scaleTensor = compiler.constant(node.node.inputs[1]),
      compiler.constants.tensors[Int(scaleTensor)].elementType == .float32,
      elementCount(compiler.constants.tensors[Int(scaleTensor)].dimensions) == 1,
      let scale = (try? compiler.constants.floats(scaleTensor))?.first, scale.isNormal, scale > 0,
      let reader = try? compiler.attributes(of: node), (reader.int("block_size") ?? 0) == 0
    else { return nil }
    if let precision = reader.int("precision"), precision != 0, precision != Int(ElementType.float32.rawValue) { return nil }
    var zero = Int32(0)
    var zeroValue = ValueID.absent
    if node.node.inputs.count > 2, node.node.inputs[2] >= 0 {
      zeroValue = node.node.inputs[2]
      guard let found = compiler.scalar(zeroValue).flatMap({ Int32(exactly: $0) }) else { return nil }
      zero = found
    }
    return Quantum(type: type, scale: scale, zero: zero, scaleValue: node.node.inputs[1], zeroValue: zeroValue)
  }

  func dequantized(_ node: ProgramNode) -> DequantizedValue? {
    guard isDequantize(node), let quantum = quantum(of: node) else { return nil }
    return DequantizedValue(q: node.node.inputs[0], quantum: quantum)
  }

  func source(_ id: ValueID) -> DequantizedValue? {
    guard id >= 0, let found = sources[Int(id)] else { return nil }
    return DequantizedValue(q: current(found.q), quantum: found.quantum)
  }

  private func current(_ id: ValueID) -> ValueID { id >= 0 && Int(id) < renamed.count ? renamed[Int(id)] : id }

  func addValue(_ type: ElementType, like id: ValueID) -> ValueID {
    let value = compiler.program.graph.values[Int(id)]
    sources.append(nil)
    return compiler.addValue(Value(name: value.name, type: .tensor(TensorType(type, value.type?.tensor?.shape))))
  }

  // MARK: Movement

  /// Lets what moves elements move the 8-bit ones, and dequantizes behind it.
  private func sinkDequantization() throws(ApusError) {
    sources = Array(repeating: nil, count: compiler.program.graph.values.count)
    var nodes: [ProgramNode] = []
    for node in compiler.program.nodes {
      if let found = dequantized(node) { sources[Int(node.node.outputs[0])] = found }
      guard let first = node.node.inputs.first, let found = source(first), node.isPlain else {
        nodes.append(node)
        continue
      }
      var moved = node
      if compiler.isStandard(node, "Shape") || compiler.isStandard(node, "Size") {
        moved.node.inputs[0] = found.q
        nodes.append(moved)
        continue
      }
      guard let inputs = try movedInputs(node, found) else {
        nodes.append(node)
        continue
      }
      moved.node.inputs = inputs
      moved.node.outputs = node.node.outputs.map { $0 < 0 ? $0 : addValue(found.quantum.type, like: $0) }
      nodes.append(moved)
      for (q, output) in zip(moved.node.outputs, node.node.outputs) where q >= 0 {
        sources[Int(output)] = DequantizedValue(q: q, quantum: found.quantum)
        nodes.append(conversion("DequantizeLinear", q, found.quantum, to: output, like: node))
      }
    }
    compiler.program.nodes = nodes
  }

  private func conversion(
    _ name: Name, _ input: ValueID, _ quantum: Quantum, to output: ValueID, like node: ProgramNode
  ) -> ProgramNode {
    ProgramNode(
      Node(
        name: node.node.name, operatorName: name,
        sinceVersion: compiler.registry.schemas(domain: .onnx, name: name).last?.versions.last ?? 21,
        inputs: [input, quantum.scaleValue, quantum.zeroValue], outputs: [output],
        attributes: [Attribute("output_dtype", .int(name == "QuantizeLinear" ? Int64(quantum.type.rawValue) : 0))]))
  }

  /// The inputs of a node that moves elements, or picks the largest ones, for 8-bit elements; nil where it does neither.
  private func movedInputs(_ node: ProgramNode, _ found: DequantizedValue) throws(ApusError) -> [ValueID]? {
    var inputs = node.node.inputs
    inputs[0] = found.q
    for name: StaticString in [
      "DepthToSpace", "Expand", "Flatten", "Gather", "Reshape", "Slice", "SpaceToDepth", "Split", "Squeeze", "Tile", "Transpose",
      "Unsqueeze",
    ] where compiler.isStandard(node, name) { return inputs }
    let reader = try compiler.attributes(of: node)
    if compiler.isStandard(node, "MaxPool") { return node.node.outputs.count == 1 ? inputs : nil }
    if compiler.isStandard(node, "Resize") {
      let isNearest = reader.string("mode").map { $0 == "nearest" } ?? true
      return isNearest && reader.string("coordinate_transformation_mode") != "tf_crop_and_resize" ? inputs : nil
    }
    if compiler.isStandard(node, "Pad") {
      guard reader.string("mode").map({ $0 == "constant" }) ?? true else { return inputs }
      if inputs.count > 2, inputs[2] >= 0, compiler.scalar(inputs[2]) != 0 { return nil }
      if inputs.count == 2 { inputs.append(.absent) }
      inputs[2] = found.quantum.zeroValue
      return inputs
    }
    if compiler.isStandard(node, "Concat") {
      for (index, id) in node.node.inputs.enumerated() {
        guard let other = source(id), other.quantum.isEqual(found.quantum) else { return nil }
        inputs[index] = other.q
      }
      return inputs
    }
    return nil
  }

  /// Lets what moves a result move its 8-bit form: `Q(move(x))` becomes `move(Q(x))`.
  private func hoistQuantization() throws(ApusError) {
    open()
    for position in slots.indices.reversed() {
      guard slots[position].count == 1, isQuantize(slots[position][0]), let quantum = quantum(of: slots[position][0]) else {
        // One that was hoisted to here stands before what it was hoisted over.
        if slots[position].count == 2, let quantum = quantum(of: slots[position][0]) { try hoist(position, quantum) }
        continue
      }
      try hoist(position, quantum)
    }
    close()
  }

  private func hoist(_ position: Int, _ quantum: Quantum) throws(ApusError) {
    let node = slots[position][0]
    let value = node.node.inputs[0]
    guard readers[Int(value)] == 1, let writer = writers[Int(value)], slots[writer].count == 1 else { return }
    var moved = slots[writer][0]
    guard moved.isPlain, keepsElements(moved), moved.node.inputs[0] >= 0, readers[Int(moved.node.inputs[0])] == 1,
      compiler.constant(moved.node.inputs[0]) == nil, source(moved.node.inputs[0]) == nil
    else { return }
    let q = addValue(quantum.type, like: moved.node.inputs[0])
    let hoisted = conversion("QuantizeLinear", moved.node.inputs[0], quantum, to: q, like: node)
    moved.node.inputs[0] = q
    moved.node.outputs[0] = node.node.outputs[0]
    slots[writer] = [hoisted, moved]
    slots[position].removeFirst()
  }

  private func keepsElements(_ node: ProgramNode) -> Bool {
    for name: StaticString in ["DepthToSpace", "Flatten", "Reshape", "SpaceToDepth", "Squeeze", "Transpose", "Unsqueeze"]
    where compiler.isStandard(node, name) {
      return true
    }
    return false
  }

  // MARK: Joining

  /// Lays the nodes out for changes that keep their positions.
  func open() {
    slots = compiler.program.nodes.map { [$0] }
    writers = compiler.program.writers()
    readers = compiler.program.readerCounts()
    let count = compiler.program.graph.values.count
    renamed = (0..<count).map { ValueID($0) }
    sources = Array(repeating: nil, count: count)
    for node in compiler.program.nodes {
      if let found = dequantized(node) { sources[Int(node.node.outputs[0])] = found }
    }
  }

  func close() {
    var nodes: [ProgramNode] = []
    for slot in slots { nodes += slot }
    compiler.program.nodes = nodes
  }

  /// Joins each QuantizeLinear with what computes its operand.
  private func joinQuantization() throws(ApusError) {
    open()
    var spent = Array(repeating: false, count: compiler.program.graph.values.count)
    for position in slots.indices {
      rename(position)
      guard slots[position].count == 1, isQuantize(slots[position][0]), let quantum = quantum(of: slots[position][0]) else {
        continue
      }
      let node = slots[position][0].node
      if let found = source(node.inputs[0]), found.quantum.isEqual(quantum), !isOutput(node.outputs[0]) {
        compiler.program.replacement[Int(node.outputs[0])] = found.q
        renamed[Int(node.outputs[0])] = found.q
        slots[position] = []
        continue
      }
      guard let joined = try joined(node.inputs[0], quantum, node) else { continue }
      slots[position] = [joined.node]
      for id in joined.spent { spent[Int(id)] = true }
    }
    close()
    compiler.program.nodes = compiler.removingUnread(compiler.program.nodes) { node in
      isDequantize(node) || node.node.outputs.contains { $0 >= 0 && Int($0) < spent.count && spent[Int($0)] }
    }
  }

  private func isOutput(_ id: ValueID) -> Bool { compiler.program.outputs.contains(id) }

  /// Lets the nodes at a position read what stands for their operands by now.
  private func rename(_ position: Int) {
    for place in slots[position].indices {
      slots[position][place].node.inputs = slots[position][place].node.inputs.map { current($0) }
      slots[position][place].captured = slots[position][place].captured.map { current($0) }
    }
  }

  /// What computes the 8-bit form of a value, and the values that it computes no longer.
  private func joined(
    _ value: ValueID, _ quantum: Quantum, _ node: Node
  ) throws(ApusError) -> (node: ProgramNode, spent: [ValueID])? {
    if let made = try table(value, quantum, node) { return made }
    var bounds = (low: quantum.low, high: quantum.high)
    var inner = value
    var spent = [value]
    if let writer = writer(of: value), let limits = limits(writer, quantum), readers[Int(value)] == 1 {
      bounds = limits
      inner = writer.node.inputs[0]
      spent.append(inner)
    }
    guard inner >= 0, readers[Int(inner)] == 1, let writer = writer(of: inner), writer.isPlain else { return nil }
    if let made = try product(writer, quantum, bounds, to: node.outputs[0], &spent) { return (made, spent) }
    if let made = try elementwise(writer, quantum, bounds, to: node.outputs[0]) { return (made, spent) }
    return nil
  }

  /// The node that writes a value, where nothing was made of it yet.
  func writer(of id: ValueID) -> ProgramNode? {
    guard id >= 0, Int(id) < writers.count, let position = writers[Int(id)], slots[position].count == 1 else { return nil }
    return slots[position][0]
  }

  /// The bounds that a Relu or Clip puts on 8-bit results: rounding is monotonic.
  private func limits(_ node: ProgramNode, _ quantum: Quantum) -> (low: Int32, high: Int32)? {
    if compiler.isStandard(node, "Relu") { return (max(quantum.low, quantum.zero), quantum.high) }
    guard compiler.isStandard(node, "Clip"), let low = compiler.bound(node, 1, -.infinity),
      let high = compiler.bound(node, 2, .infinity), low <= high
    else { return nil }
    return (quantum.quantized(low), quantum.quantized(high))
  }
}

extension Compiler {
  func fuseQuantized(_ evaluator: NodeEvaluator) throws(ApusError) {
    try QuantizedFusion(self, evaluator).run()
  }

  /// Whether a node is QuantizeLinear or DequantizeLinear, as `name` says.
  func isConversion(_ node: ProgramNode, _ name: StaticString) -> Bool {
    node.quantized == nil && node.node.operatorName.is(name) && node.node.inputs.count >= 2
      && (node.node.domain == .onnx || node.node.domain == .microsoft)
  }

  /// Nodes without those that `may` go and whose results nobody reads.
  func removingUnread(_ nodes: [ProgramNode], _ may: (ProgramNode) -> Bool) -> [ProgramNode] {
    var program = program
    program.nodes = nodes
    var readers = program.readerCounts()
    var kept: [ProgramNode] = []
    for node in nodes.reversed() {
      if may(node), !node.node.outputs.contains(where: { $0 >= 0 && readers[Int($0)] > 0 }) {
        for id in node.reads { readers[Int(id)] -= 1 }
      } else {
        kept.append(node)
      }
    }
    return kept.reversed()
  }
}
