import ApusConvert
import ApusSafetensors
import ArgumentParser

extension QuantizationScheme: ExpressibleByArgument {}
extension RangeMethod: ExpressibleByArgument {}

struct Quantize: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Make a quantized model file of a float model.",
    discussion: """
      Reads a float model (.apus, .onnx or .safetensors). Schemes:

      static: runs the model on samples to learn the ranges of its activations; convolutions and products become sums of 8-bit
      integers, written as QuantizeLinear and DequantizeLinear around float operators: any runtime of ONNX operators understands
      it, and Apus runs it on integers. Some hundred samples are enough: the first 512 of the data are taken where --limit does
      not say another number. They must be normalized as in training.
      dynamic: operands of matrix products and LSTM layers become integers in each run, with the range that they then have;
      weights of other layers become 8-bit integers in blocks.
      weights-int8, weights-int4: only weights become integers, in blocks with a float16 scale each. fp16: weights become float16.
      All but static need no samples; with some the report tells the outputs' error.

      With --target-error or --target-accuracy (static) the layers that hurt most compute in float. Their weights stay 8-bit where
      that is enough. There are no 16-bit activations between: their sums would be no faster than float ones.

      The file is read back and verified before it gets its name; on any failure, and where the command is interrupted, nothing is
      left behind. The same model, data and options give the same bytes. The report says layer by layer how far the quantized
      model is from the float one on the samples.

        modelconv quantize model.onnx --data samples.npz -o model-int8.apus
        modelconv quantize model.apus --data t10k-images-idx3-ubyte --mean 0.286 --std 0.353 --ranges mse
        modelconv quantize encoder.onnx --scheme dynamic --data sentences.npz
        modelconv quantize decoder.onnx --scheme weights-int4 --block 32
        modelconv quantize model.apus --data samples.npz --exclude conv1 fc --json > report.json
      """)

  @Argument(help: "The float model.")
  var model: String

  @Option(help: "The samples: an .npz or .npy file, IDX images, or a folder.")
  var data: String?

  @Option(name: .shortAndLong, help: "The file to write. (default: the model's path with -SCHEME.apus for its extension)")
  var output: String?

  @Option(help: "What becomes integers: static, dynamic, weights-int8, weights-int4 or fp16.")
  var scheme: QuantizationScheme = .static

  @Option(help: "How ranges follow from samples: min-max, moving-average, percentile, entropy or mse.")
  var ranges: RangeMethod = .minMax

  @Option(parsing: .upToNextOption, help: "Nodes that stay float, by name or by what they write.")
  var exclude: [String] = []

  @Option(help: "Weights that share a scale (weights-int8: 128, weights-int4: 32): 16, 32, 64, 128 or 256.")
  var block: Int?

  @Flag(help: "Store zero points, too (weights-int8, weights-int4).")
  var asymmetric = false

  @Option(help: "The relative error of the outputs that is allowed: layers that hurt most compute in float until it is reached.")
  var targetError: Double?

  @Option(help: "The part of labelled samples, 0 to 1, to tell right: layers that hurt most compute in float until it is.")
  var targetAccuracy: Double?

  @Option(help: "Samples that errors are measured on.")
  var errorSamples = 64

  @Flag(help: "Leave the ranges of channels as they are: don't make them alike.")
  var noEqualization = false

  @Flag(help: "Leave biases as they are: don't take back the mean error of rounded weights.")
  var noBiasCorrection = false

  @OptionGroup var samples: SampleArguments

  @Option(help: "Samples in a run, where the model leaves that open.")
  var batch = 8

  @Option(help: "Threads to run with. The results are the same for every number.")
  var threads = ThreadCount(1)

  @Flag(help: "Time the float model and the quantized one on this machine, node by node.")
  var measure = false

  @Option(help: "A page for a browser to write: errors, histograms with the chosen ranges, size and time.")
  var report: String?

  @Flag(help: "Print the report as JSON (Sources/modelconv/JSON.md, apus.quantize).")
  var json = false

  private var destination: String {
    if let output { return output }
    for suffix in [".apus", ".onnx", ".safetensors"] where model.hasSuffix(suffix) {
      return model.dropLast(suffix.count) + "-" + scheme.rawValue + ".apus"
    }
    return model + "-" + scheme.rawValue + ".apus"
  }

  func validate() throws {
    guard (1...4096).contains(batch) else { throw ValidationError("--batch takes a number from 1 to 4096") }
    guard block.map({ [16, 32, 64, 128, 256].contains($0) }) != false else {
      throw ValidationError("--block takes 16, 32, 64, 128 or 256")
    }
    guard targetError.map({ $0 > 0 }) != false else { throw ValidationError("--target-error takes a number above 0") }
    guard targetAccuracy.map({ (0...1).contains($0) }) != false else {
      throw ValidationError("--target-accuracy takes a number from 0 to 1")
    }
    guard scheme == .static || targetError == nil && targetAccuracy == nil else {
      throw ValidationError("--target-error and --target-accuracy go with the scheme static")
    }
    guard (1...1_000_000).contains(errorSamples) else { throw ValidationError("--error-samples takes a number of 1 and more") }
    guard data != nil || !scheme.needsRanges else { throw ValidationError("the scheme takes ranges from samples: give --data") }
    guard output?.isEmpty != true else { throw ValidationError("--output needs a path") }
  }

  func run() throws {
    var quantizer = Quantizer()
    quantizer.options.scheme = scheme
    quantizer.options.ranges = ranges
    quantizer.options.excluded = Set(exclude)
    quantizer.options.block = block
    quantizer.options.isAsymmetric = asymmetric
    quantizer.options.targetError = targetError
    quantizer.options.targetAccuracy = targetAccuracy
    quantizer.options.errorSamples = errorSamples
    quantizer.options.equalizes = !noEqualization
    quantizer.options.measures = measure
    quantizer.options.correctsBias = !noBiasCorrection
    quantizer.options.batch = batch
    quantizer.options.threads = threads.count
    quantizer.sampleOptions = try samples.options()
    if samples.limit == nil { quantizer.sampleOptions.limit = Quantizer.usualSamples }
    let progress = ProgressLine()
    let interruption = Interruption(writing: destination)
    let result = try withExtendedLifetime(interruption) {
      try quantizer.quantize(model, data: data, to: destination) { stage in progress.show(Self.text(stage)) }
    }
    progress.clear()
    if let report {
      let file = try AtomicFile(path: report)
      try file.append(Array(result.html.utf8))
      try file.commit()
    }
    Console.report(result.text, json: result.json, asJSON: json)
  }

  private static func text(_ stage: Quantizer.Stage) -> String {
    switch stage {
    case .reading: "reading the model"
    case .calibrating(let fraction): "calibrating " + bar(fraction)
    case .searching(let what, let fraction): what + " " + bar(fraction)
    case .comparing(let fraction): "comparing with the float model " + bar(fraction)
    case .measuring(let fraction): "measuring " + bar(fraction)
    case .writing: "writing the file"
    case .verifying(let check): "verifying: \(check)"
    }
  }

  /// `[======>             ] 33%`
  private static func bar(_ fraction: Double) -> String {
    let fraction = min(max(fraction, 0), 1)
    let width = 30
    let filled = Int(fraction * Double(width))
    let head = filled < width ? ">" : ""
    return "[" + String(repeating: "=", count: filled) + head
      + String(repeating: " ", count: width - filled - head.count) + "] \(Int(fraction * 100))%"
  }
}
