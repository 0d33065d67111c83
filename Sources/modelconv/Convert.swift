import ApusConvert
import ArgumentParser

extension Conversion.Codec: ExpressibleByArgument {}
extension Optimization: ExpressibleByArgument {}
extension WeightType: ExpressibleByArgument {}

struct Convert: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Turn an ONNX model or a checkpoint into a model file.",
    discussion: """
      Reads an ONNX model (operator sets 7 to 27, external data beside it) or a checkpoint of ApusTraining (safetensors with the
      traced graph; optimizer state is left out), writes the model with test vectors, then reads the file back and checks it
      whole: every checksum, the model id, and the test vectors run through the runtime. Only then does the file get its name; on
      any failure nothing is left behind. The same source and options give the same bytes.

      What a model needs and this release lacks is reported at once, with advice, as 'modelconv coverage' does; the exit code is
      then 3. --embed stores the inputs and outputs of a folder (as 'modelconv verify --against' takes it) in the file: programs
      and people can then test the file without its source.

        modelconv convert model.onnx
        modelconv convert model.onnx -o model.apus --embed test_data_set_0
        modelconv convert model.onnx --set-shape input=1,3,224,224
        modelconv convert model.onnx --weights fp16
        modelconv convert lenet.safetensors
        modelconv convert lenet.safetensors -o model/lenet.apus --codec raw
        modelconv convert lenet.safetensors --json > report.json

      --weights fp16 and bf16 store weights in half the bytes; inputs, outputs and activations stay float32, as all arithmetic.
      A weight's error is at most 2^-11 of it (fp16) or 2^-8 (bf16); tensors with a weight beyond fp16's range stay float32, which
      the report says. Products of up to 8 rows, recurrent layers and tables then read half the bytes, too.

      Codecs: auto measures each segment and takes the smallest, raw where compression saves less than 5 %; raw can be mapped
      into memory; zstd decodes in chunks, lazily and in parallel; zstd-planes splits numbers into planes of bytes before zstd.
      """)

  @Argument(help: "An .onnx or .safetensors file.")
  var source: String

  @Option(name: .shortAndLong, help: "The file to write. (default: the source's path with the extension .apus)")
  var output: String?

  @Option(help: "How segments are stored: auto, raw, zstd or zstd-planes.")
  var codec: Conversion.Codec = .auto

  @Option(help: "A fixed shape for an input of an ONNX model, such as input=1,3,224,224; once an input.")
  var setShape: [ShapeArgument] = []

  @Option(help: "What is done to an ONNX model's graph: none, safe or all.")
  var optimize: Optimization = .safe

  @Option(help: "How weights of products, convolutions, recurrent layers and tables are stored: fp32, fp16 or bf16.")
  var weights: WeightType = .float32

  @Option(help: "A folder of stored inputs and outputs that become the file's test vectors.")
  var embed: String?

  @Option(name: .customLong("atol"), help: "The test vectors of --embed: an element may differ by this ...")
  var absoluteTolerance = 1e-5

  @Option(name: .customLong("rtol"), help: "... and this times its magnitude.")
  var relativeTolerance = 1e-3

  @Flag(help: "Leave the checkpoint's test vectors out of the file. It can then not be self-tested.")
  var noTestVectors = false

  @Flag(help: "Print the report as JSON (Sources/modelconv/JSON.md, apus.convert).")
  var json = false

  private var destination: String {
    if let output { return output }
    for suffix in [".onnx", ".safetensors"] where source.hasSuffix(suffix) {
      return String(source.dropLast(suffix.count)) + ".apus"
    }
    return source + ".apus"
  }

  func validate() throws {
    if output?.isEmpty == true { throw ValidationError("--output needs a path") }
  }

  func run() throws {
    let progress = ProgressLine()
    var conversion = Conversion()
    conversion.codec = codec
    conversion.testVectors = !noTestVectors
    conversion.embeddedData = embed
    conversion.fixedShapes = try ShapeArgument.byName(setShape)
    conversion.optimization = optimize
    conversion.weights = weights
    conversion.tolerance = .init(absolute: absoluteTolerance, relative: relativeTolerance)
    func show(_ stage: Conversion.Stage) {
      switch stage {
      case .hashing(let fraction): progress.show("reading the source \(Int(fraction * 100))%")
      case .importing: progress.show("importing the graph")
      case .writing: progress.show("writing \(destination)")
      case .verifying(let check): progress.show("verifying: \(check)")
      }
    }
    let imported = try conversion.read(source, progress: show)
    guard imported.problems.isEmpty else {
      progress.clear()
      let coverage = Coverage(imported)
      if json {
        Console.report("", json: coverage.json, asJSON: true)
      } else {
        Console.write(coverage.text)
      }
      throw ExitCode(coverage.exitCode)
    }
    let report = try conversion.write(imported, to: destination, progress: show)
    progress.clear()
    Console.report(report.text, json: report.json, asJSON: json)
  }
}
