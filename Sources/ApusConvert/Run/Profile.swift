import Apus
import ApusGraph
import ApusRuntime
import ApusSafetensors

/// Where the time of runs went: one line a node of the program, with what was fused into it.
public struct Profile: Sendable {
  public struct Line: Sendable {
    public let label: String
    public let operatorName: String
    /// Of one run, on average.
    public let nanoseconds: Double
    /// Operations of one run, those of the fused nodes included; 0 where they are not known.
    public let operations: UInt64
    /// The kernels that were chosen, and why; empty where there is one.
    public let kernels: [String]
    /// See `Session.ProfileEntry`, in microseconds.
    public let expected: [Float]
    /// Kernels that the node became.
    public let steps: Int
    /// Of the node's first result.
    public let extents: [Int]
  }

  public let lines: [Line]

  /// - Parameters:
  ///   - runs: the profile of each run; times are their mean.
  ///   - cost: of the shapes that ran.
  init(_ runs: [[Session.ProfileEntry]], program: Program, cost: ModelCost) {
    let operations = Profile.operations(program, cost)
    // Entries stand in the order of the program's nodes; nodes that became no step have none.
    var position = 0
    lines = (runs.first ?? []).enumerated().map { index, entry in
      var count: UInt64 = 0
      if let found = program.nodes[position...].firstIndex(where: { $0.label == entry.label }) {
        count = operations[found]
        position = found + 1
      }
      let total = runs.reduce(0.0) { $0 + Double($1[index].nanoseconds) }
      return Line(
        label: entry.label, operatorName: entry.operatorName.string, nanoseconds: total / Double(runs.count),
        operations: count, kernels: entry.kernels.map { $0.description }, expected: entry.expected,
        steps: entry.steps, extents: entry.extents)
    }
  }

  /// For each node of the program the operations of the graph's nodes that it stands for: those between what it reads and what
  /// it writes.
  private static func operations(_ program: Program, _ cost: ModelCost) -> [UInt64] {
    var writers: [ValueID: Int] = [:]
    for (index, node) in cost.nodes.enumerated() {
      for id in node.node.outputs where id >= 0 { writers[id] = index }
    }
    var counted: Set<Int> = []
    return program.nodes.map { node in
      let reads = Set(node.reads)
      var pending = node.node.outputs.filter { $0 >= 0 }
      var sum: UInt64 = 0
      while let id = pending.popLast() {
        guard !reads.contains(id), let writer = writers[id], counted.insert(writer).inserted else { continue }
        sum &+= cost.nodes[writer].operations ?? 0
        pending += cost.nodes[writer].node.inputs.filter { $0 >= 0 }
      }
      return sum
    }
  }

  public var text: String {
    let total = max(lines.reduce(0) { $0 + $1.nanoseconds }, 1)
    var table = TextTable(
      .init(title: "node"), .init(title: "time", alignment: .right), .init(title: "share", alignment: .right),
      .init(title: "operations", alignment: .right), .init(title: "GFLOP/s", alignment: .right))
    table.rows = lines.map { line in
      [
        line.label, Quantity.duration(nanoseconds: line.nanoseconds),
        Quantity.percent(line.nanoseconds / total), line.operations == 0 ? "-" : Quantity.operations(line.operations),
        line.operations == 0 ? "-" : Quantity.gigaflops(line.operations, nanoseconds: line.nanoseconds),
      ]
    }
    return table.text()
  }

  /// The same with what was planned for each node: the kernels that were chosen and why, the result's shape, the number of
  /// steps, and the achieved rate; of a convolution with several algorithms the times that the choice went by, on one thread.
  public var explanation: String {
    let total = max(lines.reduce(0) { $0 + $1.nanoseconds }, 1)
    var columns: [TextTable.Column] = [.init(title: "node"), .init(title: "shape"), .init(title: "kernels")]
    let hasExpected = lines.contains { !$0.expected.isEmpty }
    if hasExpected { columns.append(.init(title: "expected: direct, F(2x2), F(4x4), F(6x6)")) }
    for title in ["steps", "time", "GFLOP/s", "share"] { columns.append(.init(title: title, alignment: .right)) }
    var table = TextTable()
    table.columns = columns
    table.rows = lines.map { line in
      let expected = line.expected.map { Quantity.duration(nanoseconds: Double($0) * 1000) }.joined(separator: ", ")
      return [line.label, Shape(line.extents).text(symbols: []), line.kernels.joined(separator: "; ")]
        + (hasExpected ? [expected] : []) + [
          "\(line.steps)", Quantity.duration(nanoseconds: line.nanoseconds),
          line.operations == 0 ? "-" : Quantity.gigaflops(line.operations, nanoseconds: line.nanoseconds),
          Quantity.percent(line.nanoseconds / total),
        ]
    }
    return table.text()
  }

  public var json: JSONValue {
    .array(
      lines.map {
        [
          "node": .string($0.label), "operator": .string($0.operatorName), "nanoseconds": .float($0.nanoseconds),
          "flops": JSONValue($0.operations), "steps": JSONValue($0.steps),
          "kernels": .array($0.kernels.map { .string($0) }),
          "expected_nanoseconds": .array($0.expected.map { .float(Double($0) * 1000) }), "shape": ModelJSON.extents($0.extents),
        ]
      })
  }
}

extension ModelRun {
  /// The profile of the run with the operations of each node; nil where it was not asked for.
  public func profile(of model: Model) -> Profile? {
    cost.map { Profile([profile], program: program, cost: $0) }
  }
}
