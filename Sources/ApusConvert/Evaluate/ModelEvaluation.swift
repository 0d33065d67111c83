import Apus
import ApusGraph
import ApusRuntime
import ApusSafetensors
import Foundation

/// A model's accuracy on labelled samples, and its agreement with another model's outputs.
public struct ModelEvaluation {
  public struct Options: Sendable {
    /// Another model to compare the outputs with.
    public var against: String?
    /// The output that holds a score for each class; nil: the first.
    public var output: String?
    public var batch = 32
    public var threads = 1

    public init() {}
  }

  /// What was measured of one model.
  public struct Result: Sendable {
    public let path: String
    public let fileBytes: UInt64
    /// SHA-256 of all outputs' bytes, sample after sample: the same for every instruction set and number of threads.
    public internal(set) var outputHash: [UInt8] = []
    /// nil where the data has no labels.
    public internal(set) var confusion: ConfusionMatrix?
    /// Nanoseconds of all runs.
    public internal(set) var time: UInt64 = 0

    /// Samples a second.
    public func throughput(_ samples: Int) -> Double { time == 0 ? 0 : Double(samples) / (Double(time) / 1e9) }
  }

  public let data: String
  public let dataHash: [UInt8]
  public let samples: Int
  public let batch: Int
  public let threads: Int
  /// Names of the classes, from the data or the model; empty where neither has some.
  public let classNames: [String]
  public private(set) var result: Result
  public private(set) var other: Result?
  /// For each output that both models have; empty where there is no other model.
  public private(set) var agreement: [OutputAgreement] = []
  /// Samples that only this model has right, and those that only the other has.
  public private(set) var rightAlone = (model: 0, other: 0)

  /// - Parameter progress: called with the number of samples that are done and that of all.
  /// - Throws: what loading, reading and running throw; `invalidArgument` where there are neither labels nor another model;
  ///   `valueOutOfRange` for a label that is no class.
  public init(
    path: String, data: String, samples options: SampleOptions, options evaluation: Options, progress: (Int, Int) -> Void
  ) throws(ApusError) {
    let runner = try Self.runner(path, evaluation.threads)
    let otherRunner = try evaluation.against.map { (path) throws(ApusError) in try Self.runner(path, evaluation.threads) }
    let model = runner.model
    let source = try SampleSource(
      data, inputs: model.inputs.filter { $0.state == nil }.map { ($0.name, $0.type) }, symbols: model.definition.symbols,
      options: options)
    guard source.labels != nil || otherRunner != nil else {
      throw ApusError(
        .invalidArgument, "there is nothing to compare with: the data has no labels", file: data,
        expected: "labels beside the data, --labels, or --against another model")
    }
    let scores = try evaluation.output.map { (name) throws(ApusError) in try model.outputIndex(name) } ?? 0
    self.data = data
    dataHash = try source.hash()
    samples = source.count
    batch = source.fixedBatch ?? evaluation.batch
    threads = evaluation.threads
    classNames = source.classNames.isEmpty ? Self.classNames(model) : source.classNames
    result = Result(path: path, fileBytes: Self.fileBytes(path))
    other = evaluation.against.map { Result(path: $0, fileBytes: Self.fileBytes($0)) }
    var tally = Tally(labels: source.labels, scores: scores)
    let shared: [(output: Int, other: Int)] = model.outputs.enumerated().compactMap { index, port in
      otherRunner?.model.outputs.firstIndex { $0.name == port.name }.map { (index, $0) }
    }
    if let otherRunner {
      guard shared.contains(where: { $0.output == scores }) else {
        throw ApusError(
          .unknownName, "the other model has no such output", file: evaluation.against ?? "",
          tensorName: model.outputs[scores].name.string,
          expected: otherRunner.model.outputs.map(\.name.string).joined(separator: ", "))
      }
      agreement = shared.map { OutputAgreement(name: model.outputs[$0.output].name.string) }
    }
    var start = 0
    while start < source.count {
      let batch = try source.batch(from: start, atMost: evaluation.batch)
      let outputs = try Self.run(runner, batch, path)
      var otherOutputs: [NpyArray]?
      if let otherRunner {
        let values = try Self.run(otherRunner, batch, evaluation.against ?? "")
        for (place, pair) in shared.enumerated() {
          try agreement[place].add(outputs[pair.output], reference: values[pair.other], count: batch.range.count)
        }
        otherOutputs = shared.first { $0.output == scores }.map { [values[$0.other]] }
      }
      do { try tally.add(batch.range, outputs[scores], otherOutputs?.first) } catch { throw error.inFile(path) }
      start = batch.range.upperBound
      progress(start, source.count)
    }
    result.confusion = tally.model
    result.time = runner.time
    result.outputHash = runner.outputHash
    other?.confusion = tally.other
    if let otherRunner {
      other?.time = otherRunner.time
      other?.outputHash = otherRunner.outputHash
    }
    rightAlone = tally.rightAlone
  }

  private static func runner(_ path: String, _ threads: Int) throws(ApusError) -> BatchRunner {
    let model = try Model.converting(path)
    do throws(ApusError) {
      return try BatchRunner(model, pool: threads == 1 ? nil : try ThreadPool(threads: threads, memory: model.memory))
    } catch { throw error.inFile(path) }
  }

  private static func run(
    _ runner: BatchRunner, _ batch: SampleSource.Batch, _ path: String
  ) throws(ApusError) -> [NpyArray] {
    do { return try runner.run(batch) } catch { throw error.inFile(path) }
  }

  private static func fileBytes(_ path: String) -> UInt64 { (try? FileBytes(path: path))?.byteCount ?? 0 }

  /// Those that the model's metadata has under `classes`, separated by commas.
  private static func classNames(_ model: Model) -> [String] {
    model.definition.metadata.entries.first { $0.key == "classes" }.map {
      $0.value.string.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
    } ?? []
  }
}

/// Counts what both models have right.
private struct Tally {
  let labels: [Int]?
  /// Which output the scores are, for messages.
  let scores: Int
  var model: ConfusionMatrix?
  var other: ConfusionMatrix?
  var rightAlone = (model: 0, other: 0)

  init(labels: [Int]?, scores: Int) { (self.labels, self.scores) = (labels, scores) }

  mutating func add(_ range: Range<Int>, _ output: NpyArray, _ otherOutput: NpyArray?) throws(ApusError) {
    guard let labels else { return }
    let values = try output.doubles()
    let others = try otherOutput?.doubles()
    let rows = max(output.dimensions.first ?? 0, 1)
    let classes = values.count / rows
    guard rows >= range.count, output.dimensions.filter({ $0 != 1 }).count <= 2, classes > 1 else {
      throw ApusError(
        .shapeMismatch, "the output does not hold a score for each class", expected: "[samples, classes]",
        actual: Shape(output.dimensions).text(symbols: []))
    }
    var counted = model ?? ConfusionMatrix(classes: classes)
    var countedOther = other ?? others.map { _ in ConfusionMatrix(classes: classes) }
    for (row, sample) in range.enumerated() {
      let label = labels[sample]
      guard label < counted.classes else {
        throw ApusError(
          .valueOutOfRange, "the label of sample \(sample) is no class of the model", expected: "0 ..< \(counted.classes)",
          actual: "\(label)")
      }
      let place = row * classes..<(row + 1) * classes
      counted.add(label: label, scores: values[place])
      guard let others else { continue }
      countedOther?.add(label: label, scores: others[place])
      let (isRight, isOtherRight) = (values[place].indexOfLargest == label, others[place].indexOfLargest == label)
      if isRight && !isOtherRight { rightAlone.model += 1 }
      if isOtherRight && !isRight { rightAlone.other += 1 }
    }
    model = counted
    other = countedOther
  }
}
