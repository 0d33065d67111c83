import ApusConvert
import ArgumentParser

struct Verify: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Check a model file whole, run its self test, compare it with its source.",
    discussion: """
      Checks the structure, each segment's checksum and decoding, each tensor's bytes, the model id (computed anew from the
      contents), that the runtime has every operator, and the file's own test vectors. Exit code 1 if anything is wrong.

      With --against it runs stored inputs and compares the outputs with the stored ones: those of a folder (input_0.pb,
      output_0.pb ..., .npy in .pb's place, or inputs.npz and outputs.npz; or folders test_data_set_0 ... of these), or of the
      folder of an .onnx file. Where an .onnx file has none beside it, made-up inputs run through its graph unoptimized, with
      portable kernels. For each output it prints the largest absolute and relative error, the error as a part of the output's
      range, and the cosine similarity.

      With --per-node it also compares the tensors of the optimized program with those of the unoptimized portable path, node
      by node, and names the first that departs.

        modelconv verify lenet.apus
        modelconv verify lenet.apus --threads 2 --json
        modelconv verify resnet.apus --against resnet/test_data_set_0
        modelconv verify resnet.apus --against resnet/model.onnx --per-node
      """)

  @Argument(help: "The model file.")
  var model: String

  @Option(help: "The source, or a folder of stored inputs and outputs.")
  var against: String?

  @Flag(help: "Compare node by node and name the first that departs.")
  var perNode = false

  @Option(help: "The shape of an input for made-up inputs, such as input=1,1,28,28; once an input.")
  var shape: [ShapeArgument] = []

  @Option(name: .customLong("atol"), help: "An element may differ by this and --rtol times its magnitude.")
  var absoluteTolerance = 1e-5

  @Option(name: .customLong("rtol"), help: "See --atol.")
  var relativeTolerance = 1e-3

  @Option(help: "A node departs where its error is beyond this part of its tensor's largest magnitude.")
  var nodeTolerance = 1e-4

  @Option(help: "Threads of the runs. The results are the same for every number.")
  var threads = ThreadCount(1)

  @Flag(help: "Print the report as JSON (Sources/modelconv/JSON.md, apus.verify and apus.agreement).")
  var json = false

  func validate() throws {
    guard [absoluteTolerance, relativeTolerance, nodeTolerance].allSatisfy({ $0 >= 0 }) else {
      throw ValidationError("a tolerance is 0 or more")
    }
  }

  func run() throws {
    guard against != nil || perNode else { return try verify() }
    var options = Agreement.Options()
    options.against = against
    options.perNode = perNode
    options.shapes = try ShapeArgument.byName(shape)
    options.tolerance = .init(absolute: absoluteTolerance, relative: relativeTolerance)
    options.nodeTolerance = nodeTolerance
    options.threads = threads.count
    let agreement = try Agreement(path: model, options: options)
    Console.report(agreement.text, json: agreement.json, asJSON: json)
    guard agreement.agrees else { throw ExitCode(1) }
  }

  private func verify() throws {
    let progress = ProgressLine()
    let verification = Verification(path: model, threads: threads.count) { progress.show("verifying: \($0)") }
    progress.clear()
    Console.report(verification.text, json: verification.json, asJSON: json)
    guard verification.passed else {
      for check in verification.checks { if let error = check.error { Console.fail("\(error)") } }
      throw ExitCode(1)
    }
  }
}
