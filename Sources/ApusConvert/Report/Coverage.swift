import Apus
import ApusFormat
import ApusGraph
import ApusSafetensors

/// Whether a model can be converted, found by converting it in memory: every problem at once, with advice.
public struct Coverage {
  public let path: String
  public let problems: [ImportProblem]
  public let nodes: Int
  /// Where the converted model departs from its source in form.
  public let notes: [String]
  let operators: [Needs.Operator]

  /// - Throws: where the file can't be read or is no model.
  public init(path: String) throws(ApusError) {
    let conversion = Conversion()
    let source = try conversion.read(path)
    self.init(source, conversion)
  }

  /// The report on a source that was read.
  public init(_ source: Conversion.Source, _ conversion: Conversion = Conversion()) {
    path = source.path
    let definition = source.model.definition
    nodes = definition.graphs.reduce(0) { $0 + $1.nodes.count }
    operators = definition.usedOperators()
    notes = source.model.notes
    problems = source.problems.isEmpty ? Coverage.tryOut(source, conversion) : source.problems
  }

  /// Writes, reads and compiles the model: what only shows there.
  private static func tryOut(_ source: Conversion.Source, _ conversion: Conversion) -> [ImportProblem] {
    do throws(ApusError) {
      let bytes = try conversion.encode(source)
      _ = try Model.load(bytes: bytes, options: .full)
      return []
    } catch {
      return [ImportProblem(error)]
    }
  }

  public var isConvertible: Bool { problems.isEmpty }

  /// 0: convertible; 3: the release lacks something; 1: the model is wrong.
  public var exitCode: Int32 {
    isConvertible ? 0 : problems.contains { $0.error.status.isUnsupported } ? 3 : 1
  }

  /// The report for people.
  public var text: String {
    var text = "\(path): \(Quantity.count(nodes)) nodes of \(operators.count) operators\n"
    for note in notes { text += "note: \(note)\n" }
    guard !isConvertible else { return text + "everything can be converted\n" }
    text += "\(problems.count) problem\(problems.count == 1 ? "" : "s"); no file was written\n"
    for (number, group) in groups.enumerated() {
      text += "\n\(number + 1). \(group.kind)\n"
      var table = TextTable(.init(title: ""), .init(title: ""))
      table.indentation = "   "
      table.rows = [["reason", group.reason], ["advice", group.advice]]
      for name in group.nodes.prefix(Coverage.namedNodes) { table.rows.append(["node", name]) }
      if group.nodes.count > Coverage.namedNodes {
        table.rows.append(["", "and \(group.nodes.count - Coverage.namedNodes) more (all with --json)"])
      }
      text += table.text()
    }
    return text
  }

  private static let namedNodes = 5

  /// Problems with one operator for one reason, in the order of the first.
  private var groups: [(kind: String, reason: String, advice: String, nodes: [String])] {
    var groups: [(kind: String, reason: String, advice: String, nodes: [String])] = []
    for problem in problems {
      var reason = problem.error
      reason.operatorName = ""
      reason.file = ""
      let node = problem.nodeName.isEmpty ? "(without a name)" : problem.nodeName.string
      let text = "\(reason)"
      if let index = groups.firstIndex(where: { $0.kind == problem.kind && $0.reason == text }) {
        groups[index].nodes.append(node)
      } else {
        groups.append((problem.kind, text, problem.advice, problem.operatorName.isEmpty ? [] : [node]))
      }
    }
    return groups
  }

  /// The document that Sources/modelconv/JSON.md describes under `apus.coverage`.
  public var json: JSONValue {
    [
      "format": "apus.coverage", "version": 1, "file": .string(path), "convertible": .bool(isConvertible),
      "nodes": JSONValue(nodes), "notes": .array(notes.map { .string($0) }),
      "operators": .array(
        operators.map {
          ["domain": .string($0.domain.string), "name": .string($0.name.string), "since_version": JSONValue($0.sinceVersion)]
        }),
      "problems": .array(
        problems.map {
          [
            "domain": .string($0.domain.string), "operator": .string($0.operatorName.string),
            "version": JSONValue($0.version), "node": .string($0.nodeName.string), "advice": .string($0.advice),
            "error": ModelJSON.error($0.error),
          ]
        }),
    ]
  }
}

extension ImportProblem {
  /// What stops a whole model.
  fileprivate init(_ error: ApusError) {
    self.init(
      node: Node(domain: .empty, operatorName: .empty, sinceVersion: 0, inputs: [], outputs: []), error: error,
      advice: error.status.isUnsupported
        ? "see the operator that the reason names; the model may be exported without it"
        : "check the model with onnx.checker.check_model(model, full_check=True)")
    self.error = error
  }

  /// `ai.onnx.Conv-22`; `the model` where no node is to blame.
  fileprivate var kind: String {
    if operatorName.isEmpty { return error.operatorName.isEmpty ? "the model" : error.operatorName }
    return domain.string + "." + operatorName.string + "-\(version)"
  }
}
