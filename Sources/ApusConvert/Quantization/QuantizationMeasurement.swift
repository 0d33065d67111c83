import Apus
import ApusGraph
import ApusSafetensors
import Foundation

/// How long a float model and a quantized one of it take on this machine, a run of the smallest shapes.
public struct QuantizationMeasurement: Sendable {
  /// One node, in nanoseconds of a run; nil where a model's program does not have it.
  struct Line: Sendable {
    let node: String
    let float: Double?
    let quantized: Double?
  }

  public let threads: Int
  /// Nanoseconds of the shortest run.
  public let float: Double
  public let quantized: Double
  /// In the float program's order; what only the quantized one has comes last.
  let lines: [Line]

  /// Rounds in which both run after each other: another load of the machine then meets both.
  private static let rounds = 4

  /// - Throws: what loading and running throw; `shapeMismatch` where the shape of an input stays open.
  init(
    _ exact: ModelDraft, _ quantized: ModelDraft, shapes: [Name: [Int]], threads: Int, seconds: Double,
    progress: (Double) -> Void
  ) throws(ApusError) {
    self.threads = threads
    var models: [(model: Model, shapes: [[Int]], cost: ModelCost)] = []
    for draft in [exact, quantized] {
      var (definition, data) = draft.finished()
      definition.metadata.testVectors = []
      let model = try Model.made(of: definition, data: data, level: nil)
      guard let extents = try model.definition.inputShapes(shapes) else {
        throw ApusError(.shapeMismatch, "the shape of an input is open: give samples with --data")
      }
      models.append((model, extents, try model.cost(inputShapes: extents)))
    }
    var best: [Benchmark.Measurement?] = [nil, nil]
    for round in 0..<Self.rounds {
      for (index, item) in models.enumerated() {
        let part = try Benchmark.measure(
          item.model, item.shapes, item.cost, threads: threads, seconds: seconds / Double(2 * Self.rounds)
        ) { _ in }
        if best[index].map({ part.minimum < $0.minimum }) != false { best[index] = part }
        progress(Double(2 * round + index + 1) / Double(2 * Self.rounds))
      }
    }
    float = best[0]?.minimum ?? 0
    self.quantized = best[1]?.minimum ?? 0
    let (first, second) = (Self.times(best[0]), Self.times(best[1]))
    let known = Dictionary(second.map { ($0.node, $0.time) }, uniquingKeysWith: +)
    let both = Set(first.map(\.node))
    lines =
      first.map { Line(node: $0.node, float: $0.time, quantized: known[$0.node]) }
      + second.filter { !both.contains($0.node) }.map { Line(node: $0.node, float: nil, quantized: $0.time) }
  }

  /// Time by the name of the node.
  private static func times(_ measurement: Benchmark.Measurement?) -> [(node: String, time: Double)] {
    (measurement?.profile.lines ?? []).map { line in
      (line.label.components(separatedBy: " (").first ?? line.label, line.nanoseconds)
    }
  }

  var isSlower: Bool { quantized > float }

  /// Nodes that the float model is faster at, by what that costs.
  var slower: [Line] {
    lines.filter { line in
      guard let float = line.float, let quantized = line.quantized else { return false }
      return quantized > 1.05 * float
    }.sorted { ($0.quantized ?? 0) - ($0.float ?? 0) > ($1.quantized ?? 0) - ($1.float ?? 0) }
  }

  /// Time of nodes that only the quantized program has: conversions, and what was fused otherwise.
  var added: Double { lines.filter { $0.float == nil }.reduce(0) { $0 + ($1.quantized ?? 0) } }

  var text: String {
    var text = "\ntimes, \(threads) thread\(threads == 1 ? "" : "s"): float \(Quantity.duration(nanoseconds: float)), quantized "
    text += "\(Quantity.duration(nanoseconds: quantized)) (\(Quantity.percent(quantized / max(float, 1))))\n"
    if isSlower { text += "warning: the float model is faster on this machine\n" }
    var table = TextTable(
      .init(title: "node"), .init(title: "float", alignment: .right), .init(title: "quantized", alignment: .right),
      .init(title: ""))
    func time(_ value: Double?) -> String { value.map { Quantity.duration(nanoseconds: $0) } ?? "-" }
    let late = Set(slower.map(\.node))
    table.rows = lines.map {
      [$0.node, time($0.float), time($0.quantized), late.contains($0.node) ? "float is faster" : ""]
    }
    return text + table.text()
  }

  var json: JSONValue {
    func time(_ value: Double?) -> JSONValue { value.map { .float($0) } ?? .null }
    return [
      "threads": JSONValue(threads), "float_nanoseconds": .float(float), "quantized_nanoseconds": .float(quantized),
      "nodes": .array(
        lines.map {
          ["node": .string($0.node), "float_nanoseconds": time($0.float), "quantized_nanoseconds": time($0.quantized)]
        }),
    ]
  }
}
