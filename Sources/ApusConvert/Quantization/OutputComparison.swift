import Apus
import ApusGraph

/// The outputs of a float model on some samples, kept to compare quantized ones with.
struct OutputComparison {
  /// How far a quantized model is from the float one.
  struct Result: Sendable {
    /// For each output.
    let outputs: [ErrorSums]
    /// The part of the labelled samples whose largest score stands at the label; nil without labels.
    let accuracy: Double?

    /// The largest relative error of an output.
    var relative: Double { outputs.map(\.relative).max() ?? 0 }
  }

  private let samples: SampleSource
  private let options: QuantizationOptions
  private let outputCount: Int
  /// By batch: the samples and the elements of each output.
  private var batches: [(range: Range<Int>, outputs: [[Float]])] = []

  /// - Parameter count: samples that are run at most.
  init(
    _ draft: ModelDraft, samples: SampleSource, count: Int, options: QuantizationOptions, progress: (Double) -> Void = { _ in }
  ) throws(ApusError) {
    self.samples = samples
    self.options = options
    outputCount = draft.definition.calledGraph.outputs.count
    let runner = try SampleRunner(draft, wanted: draft.definition.calledGraph.outputs, threads: options.threads)
    let total = min(count, samples.count)
    var done = 0
    while done < total {
      let batch = try samples.batch(from: done, atMost: min(options.batch, total - done))
      batches.append((batch.range, try Self.outputs(runner, batch, draft)))
      done = batch.range.upperBound
      progress(Double(done) / Double(total))
    }
  }

  private static func outputs(
    _ runner: SampleRunner, _ batch: SampleSource.Batch, _ draft: ModelDraft
  ) throws(ApusError) -> [[Float]] {
    let ids = draft.definition.calledGraph.outputs
    var outputs = ids.map { _ in [Float]() }
    try runner.run(batch.inputs) { (id, values, _) throws(ApusError) in
      if let place = ids.firstIndex(of: id) { outputs[place] = Array(values) }
    }
    return outputs
  }

  /// Compares a quantized model on the same samples.
  func compare(_ draft: ModelDraft) throws(ApusError) -> Result {
    let runner = try SampleRunner(draft, wanted: draft.definition.calledGraph.outputs, threads: options.threads)
    var sums = (0..<outputCount).map { _ in ErrorSums() }
    var hits = 0
    var labelled = 0
    for (range, exact) in batches {
      let batch = try samples.batch(from: range.lowerBound, atMost: range.count)
      let actual = try Self.outputs(runner, batch, draft)
      for index in sums.indices {
        exact[index].withUnsafeBufferPointer { exact in
          actual[index].withUnsafeBufferPointer { sums[index].add(exact, $0) }
        }
      }
      guard let labels = samples.labels, let scores = actual.first, !scores.isEmpty else { continue }
      // A model of a fixed batch may give more rows than there are samples.
      let rows = batch.inputs.first?.value.dimensions.first ?? range.count
      let classes = scores.count / max(rows, 1)
      for (row, sample) in range.enumerated() where classes > 0 {
        let own = scores[(row * classes)..<((row + 1) * classes)]
        var best = own.startIndex
        for index in own.indices where own[index] > own[best] { best = index }
        labelled += 1
        if best - own.startIndex == labels[sample] { hits += 1 }
      }
    }
    return Result(outputs: sums, accuracy: labelled > 0 ? Double(hits) / Double(labelled) : nil)
  }
}
