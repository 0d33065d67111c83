import ApusConvert
import ArgumentParser

extension Conversion.Codec: ExpressibleByArgument {}

struct Convert: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Turn a checkpoint into a model file.",
    discussion: """
      Reads a checkpoint of ApusTraining (safetensors with the traced graph), leaves optimizer state out, writes the model with
      its test vectors, then reads the file back and checks it whole: every checksum, the model id, and the test vectors run
      through the runtime. Only then does the file get its name; on any failure nothing is left behind. The same checkpoint and
      options give the same bytes.

        modelconv convert lenet.safetensors
        modelconv convert lenet.safetensors -o model/lenet.apus --codec raw
        modelconv convert lenet.safetensors --json > report.json

      Codecs: auto measures each segment and takes the smallest, raw where compression saves less than 5 %; raw can be mapped
      into memory; zstd decodes in chunks, lazily and in parallel; zstd-planes splits numbers into planes of bytes before zstd.
      """)

  @Argument(help: "The checkpoint, a .safetensors file.")
  var checkpoint: String

  @Option(name: .shortAndLong, help: "The file to write. (default: the checkpoint's path with the extension .apus)")
  var output: String?

  @Option(help: "How segments are stored: auto, raw, zstd or zstd-planes.")
  var codec: Conversion.Codec = .auto

  @Flag(help: "Leave the checkpoint's test vectors out of the file. It can then not be self-tested.")
  var noTestVectors = false

  @Flag(help: "Print the report as JSON (Sources/modelconv/JSON.md, apus.convert).")
  var json = false

  private var destination: String {
    if let output { return output }
    let suffix = ".safetensors"
    return (checkpoint.hasSuffix(suffix) ? String(checkpoint.dropLast(suffix.count)) : checkpoint) + ".apus"
  }

  func validate() throws {
    if output?.isEmpty == true { throw ValidationError("--output needs a path") }
  }

  func run() throws {
    let progress = ProgressLine()
    var conversion = Conversion()
    conversion.codec = codec
    conversion.testVectors = !noTestVectors
    let report = try conversion.convert(checkpoint, to: destination) { stage in
      switch stage {
      case .hashing(let fraction): progress.show("reading the checkpoint \(Int(fraction * 100))%")
      case .importing: progress.show("importing the graph")
      case .writing: progress.show("writing \(destination)")
      case .verifying(let check): progress.show("verifying: \(check)")
      }
    }
    progress.clear()
    Console.report(report.text, json: report.json, asJSON: json)
  }
}
