import Apus
import ApusFormat
import ApusGraph
import ApusRuntime
import ApusSafetensors

/// Everything a model file says, for people (`text`) and for programs (`json`; Sources/modelconv/JSON.md).
public struct Inspection {
  /// What to show beside the summary.
  public struct Options: Sendable {
    /// Shapes of inputs by name, for cost and memory; inputs left out take their smallest allowed extents.
    public var shapes: [Name: [Int]] = [:]
    /// Threads of the session that memory is told for.
    public var threads = 1
    /// The graph at each stage: of the file, after the compiler's passes, and the steps for the shapes.
    public var graph = false
    /// Places and checksums of sections and segments.
    public var sections = false

    public init() {}
  }

  public let file: ModelFile
  public let path: String
  public let options: Options
  /// nil where the input shapes are open, or this release can't run the model; `notes` says why.
  public let cost: ModelCost?
  public let memory: MemoryRequirements?
  /// Why cost, memory or stages are missing: the model may be one that this release can read but not run.
  public let notes: [String]
  let stages: [(name: String, lines: [String])]
  /// What computes in float between 8-bit operators; nil where the model can't be run.
  let floats: FloatNodes?

  /// - Throws: what opening the file throws; `unknownName` and `shapeMismatch` for shapes that the model does not take.
  public init(path: String, options: Options = Options()) throws(ApusError) {
    let file = try ModelFile(.path(path))
    self.file = file
    self.path = path
    self.options = options
    var stages: [(name: String, lines: [String])] = []
    if options.graph { stages.append(("file", GraphListing.file(file.definition))) }
    let shapes: [[Int]]?
    do throws(ApusError) { shapes = try file.definition.inputShapes(options.shapes) } catch { throw error.inFile(path) }
    var notes: [String] = []
    var cost: ModelCost?
    var memory: MemoryRequirements?
    var floats: FloatNodes?
    do throws(ApusError) {
      let model = try Model.load(.path(path), options: .full)
      floats = FloatNodes(model.program)
      if options.graph { stages.append(("program", GraphListing.program(model.program, file.definition))) }
      if let shapes {
        cost = try file.cost(inputShapes: shapes)
        memory = try model.memoryRequirements(shapes: shapes, threads: options.threads)
        if options.graph {
          let plan = try model.describePlan(shapes: shapes, threads: options.threads)
          stages.append(("plan", GraphListing.plan(plan)))
        }
      } else {
        notes.append("cost and memory need --shape for every input whose shape is open")
      }
    } catch {
      // Shapes that the caller chose are the caller's to mend; a model that can't be run can still be shown.
      guard options.shapes.isEmpty else { throw error.inFile(path) }
      notes.append("this release can not run the model: \(error)")
    }
    self.cost = cost
    self.memory = memory
    self.notes = notes
    self.stages = stages
    self.floats = floats
  }

  /// (operator, nodes that use it), in the order of `Needs.operators`.
  var operatorCounts: [(kind: Needs.Operator, count: Int)] {
    file.definition.usedOperators().map { kind in
      var count = 0
      for graph in file.definition.graphs {
        count += graph.nodes.count {
          $0.domain == kind.domain && $0.operatorName == kind.name && $0.sinceVersion == kind.sinceVersion
        }
      }
      return (kind, count)
    }
  }

  /// Elements of floating-point constants.
  var parameters: UInt64 { file.definition.parameters }
}

extension ModelFile {
  /// The cost of a run with these input shapes.
  func cost(inputShapes: [[Int]]) throws(ApusError) -> ModelCost {
    try ModelCost(definition, inputShapes: inputShapes, registry: .full) { id throws(ApusError) in
      Array(try self.tensorBytes(id))
    }
  }
}

extension ModelDefinition {
  /// The main graph with the inputs and outputs of the model's signature, in its order, as a caller sees them.
  var calledGraph: Graph {
    var graph = graphs[0]
    if let signature = signatures.first {
      graph.inputs = signature.inputs
      graph.outputs = signature.outputs
    }
    return graph
  }

  /// A shape for each input of the model, in the order of `Model.inputs`: the chosen one, or the declared one with symbols that
  /// a chosen shape fixes as there and all others at their smallest allowed value. nil where one stays open.
  ///
  /// - Throws: `unknownName` for a name that is no input, `shapeMismatch` for a rank or extent that the model does not allow.
  public func inputShapes(_ chosen: [Name: [Int]]) throws(ApusError) -> [[Int]]? {
    let graph = calledGraph
    let names = graph.inputs.map { graph.values[Int($0)].name }
    for name in chosen.keys.sorted() where !names.contains(name) {
      throw ApusError(
        .unknownName, "the model has no such input", tensorName: name.string,
        expected: names.map(\.string).joined(separator: ", "))
    }
    var fixed: [SymbolID: Int] = [:]
    for (name, id) in zip(names, graph.inputs) {
      guard let extents = chosen[name], let shape = graph.values[Int(id)].type?.tensor?.shape else { continue }
      let fits =
        shape.rank == extents.count && zip(shape.dimensions, extents).allSatisfy { ($0.value ?? $1) == $1 }
      guard fits else {
        throw ApusError(
          .shapeMismatch, "the input does not take this shape", tensorName: name.string,
          expected: shape.text(symbols: symbols), actual: Shape(extents).text(symbols: []))
      }
      for (dimension, extent) in zip(shape.dimensions, extents) {
        if case .symbol(let id) = dimension { fixed[id] = extent }
      }
    }
    var model = self
    for (id, extent) in fixed { model.symbols[Int(id)] = Symbol(name: symbols[Int(id)].name, minimum: extent, maximum: extent) }
    var shapes: [[Int]] = []
    for (position, id) in graph.inputs.enumerated() {
      if let extents = chosen[names[position]] {
        shapes.append(extents)
      } else {
        guard let shape = model.smallestShape(of: graph.values[Int(id)]) else { return nil }
        shapes.append(shape)
      }
    }
    return shapes
  }
}
