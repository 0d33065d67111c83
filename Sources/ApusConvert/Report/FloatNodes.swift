import ApusGraph
import ApusRuntime
import ApusSafetensors

/// The operators of a statically quantized model that compute in float between its 8-bit ones, and products that do so anywhere,
/// each with the reason.
///
/// A compiled program says which: operators between a DequantizeLinear and a QuantizeLinear that are left in it. The graph as it
/// was loaded says why.
public struct FloatNodes: Sendable {
  public struct Line: Sendable {
    public let node: String
    public let operatorName: String
    public let reason: String
  }

  public private(set) var lines: [Line] = []
  private let program: Program
  /// By value, over the graph as it was loaded.
  private var writers: [ValueID: Node] = [:]
  private var readers: [ValueID: [Node]] = [:]

  /// - Parameter program: none is float between 8-bit ones where it has no QuantizeLinear or DequantizeLinear of activations.
  public init(_ program: Program) {
    self.program = program
    for node in program.graph.nodes {
      for id in node.outputs where id >= 0 { writers[id] = node }
      for id in node.inputs where id >= 0 { readers[id, default: []].append(node) }
    }
    // Floats that come from 8-bit tensors, and those that become such.
    var made: Set<ValueID> = []
    var wanted: Set<ValueID> = []
    for node in program.nodes {
      let reads = node.reads.contains { made.contains($0) }
      if isDequantize(node.node) ? !isConstant(node.node.inputs[0]) : reads && isFloat(node.node.outputs.first) {
        made.formUnion(node.node.outputs)
      }
    }
    for node in program.nodes.reversed() {
      if isQuantize(node.node) {
        wanted.insert(node.node.inputs[0])
      } else if !isDequantize(node.node), isFloat(node.node.outputs.first),
        node.node.outputs.contains(where: { wanted.contains($0) })
      {
        wanted.formUnion(node.reads.filter { isFloat($0) })
      }
    }
    for node in program.nodes where !isDequantize(node.node) && !isQuantize(node.node) && isFloat(node.node.outputs.first) {
      let comes = node.reads.contains { made.contains($0) }
      let goes = node.node.outputs.contains { wanted.contains($0) }
      guard comes && goes || (comes || goes) && isProduct(node.node), node.reads.allSatisfy({ !isByte($0) }) else { continue }
      lines.append(
        Line(node: node.node.title, operatorName: node.node.operatorName.string, reason: reason(of: node)))
    }
  }

  var json: JSONValue {
    .array(
      lines.map { ["node": .string($0.node), "operator": .string($0.operatorName), "reason": .string($0.reason)] })
  }

  /// For people; empty where there are none.
  var text: String {
    guard !lines.isEmpty else { return "" }
    var table = TextTable(.init(title: "float between 8-bit operators"), .init(title: "operator"), .init(title: "because"))
    table.rows = lines.map { [$0.node, $0.operatorName, $0.reason] }
    return table.text()
  }

  // MARK: Values

  private func type(_ id: ValueID) -> TensorType? { id >= 0 ? program.graph.values[Int(id)].type?.tensor : nil }
  private func isConstant(_ id: ValueID) -> Bool { id >= 0 && program.graph.values[Int(id)].constant != nil }
  private func isByte(_ id: ValueID) -> Bool { type(id).map { $0.elementType == .int8 || $0.elementType == .uint8 } ?? false }
  private func isFloat(_ id: ValueID?) -> Bool { id.flatMap { type($0) }?.elementType == .float32 }
  private func name(_ id: ValueID) -> String {
    let name = program.graph.values[Int(id)].name
    return name.isEmpty ? "value \(id)" : name.string
  }

  // MARK: Operators

  private func isQuantize(_ node: Node) -> Bool { node.operatorName == "QuantizeLinear" && isFloat(node.inputs.first) }
  private func isDequantize(_ node: Node) -> Bool { node.operatorName == "DequantizeLinear" }
  private func isProduct(_ node: Node) -> Bool {
    node.isStandard("Conv") || node.isStandard("MatMul") || node.isStandard("Gemm")
  }

  /// Operators with a form on 8-bit operands of several tensors or elements; maps of one element have a table.
  private static let forms: Set<String> = [
    "Conv", "MatMul", "Gemm", "Add", "Sub", "Mul", "AveragePool", "GlobalAveragePool", "ReduceMean", "Concat",
  ]
  private static let movement: Set<String> = [
    "DepthToSpace", "Expand", "Flatten", "Gather", "MaxPool", "Pad", "Reshape", "Resize", "Slice", "SpaceToDepth", "Split",
    "Squeeze", "Tile", "Transpose", "Unsqueeze",
  ]

  private func reason(of compiled: ProgramNode) -> String {
    let node = compiled.node
    let operation = node.operatorName.string
    let activations = isProduct(node) && isWeights(node.inputs[1]) ? [node.inputs[0]] : node.inputs
    let hasForm = Self.forms.contains(operation) || Self.movement.contains(operation)
    if !hasForm, isAcross(node) || activations.filter({ isFloat($0) && !isConstant($0) }).count != 1 {
      return "\(operation) has no 8-bit form"
    }
    for id in activations where id >= 0 && isFloat(id) && !isConstant(id) {
      if let reason = reason(ofOperand: id) { return reason }
    }
    if Self.forms.contains(operation) {
      if isProduct(node), let reason = reason(ofWeights: node.inputs[1]) { return reason }
      if isProduct(node), node.inputs.count > 2, node.inputs[2] >= 0, !isWeights(node.inputs[2]) {
        return "its bias is computed"
      }
      if let constant = node.inputs.first(where: { isFloat($0) && isConstant($0) }), !isProduct(node) {
        return "its constant \(name(constant)) is float"
      }
    }
    return reason(ofResult: node)
  }

  /// Whether an operator of one operand computes an element of more than one.
  private func isAcross(_ node: Node) -> Bool {
    for name in ["Softmax", "LogSoftmax", "LayerNormalization", "BatchNormalization", "InstanceNormalization", "LRN", "CumSum"]
    where node.isStandard(Name(name)) {
      return true
    }
    return node.operatorName.string.hasPrefix("Reduce") || node.operatorName.string.hasSuffix("Normalization")
  }

  /// Why an operand is not the 8-bit tensor that an operator would need; nil where it is.
  private func reason(ofOperand id: ValueID) -> String? {
    guard let writer = writers[id] else { return "its operand \(name(id)) is float" }
    guard isDequantize(writer) else {
      return "its operand is what \(writer.title) (\(writer.operatorName.string)) gives as float"
    }
    guard isByte(writer.inputs[0]) else {
      return "its operand \(name(id)) has \(type(writer.inputs[0]).map { "\($0.elementType.name)" } ?? "other") codes"
    }
    guard isConstant(writer.inputs[1]) else { return "the scale of its operand \(name(id)) is computed" }
    let scales = type(writer.inputs[1])?.shape?.dimensions ?? []
    if elementCount(scales.compactMap(\.value)) != 1 { return "its operand \(name(id)) has more than one scale" }
    if writer.inputs.count > 2, writer.inputs[2] >= 0, !isConstant(writer.inputs[2]) {
      return "the zero point of its operand \(name(id)) is computed"
    }
    return nil
  }

  /// Whether an operand is a constant, or one that is stored in another form.
  private func isWeights(_ id: ValueID) -> Bool {
    var id = id
    while !isConstant(id) {
      guard let writer = writers[id], isDequantize(writer) || writer.isStandard("Reshape") else { return false }
      id = writer.inputs[0]
    }
    return true
  }

  private func reason(ofWeights id: ValueID) -> String? {
    guard isWeights(id) else { return nil }
    guard let writer = writers[id] else { return "its weights are float" }
    guard isDequantize(writer), writer.int("block_size") == 0 else { return "its weights have scales by block" }
    return isByte(writer.inputs[0]) ? nil : "its weights are not 8-bit"
  }

  private func reason(ofResult node: Node) -> String {
    var id = node.outputs[0]
    // What follows may have become a part of the node.
    while let next = readers[id]?.first, readers[id]?.count == 1,
      next.isStandard("Relu") || next.isStandard("Clip") || Self.movement.contains(next.operatorName.string)
    {
      id = next.outputs[0]
    }
    let next = readers[id] ?? []
    if let reader = next.first(where: { $0.operatorName != "QuantizeLinear" }) {
      return "its result is read as float by \(reader.title) (\(reader.operatorName.string))"
    }
    if next.count > 1 { return "its result is quantized \(next.count) times" }
    return "no 8-bit kernel takes its form"
  }
}
