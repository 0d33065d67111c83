import Apus
import ApusFormat
import ApusFormatWriter
import ApusGraph
import ApusRuntime

/// Runs a model on samples and hands out tensors of its main graph.
struct SampleRunner {
  private let session: Session
  /// Positions of the wanted tensors among the outputs.
  private let positions: [(id: ValueID, output: Int)]

  /// - Parameters:
  ///   - draft: every wanted value has a name.
  ///   - wanted: values of the main graph that are computed or fed.
  init(_ draft: ModelDraft, wanted: [ValueID], threads: Int) throws(ApusError) {
    var draft = draft
    let own = draft.definition.calledGraph.outputs
    var outputs: [ValueID] = []
    var fed: [ValueID: ValueID] = [:]
    let inputs = Set(draft.definition.calledGraph.inputs)
    for id in wanted where !own.contains(id) && !outputs.contains(id) {
      if inputs.contains(id) {
        // An input is no output: a copy of it is.
        let copy = draft.addValue(draft.name(id) + ".copy", .float32, nil)
        draft.graph.values[Int(copy)].type = draft.graph.values[Int(id)].type
        draft.graph.nodes.append(Node(operatorName: "Identity", sinceVersion: 25, inputs: [id], outputs: [copy]))
        fed[id] = copy
        outputs.append(copy)
      } else {
        outputs.append(id)
      }
    }
    draft.graph.outputs = own + outputs
    if !draft.definition.signatures.isEmpty { draft.definition.signatures[0].outputs = own + outputs }
    draft.definition.metadata.testVectors = []
    let all = own + outputs
    var seen: Set<ValueID> = []
    positions = wanted.filter { seen.insert($0).inserted }.compactMap { id in
      all.firstIndex(of: fed[id] ?? id).map { (id, $0) }
    }
    let (definition, data) = draft.finished()
    let model = try Model.made(of: definition, data: data, level: nil)
    var options = SessionOptions()
    if threads > 1 { options.pool = try ThreadPool(threads: threads, memory: model.memory) }
    session = try Session(model: model, options: options)
  }

  /// Runs one batch.
  /// - Parameter body: gets each wanted tensor of float32, in order; its memory is the session's.
  func run(
    _ inputs: [(name: Name, value: NpyArray)],
    _ body: (ValueID, UnsafeBufferPointer<Float>, [Int]) throws(ApusError) -> Void
  ) throws(ApusError) {
    let model = session.model
    let shapes = Dictionary(inputs.map { ($0.name, $0.value.dimensions) }) { first, _ in first }
    guard let extents = try model.definition.inputShapes(shapes) else {
      throw ApusError(.shapeMismatch, "the shape of a state's input is open")
    }
    if session.preparedShapes != extents { try session.prepare(extents) }
    for (index, port) in model.inputs.enumerated() {
      guard let array = inputs.first(where: { $0.name == port.name })?.value else { continue }
      try session.inputBuffer(index).copyBytes(from: array.bytes)
    }
    try session.run()
    for (id, output) in positions {
      guard model.outputs[output].elementType == .float32 else { continue }
      let shape = try session.outputShape(output)
      let bytes = try session.outputBuffer(output)
      // Outputs are aligned for their elements.
      try body(id, bytes.bindMemory(to: Float.self), shape)
    }
  }
}

/// The ranges of activations, from samples.
struct Calibration {
  private(set) var observers: [ValueID: RangeObserver] = [:]
  /// Samples that were run.
  private(set) var samples = 0

  /// Runs samples through a float model.
  ///
  /// - Parameters:
  ///   - wanted: the values whose range is asked for.
  ///   - channelAxes: of some of them the axis whose channels are watched one by one.
  ///   - progress: called with the part that is done.
  /// - Throws: what reading and running throw; `valueOutOfRange` where an activation is not finite.
  init(
    _ draft: ModelDraft, wanted: [ValueID], channelAxes: [ValueID: Int], samples source: SampleSource,
    options: QuantizationOptions, progress: (Double) -> Void
  ) throws(ApusError) {
    for id in wanted { observers[id] = RangeObserver(histogram: true, channelAxis: channelAxes[id]) }
    let runner = try SampleRunner(draft, wanted: wanted, threads: options.threads)
    let count = source.count
    while samples < count {
      let batch = try source.batch(from: samples, atMost: min(options.batch, count - samples))
      do throws(ApusError) {
        try runner.run(batch.inputs) { (id, values, extents) throws(ApusError) in
          guard let bad = observers[id]?.add(values, extents: extents) ?? nil else { return }
          throw ApusError(
            .valueOutOfRange, "an activation is no finite number where samples \(batch.range) run", tensorName: draft.name(id),
            expected: "finite numbers", actual: "\(bad)")
        }
      } catch { throw error.inFile(source.path) }
      samples = batch.range.upperBound
      progress(Double(samples) / Double(count))
    }
    try source.checkVariation()
  }

  func ranges(_ method: RangeMethod) -> [ValueID: ValueRange] { observers.compactMapValues { $0.range(method) } }
}
