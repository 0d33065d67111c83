import Apus
import ApusGraph

/// A float model and a quantized one of it, compared on samples.
struct QuantizationError {
  /// For each pair of values that was asked for, in order; empty sums for tensors that are no float32.
  private(set) var values: [ErrorSums]
  /// For each output of the model.
  private(set) var outputs: [ErrorSums]

  /// The largest relative error of an output.
  var relative: Double { outputs.map(\.relative).max() ?? 0 }

  /// - Parameters:
  ///   - pairs: a value of the float model and that of the quantized one that stands for it.
  ///   - count: samples that are run at most.
  init(
    _ exact: ModelDraft, _ approximate: ModelDraft, pairs: [(exact: ValueID, approximate: ValueID)] = [],
    samples: SampleSource, count: Int, options: QuantizationOptions, progress: (Double) -> Void = { _ in }
  ) throws(ApusError) {
    let own = exact.definition.calledGraph.outputs
    let first = try SampleRunner(exact, wanted: pairs.map(\.exact) + own, threads: options.threads)
    let results = approximate.definition.calledGraph.outputs
    let second = try SampleRunner(
      approximate, wanted: pairs.map(\.approximate) + results, threads: options.threads)
    var values = pairs.map { _ in ErrorSums() }
    var outputs = own.map { _ in ErrorSums() }
    let places = Dictionary(pairs.enumerated().map { ($0.element.approximate, $0.offset) }) { first, _ in first }
    let outputPlaces = Dictionary(results.enumerated().map { ($0.element, $0.offset) }) { first, _ in first }
    var done = 0
    let total = min(count, samples.count)
    while done < total {
      let batch = try samples.batch(from: done, atMost: min(options.batch, total - done))
      var known: [ValueID: UnsafeBufferPointer<Float>] = [:]
      // The memory stays the first session's until its next run.
      try first.run(batch.inputs) { (id, elements, _) throws(ApusError) in known[id] = elements }
      try second.run(batch.inputs) { (id, elements, _) throws(ApusError) in
        if let place = places[id], let exact = known[pairs[place].exact] { values[place].add(exact, elements) }
        if let place = outputPlaces[id], let exact = known[own[place]] { outputs[place].add(exact, elements) }
      }
      done = batch.range.upperBound
      progress(Double(done) / Double(total))
    }
    (self.values, self.outputs) = (values, outputs)
  }
}
