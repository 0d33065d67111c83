import ApusGraph
import ApusSafetensors

extension Inspection {
  /// Writes the model's graphs as one page of HTML with pictures, a search and what each node is. It needs no network.
  /// - Throws: `inputOutput`; nothing is left behind then.
  public func writePage(_ path: String) throws(ApusError) {
    var summary = [
      ("nodes", Quantity.count(file.definition.graphs.reduce(0) { $0 + $1.nodes.count })),
      ("parameters", Quantity.count(parameters)),
    ]
    if let cost {
      summary.append(("a run", Quantity.operations(cost.operations)))
      summary.append(("largest live set", Quantity.bytes(cost.liveBytes)))
    }
    if let memory { summary.append(("arena", Quantity.bytes(memory.arenaBytes))) }
    let name = file.definition.graphs[0].name.string
    let page = GraphPage(file.definition, title: name.isEmpty ? self.path : name, summary: summary)
    try Inspection.write(page.text, path)
  }

  /// Writes the model's graphs in the language of Graphviz.
  /// - Throws: `inputOutput`; nothing is left behind then.
  public func writeDot(_ path: String) throws(ApusError) { try Inspection.write(GraphDot.text(file.definition), path) }

  private static func write(_ text: String, _ path: String) throws(ApusError) {
    let file = try AtomicFile(path: path)
    try file.append(Array(text.utf8))
    try file.commit()
  }
}
