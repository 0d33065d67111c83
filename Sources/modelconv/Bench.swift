import ApusConvert
import ArgumentParser

struct Bench: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Measure a model's time and memory.",
    discussion: """
      Runs the model on pseudo-random inputs for the given time with each number of threads, and prints the shortest, the median
      and the 99th percentile of a run's time, memory, and where the time goes, operator by operator. The profile is measured in
      runs of its own: measuring each step costs a little.

        modelconv bench lenet.apus
        modelconv bench lenet.apus --shape input=64,1,28,28 --threads 1,2 --seconds 5
        modelconv bench lenet.apus --explain
        modelconv bench lenet.apus --json | jq '.measurements[0].median_nanoseconds'
      """)

  @Argument(help: "The model file.")
  var model: String

  @Option(help: "The shape of an input, such as input=1,1,28,28; once an input. (default: the smallest shape)")
  var shape: [ShapeArgument] = []

  @Option(help: "Numbers of threads to measure with, such as 1,2.")
  var threads = ThreadList([1])

  @Option(help: "How long to measure for each number of threads.")
  var seconds = 2.0

  @Flag(help: "Say for each node which kernels were chosen, and why, with shape, steps and rate.")
  var explain = false

  @Flag(help: "Print the report as JSON (Sources/modelconv/JSON.md, apus.bench).")
  var json = false

  func validate() throws {
    guard seconds >= 0, seconds <= 86_400 else { throw ValidationError("--seconds takes a number from 0 to 86400") }
  }

  func run() throws {
    var options = Benchmark.Options()
    options.shapes = try ShapeArgument.byName(shape)
    options.threads = threads.counts
    options.seconds = seconds
    let progress = ProgressLine()
    let benchmark = try Benchmark(path: model, options: options) { threads, fraction in
      progress.show("\(threads) thread\(threads == 1 ? "" : "s"): \(Int(min(fraction, 1) * 100))%")
    }
    progress.clear()
    Console.report(benchmark.text(explains: explain), json: benchmark.json, asJSON: json)
  }
}
