import Apus
import ApusFormat
import ApusGraph
import ApusRuntime
import ApusSafetensors
import Foundation

/// How a model file's outputs compare with those of its source, or with stored ones.
public struct Agreement {
  public struct Options: Sendable {
    /// A folder of test data (see `DataSet`), or an .onnx or .safetensors file: then the data sets beside it are used, and
    /// where it has none, made-up inputs through the source's own graph, unoptimized, on the portable path. nil: the file's
    /// own graph, likewise.
    public var against: String?
    /// Of made-up inputs, by name; those left out take their smallest allowed extents.
    public var shapes: [Name: [Int]] = [:]
    public var tolerance = Comparison.Tolerance(absolute: 1e-5, relative: 1e-3)
    /// Whether to compare node by node, too.
    public var perNode = false
    /// Part of a tensor's range by which a node departs.
    public var nodeTolerance = 1e-4
    public var threads = 1

    public init() {}
  }

  public struct Set {
    public let name: String
    /// One for each expected output.
    public let outputs: [Comparison]
    public let nodes: NodeComparison?
  }

  public let path: String
  /// What the outputs were compared with, in words.
  public let reference: String
  public let sets: [Set]

  public var agrees: Bool { sets.allSatisfy { $0.outputs.allSatisfy(\.agrees) && $0.nodes?.first == nil } }

  /// - Throws: what reading and running throw; never for a difference.
  public init(path: String, options: Options) throws(ApusError) {
    self.path = path
    do {
      let model = try Model.load(.path(path), options: .full)
      let pool = options.threads == 1 ? nil : try ThreadPool(threads: options.threads, memory: model.memory)
      let data = try Agreement.dataSets(model, options)
      var sets: [Set] = []
      for set in data?.sets ?? [] {
        let inputs = Dictionary(set.inputs.map { ($0.name, $0.value) }) { first, _ in first }
        sets.append(try Agreement.compare(model, set.name, inputs, expected: set.outputs, pool, options))
      }
      if data == nil {
        let inputs = try PseudoRandomInputs.values(of: model, shapes: options.shapes)
        sets.append(try Agreement.compare(model, "made-up inputs", inputs, expected: nil, pool, options))
      }
      self.sets = sets
      reference = data?.folder ?? (options.against ?? path) + ", unoptimized, portable"
    } catch { throw error.inFile(path) }
  }

  /// The data sets to use; nil where there are none and inputs are made up.
  private static func dataSets(_ model: Model, _ options: Options) throws(ApusError) -> (folder: String, sets: [DataSet])? {
    guard let against = options.against else { return nil }
    var folder = against
    let isFile = [".onnx", ".safetensors"].contains { against.hasSuffix($0) }
    if isFile {
      guard FileManager.default.fileExists(atPath: against) else {
        throw ApusError(.fileNotFound, "no such file", file: against)
      }
      folder =
        against.split(separator: "/").count > 1 ? String(against[..<(against.lastIndex(of: "/") ?? against.startIndex)]) : "."
      let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
      guard names.contains(where: { $0.hasPrefix("test_data_set_") }) else { return nil }
    }
    return (folder, try DataSet.read(folder, inputs: model.inputTypes, outputs: model.outputTypes))
  }

  /// - Parameter expected: nil: what the plain model gives.
  private static func compare(
    _ model: Model, _ name: String, _ inputs: [Name: StoredValue], expected: [(name: Name, value: StoredValue)]?,
    _ pool: ThreadPool?, _ options: Options
  ) throws(ApusError) -> Set {
    let needsPlain = expected == nil || options.perNode
    let plain = needsPlain ? try plainModel(model, options) : nil
    let run = try ModelRun(model, inputs: inputs, pool: pool)
    var wanted = expected ?? []
    if expected == nil, let plain {
      // Its outputs begin with those of the model.
      wanted = try ModelRun(plain, inputs: inputs).outputs.prefix(model.outputs.count).map { (Name($0.name), $0.value) }
    }
    var outputs: [Comparison] = []
    for (name, value) in wanted {
      guard let actual = run.outputs.first(where: { Name($0.name) == name }) else {
        throw ApusError(.unknownName, "the model has no such output", tensorName: name.string)
      }
      outputs.append(
        Comparison(name: name.string, expected: value, actual: actual.value, tolerance: options.tolerance))
    }
    var nodes: NodeComparison?
    if options.perNode, let plain {
      nodes = try NodeComparison(model, plain: plain, inputs: inputs, pool: pool, tolerance: options.nodeTolerance)
    }
    return Set(name: name, outputs: outputs, nodes: nodes)
  }

  private static func plainModel(_ model: Model, _ options: Options) throws(ApusError) -> Model {
    if let against = options.against, [".onnx", ".safetensors"].contains(where: { against.hasSuffix($0) }) {
      let source = try Conversion().read(against)
      if let problem = source.problems.first { throw problem.error.inFile(against) }
      return try Model.plain(source.model.definition, data: source.model.data)
    }
    return try Model.plain(model.definition, data: model.file.tensorData)
  }
}

extension Agreement {
  /// The report for people.
  public var text: String {
    var text = "\(path) against \(reference)\n"
    for set in sets {
      text += "\n\(set.name)\n" + Comparison.table(set.outputs, first: "output")
      if let nodes = set.nodes { text += "\n" + nodes.text }
    }
    return text + (agrees ? "\n\(path): agrees\n" : "\n\(path): DOES NOT agree\n")
  }

  /// The document that Sources/modelconv/JSON.md describes under `apus.agreement`.
  public var json: JSONValue {
    [
      "format": "apus.agreement", "version": 1, "file": .string(path), "reference": .string(reference),
      "agrees": .bool(agrees),
      "sets": .array(
        sets.map { set in
          [
            "name": .string(set.name), "outputs": .array(set.outputs.map(\.json)), "nodes": set.nodes?.json ?? .null,
          ]
        }),
    ]
  }
}
