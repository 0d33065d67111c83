import Apus
import ApusFormat
import ApusGraph

extension Inspection {
  /// The report for people.
  public var text: String {
    var text = summary
    text += ports
    text += operators
    if let cost { text += costText(cost) }
    if let floats, !floats.lines.isEmpty { text += "\n" + floats.text }
    if options.sections { text += sectionText }
    text += segmentText
    text += metadataText
    for stage in stages { text += "\n\(stage.name)\n" + stage.lines.map { "  " + $0 + "\n" }.joined() }
    for note in notes { text += "\nnote: \(note)\n" }
    return text
  }

  private var summary: String {
    let definition = file.definition
    var table = TextTable(.init(title: ""), .init(title: ""))
    table.indentation = ""
    table.rows = [
      ["file", path],
      ["size", Quantity.bytes(file.header?.fileLength ?? 0) + ", format \(FileHeader.major).\(FileHeader.minor)"],
      ["model id", Quantity.hexadecimal(file.modelID)],
    ]
    let name = definition.graphs[0].name
    if !name.isEmpty { table.rows.append(["name", name.string]) }
    let stored = file.segments.reduce(0) { $0 + $1.storedSize }
    let raw = file.segments.reduce(0) { $0 + $1.rawSize }
    let segments = "\(Quantity.bytes(raw)) of segments in \(Quantity.bytes(stored)) (\(Quantity.ratio(raw, stored)))"
    let place = raw == 0 ? "all within the sections" : segments
    table.rows.append(
      ["parameters", "\(Quantity.count(parameters)) in \(Quantity.count(definition.tensors.count)) tensors; \(place)"])
    let run = "\(Quantity.operations(file.needs.flops)), \(Quantity.bytes(file.needs.liveBytes)) of values alive at most"
    table.rows.append(["one run", run + ", at the smallest shapes"])
    return table.text()
  }

  private var ports: String {
    let definition = file.definition
    let graph = definition.calledGraph
    var table = TextTable(.init(title: ""), .init(title: "name"), .init(title: "type"), .init(title: "shape"))
    for (kind, ids) in [("input", graph.inputs), ("output", graph.outputs)] {
      for id in ids {
        let value = graph.values[Int(id)]
        let type = value.type?.tensor
        table.rows.append([
          kind, value.name.string, type?.elementType.name.text ?? "-", Shape.text(type?.shape, symbols: definition.symbols),
        ])
      }
    }
    var text = "\n" + table.text()
    for state in definition.signatures.flatMap(\.states) {
      text += "  state \(state.name.string): \(graph.values[Int(state.output)].name.string) of a run becomes "
      text += "\(graph.values[Int(state.input)].name.string) of the next\n"
    }
    let ports = (graph.inputs + graph.outputs).compactMap { graph.values[Int($0)].type?.tensor?.shape }
    for (id, symbol) in definition.symbols.enumerated()
    where ports.contains(where: { $0.dimensions.contains(.symbol(SymbolID(id))) }) {
      text += "  \(symbol.name.string): from \(symbol.minimum)" + (symbol.maximum.map { " to \($0)" } ?? "")
      text += symbol.multiple > 1 ? ", a multiple of \(symbol.multiple)\n" : "\n"
    }
    return text
  }

  private var operators: String {
    var table = TextTable(.init(title: "operator"), .init(title: "nodes", alignment: .right))
    table.rows = operatorCounts.map {
      ["\($0.kind.domain.string).\($0.kind.name.string)-\($0.kind.sinceVersion)", "\($0.count)"]
    }
    return "\n" + table.text()
  }

  private func costText(_ cost: ModelCost) -> String {
    let graph = file.definition.calledGraph
    var table = TextTable(
      .init(title: "node"), .init(title: "operator"), .init(title: "output"), .init(title: "parameters", alignment: .right),
      .init(title: "operations", alignment: .right))
    for node in cost.nodes {
      table.rows.append([
        node.node.name.string, node.node.operatorName.string, node.output.map { Shape($0).text(symbols: []) } ?? "-",
        Quantity.count(node.parameters), node.operations.map { Quantity.operations($0) } ?? "-",
      ])
    }
    let shapes = zip(graph.inputs, cost.inputShapes).map { id, shape in
      graph.values[Int(id)].name.string + " " + Shape(shape).text(symbols: [])
    }
    var text = "\nfor " + shapes.joined(separator: ", ") + "\n" + table.text()
    text += "  one run: \(Quantity.operations(cost.operations)), \(Quantity.bytes(cost.liveBytes)) of values alive at most\n"
    if let memory {
      text += "  a session: \(Quantity.bytes(memory.arenaBytes + memory.scratchBytes)) arena and scratch, "
      text += "\(Quantity.bytes(memory.controlBytes)) steps, "
      text += "\(Quantity.bytes(memory.portBytes)) for inputs and outputs that are not bound\n"
      text += "  the model: \(Quantity.bytes(memory.packedBytes)) packed weights, "
      text += "\(Quantity.bytes(memory.constantBytes)) weights read as they are\n"
    }
    return text
  }

  private var sectionText: String {
    var table = TextTable(
      .init(title: "section"), .init(title: "offset", alignment: .right), .init(title: "stored", alignment: .right),
      .init(title: "raw", alignment: .right), .init(title: "XXH64"))
    table.rows = file.sections.map {
      [
        $0.name.text, Quantity.count($0.offset), Quantity.count($0.storedSize), Quantity.count($0.rawSize),
        Quantity.checksum($0.checksum),
      ]
    }
    return "\n" + table.text()
  }

  private var segmentText: String {
    guard !file.segments.isEmpty else { return "" }
    var table = TextTable(
      .init(title: "segment", alignment: .right), .init(title: "role"), .init(title: "codec"),
      .init(title: "offset", alignment: .right), .init(title: "stored", alignment: .right),
      .init(title: "raw", alignment: .right), .init(title: "ratio", alignment: .right), .init(title: "XXH64"),
      .init(title: "tensors"))
    for (index, segment) in file.segments.enumerated() {
      let names = tensors(inSegment: index)
      table.rows.append([
        "\(index)", segment.role.text, segment.codecText, Quantity.count(segment.offset), Quantity.count(segment.storedSize),
        Quantity.count(segment.rawSize), Quantity.ratio(segment.rawSize, segment.storedSize),
        Quantity.checksum(segment.checksum),
        names.prefix(2).joined(separator: ", ") + (names.count > 2 ? " and \(names.count - 2) more" : ""),
      ])
    }
    if !options.sections {
      for column in [7, 3] {
        table.columns.remove(at: column)
        for row in table.rows.indices { table.rows[row].remove(at: column) }
      }
    }
    return "\n" + table.text()
  }

  private var metadataText: String {
    let metadata = file.definition.metadata
    var table = TextTable(.init(title: ""), .init(title: ""))
    if !metadata.producer.isEmpty { table.rows.append(["producer", metadata.producer.string]) }
    if !metadata.sourceHash.isEmpty { table.rows.append(["source SHA-256", Quantity.hexadecimal(metadata.sourceHash)]) }
    if !metadata.quantizationMethod.isEmpty { table.rows.append(["quantization", metadata.quantizationMethod.string]) }
    if !metadata.calibrationHash.isEmpty {
      table.rows.append(["calibration SHA-256", Quantity.hexadecimal(metadata.calibrationHash)])
    }
    for entry in metadata.entries { table.rows.append([entry.key.string, entry.value.string]) }
    for vector in metadata.testVectors {
      let tensors = (vector.inputs + vector.outputs).map {
        $0.name.string + " " + Shape($0.tensor.dimensions).text(symbols: [])
      }
      table.rows.append([
        "test vector \(vector.name.string)",
        tensors.joined(separator: ", ")
          + "; tolerance \(vector.absoluteTolerance) + \(vector.relativeTolerance) |expected|",
      ])
    }
    return table.rows.isEmpty ? "" : "\n" + table.text()
  }
}
