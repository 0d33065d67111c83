import ApusGraph
import ApusRuntime

/// A graph as text, one node a line:
///
///     %hidden float32 [N, 3] = ai.onnx.Gemm-13(%x, %fc1.weight, %fc1.bias) {transB: 1}  # fc1
enum GraphListing {
  /// The graph as the file has it.
  static func file(_ definition: ModelDefinition) -> [String] {
    var lines: [String] = []
    for (index, graph) in definition.graphs.enumerated() {
      let printer = NodePrinter(definition: definition, graph: graph)
      let title = (index == 0 ? "graph" : "subgraph \(index)") + (graph.name.isEmpty ? "" : " " + graph.name.string)
      lines.append(title + "(" + graph.inputs.map { printer.declaration($0) }.joined(separator: ", ") + ")")
      for node in graph.nodes { lines.append("  " + printer.line(node)) }
      lines.append("  return " + graph.outputs.map { printer.name($0) }.joined(separator: ", "))
    }
    return lines
  }

  /// The graph after the compiler's passes: what was folded is gone, what was fused stands in one line.
  static func program(_ program: Program, _ definition: ModelDefinition) -> [String] {
    let printer = NodePrinter(definition: definition, graph: program.graph)
    var lines = ["program(" + program.graph.inputs.map { printer.declaration($0) }.joined(separator: ", ") + ")"]
    for node in program.nodes {
      var fused = ""
      if let bias = node.bias { fused += " + bias " + printer.name(bias) }
      if let residual = node.residual { fused += " + residual " + printer.name(residual) }
      lines.append("  " + printer.line(node.node, fused: fused + node.activation.text))
    }
    lines.append("  return " + program.outputs.map { printer.name($0) }.joined(separator: ", "))
    return lines
  }

  /// The steps for given shapes, each with the memory that it reads and writes, and the arena's use.
  static func plan(_ plan: PlanDescription) -> [String] {
    func memory(_ index: Int) -> String {
      let buffer = plan.buffers[index]
      let names = buffer.values.map { "%" + $0.string }.joined(separator: " = ")
      let place = buffer.offset.map { "@\($0)" } ?? ""
      return buffer.kind.text + place + "[\(buffer.byteCount)]" + (names.isEmpty ? "" : " " + names)
    }
    let arena = "arena \(plan.arenaBytes) bytes (\(plan.liveBytes) in use at most)"
    var lines = ["plan: \(plan.steps.count) steps, \(arena), scratch \(plan.scratchBytes) bytes a thread"]
    for (index, step) in plan.steps.enumerated() {
      lines.append("  \(index): \(step.label), \(step.units) units, at least \(step.grain) a thread")
      for buffer in step.buffers { lines.append("       " + memory(buffer)) }
    }
    return lines
  }
}

/// Values and nodes of a graph as text.
struct NodePrinter {
  let definition: ModelDefinition
  let graph: Graph

  /// The name without a mark; the number of a value that has none.
  func plainName(_ id: ValueID) -> String {
    let name = graph.values[Int(id)].name
    return name.isEmpty ? "\(id)" : name.string
  }

  func isConstant(_ id: ValueID) -> Bool { id >= 0 && graph.values[Int(id)].constant != nil }

  /// The type, as far as it is known; empty where nothing is.
  func type(_ id: ValueID) -> String { graph.values[Int(id)].type.map(text) ?? constantType(id) }

  private func constantType(_ id: ValueID) -> String {
    guard let tensor = graph.values[Int(id)].constant else { return "" }
    let constant = definition.tensors[Int(tensor)]
    return constant.elementType.name.text + " " + Shape(constant.dimensions).text(symbols: [])
  }

  func name(_ id: ValueID) -> String {
    id < 0 ? "-" : "%" + plainName(id)
  }

  func declaration(_ id: ValueID) -> String {
    guard id >= 0 else { return name(id) }
    let type = type(id)
    return type.isEmpty ? name(id) : name(id) + " " + type
  }

  private func text(_ type: ValueType) -> String {
    switch type {
    case .tensor(let tensor): tensor.elementType.name.text + " " + Shape.text(tensor.shape, symbols: definition.symbols)
    case .sequence(let element): "sequence(" + text(element) + ")"
    case .optional(let element): "optional(" + text(element) + ")"
    case .map(let key, let value): "map(" + key.name.text + ", " + text(value) + ")"
    }
  }

  func line(_ node: Node, fused: String = "") -> String {
    let results = node.outputs.map { declaration($0) }.joined(separator: ", ")
    let kind = node.domain.string + "." + node.operatorName.string + "-\(node.sinceVersion)"
    var text = results + " = " + kind + "(" + node.inputs.map { name($0) }.joined(separator: ", ") + ")"
    if !node.attributes.isEmpty {
      text += " {" + node.attributes.map { "\($0.name.string): " + self.text($0.value) }.joined(separator: ", ") + "}"
    }
    text += fused
    return node.name.isEmpty ? text : text + "  # " + node.name.string
  }

  func text(_ value: AttributeValue) -> String {
    func list<Element>(_ elements: [Element], _ text: (Element) -> String) -> String {
      "[" + elements.map(text).joined(separator: ", ") + "]"
    }
    func tensor(_ id: TensorID) -> String {
      guard id >= 0, Int(id) < definition.tensors.count else { return "tensor \(id)" }
      let tensor = definition.tensors[Int(id)]
      return "tensor \(id) " + tensor.elementType.name.text + " " + Shape(tensor.dimensions).text(symbols: [])
    }
    return switch value {
    case .int(let number): "\(number)"
    case .float(let number): "\(number)"
    case .string(let name): "\"" + name.string + "\""
    case .tensor(let id): tensor(id)
    case .graph(let id): "subgraph \(id)"
    case .ints(let numbers): list(numbers) { "\($0)" }
    case .floats(let numbers): list(numbers) { "\($0)" }
    case .strings(let names): list(names) { "\"" + $0.string + "\"" }
    case .tensors(let ids): list(ids, tensor)
    case .graphs(let ids): list(ids) { "subgraph \($0)" }
    case .type(let type): self.text(type)
    }
  }
}
