import Apus
import ApusConvert
import ApusSafetensors
import ArgumentParser
import Foundation

struct Run: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Run a model on values in files.",
    discussion: """
      The model is an .apus file, or an .onnx or .safetensors file, which is converted in memory. Inputs are .npy files (versions
      1.0 to 3.0, any byte order, C or Fortran order) or ONNX's messages (.pb: TensorProto, SequenceProto, OptionalProto), of the
      inputs' element types and shapes. A state's input may be left out: it begins with its initial value.

      With --input each output becomes <name>.npy in the output directory, which is made if needed; characters of names that
      files should not have become '_'. With --inputs, which gives one file an input in the model's order, outputs become
      output_0.pb, output_1.pb ...

      --batch runs many models in one process: each line of the file (- is standard input) is a JSON object, each is answered by
      one on standard output (Sources/modelconv/JSON.md, apus.batch).

        modelconv run lenet.apus --input input=images.npy
        modelconv run lenet.apus -i input=images.npy --output-dir out --threads 2 --profile
        modelconv run model.onnx --inputs input_0.pb input_1.pb --output-dir out
        echo '{"model": "model.onnx", "inputs": ["input_0.pb"], "output_dir": "out"}' | modelconv run --batch -

      Exit code 3: this release lacks something that the model needs.
      """)

  @Argument(help: "The model.")
  var model: String?

  @Option(name: .shortAndLong, help: "An input, such as input=images.npy; once an input.")
  var input: [FileArgument] = []

  @Option(parsing: .upToNextOption, help: "A file for each input, in the model's order.")
  var inputs: [String] = []

  @Option(help: "Where outputs go.")
  var outputDir = "."

  @Option(help: "A file of runs, one a line; - for standard input.")
  var batch: String?

  @Option(help: "Threads to run with. The results are the same for every number.")
  var threads = ThreadCount(1)

  @Flag(help: "Print where the time went.")
  var profile = false

  func validate() throws {
    guard (model == nil) == (batch != nil) else { throw ValidationError("give a model, or --batch") }
    guard batch == nil || (input.isEmpty && inputs.isEmpty && !profile) else {
      throw ValidationError("--batch goes with --threads only")
    }
    guard input.isEmpty || inputs.isEmpty else {
      throw ValidationError("give inputs with --input or with --inputs, not with both")
    }
    guard inputs.isEmpty || !profile else { throw ValidationError("--profile goes with --input") }
  }

  func run() throws {
    let pool = threads.count == 1 ? nil : try ThreadPool(threads: threads.count, memory: BulkMemory(limit: Limits().memoryBytes))
    if let batch {
      try runBatch(batch, pool)
    } else if let model {
      if inputs.isEmpty && !input.isEmpty {
        try runNamed(model, pool)
      } else {
        try runPositional(model, pool)
      }
    }
  }

  private func runBatch(_ path: String, _ pool: ThreadPool?) throws {
    if path != "-" {
      let descriptor = open(path, O_RDONLY)
      guard descriptor >= 0, dup2(descriptor, STDIN_FILENO) >= 0 else {
        throw ApusError(.fileNotFound, "can't read the batch: " + String(cString: strerror(errno)), file: path)
      }
      close(descriptor)
    }
    while let line = readLine() {
      guard !line.isEmpty else { continue }
      let answer = RunRequest.answer(line: line, pool: pool)
      FileHandle.standardOutput.write(Data((answer.serialized(indented: false) + "\n").utf8))
    }
  }

  private func runPositional(_ model: String, _ pool: ThreadPool?) throws {
    let outputs = try RunRequest(model: model, inputs: inputs, outputDirectory: outputDir).run(pool: pool)
    for (output, path) in outputs { print("\(output.name) \(output.value.text) -> \(path)") }
  }

  private func runNamed(_ path: String, _ pool: ThreadPool?) throws {
    let model = try Model.converting(path)
    var values: [Name: StoredValue] = [:]
    for argument in input {
      let port = model.inputs[try model.inputIndex(argument.name.string)]
      let value = try ValueFile.read(argument.path, as: port.type)
      guard values.updateValue(value, forKey: argument.name) == nil else {
        throw ValidationError("--input is given twice for '\(argument.name.string)'")
      }
    }
    let result: ModelRun
    do throws(ApusError) {
      result = try ModelRun(model, inputs: values, pool: pool, profile: profile)
    } catch { throw error.inFile(path) }
    let paths = try Self.paths(result.outputs, directory: outputDir)
    try makeDirectory(outputDir)
    for (output, path) in zip(result.outputs, paths) {
      if let array = output.value.array, path.hasSuffix(".npy") {
        try array.write(path: path)
      } else {
        try ValueFile.write(output.value, as: output.type, to: path)
      }
      print("\(output.name) \(output.value.text) -> \(path)")
    }
    if let profile = result.profile(of: model) { print("\n" + profile.text, terminator: "") }
  }

  /// A file for each output: .npy where NumPy has the type, else .pb. Names come from the model, which is not trusted with
  /// paths.
  static func paths(_ outputs: [ModelRun.Output], directory: String) throws -> [String] {
    var taken: Set<String> = []
    return try outputs.map { output in
      var file = String(output.name.map { $0.isLetter || $0.isNumber || "._-".contains($0) ? $0 : "_" })
      if file.isEmpty || file.hasPrefix(".") { file = "_" + file }
      guard taken.insert(file.lowercased()).inserted else {
        throw ApusError(.unsupported, "two outputs would become one file", tensorName: output.name, actual: file)
      }
      let folder = directory.hasSuffix("/") ? directory : directory + "/"
      return folder + file + (output.value.array.map { NpyArray.holds($0.elementType) } == true ? ".npy" : ".pb")
    }
  }
}
