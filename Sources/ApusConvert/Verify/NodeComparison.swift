import Apus
import ApusGraph
import ApusRuntime
import ApusSafetensors

/// A model's tensors, node by node, as the optimized program computes them on this machine, beside those of the plain one:
/// nothing fused, portable kernels.
public struct NodeComparison {
  public struct Line: Sendable {
    /// The node that writes the tensor.
    public let node: String
    public let comparison: Comparison
    public let departs: Bool
  }

  /// In the order of the plain graph; tensors that the optimized program does not have are left out.
  public let lines: [Line]
  /// Tensors that were fused or folded away.
  public let unseen: Int
  /// Errors beyond this part of a tensor's largest magnitude depart.
  public let tolerance: Double

  /// The first that departs; what follows may only pass its error on.
  public var first: Line? { lines.first(where: \.departs) }

  /// - Parameters:
  ///   - model: the model in question.
  ///   - plain: the model to compare with (`Model.plain`); values are matched by name.
  ///   - inputs: for both.
  init(
    _ model: Model, plain: Model, inputs: [Name: StoredValue], pool: ThreadPool?, tolerance: Double
  ) throws(ApusError) {
    let exposed = try model.exposingProgram()
    let actual = try ModelRun(exposed, inputs: inputs, pool: pool).outputs
    let expected = try ModelRun(plain, inputs: inputs).outputs
    var byName: [String: StoredValue] = [:]
    for output in actual { byName[output.name] = output.value }
    var writers: [Name: String] = [:]
    let graph = plain.definition.graphs[0]
    var order: [Name: Int] = [:]
    for (position, node) in graph.nodes.enumerated() {
      for id in node.outputs where id >= 0 {
        writers[graph.values[Int(id)].name] = node.label
        order[graph.values[Int(id)].name] = position
      }
    }
    var lines: [(position: Int, line: Line)] = []
    var unseen = 0
    for output in expected {
      let name = Name(output.name)
      guard let position = order[name] else { continue }
      guard let value = byName[output.name] else {
        unseen += 1
        continue
      }
      let comparison = Comparison(
        name: output.name, expected: output.value, actual: value, tolerance: .init(absolute: 0, relative: 0))
      let departs = !comparison.mismatch.isEmpty || !(comparison.errorOfRange <= tolerance)
      lines.append((position, Line(node: writers[name] ?? "", comparison: comparison, departs: departs)))
    }
    self.lines = lines.sorted { $0.position < $1.position }.map(\.line)
    self.unseen = unseen
    self.tolerance = tolerance
  }

  /// The report for people.
  var text: String {
    var table = TextTable(
      .init(title: ""), .init(title: "node"), .init(title: "tensor"), .init(title: "absolute error", alignment: .right),
      .init(title: "of range", alignment: .right), .init(title: "cosine", alignment: .right))
    table.rows = lines.map { line in
      let item = line.comparison
      guard item.mismatch.isEmpty else { return ["DEPARTS", line.node, item.name, item.mismatch, "", ""] }
      return [
        line.departs ? "DEPARTS" : "", line.node, item.name, Quantity.error(item.absoluteError),
        Quantity.error(item.errorOfRange), Quantity.cosine(item.cosine),
      ]
    }
    var text = "node by node against the unoptimized portable path (\(unseen) tensors fused or folded away)\n" + table.text()
    if let first {
      text += "\nthe first that departs: \(first.node), tensor '\(first.comparison.name)'\n"
    } else {
      text += "\nno node departs by more than \(Quantity.error(tolerance)) of its tensor's range\n"
    }
    return text
  }

  var json: JSONValue {
    [
      "unseen": JSONValue(unseen), "tolerance": .float(tolerance),
      "first": first.map { .string($0.comparison.name) } ?? .null,
      "nodes": .array(
        lines.map {
          ["node": .string($0.node), "departs": .bool($0.departs), "comparison": $0.comparison.json]
        }),
    ]
  }
}
