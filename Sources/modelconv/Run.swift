import Apus
import ApusConvert
import ArgumentParser
import Foundation

struct Run: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Run a model on NumPy arrays.",
    discussion: """
      Each input is an .npy file (versions 1.0 to 3.0, any byte order, C or Fortran order) of the input's element type and
      shape. Each output becomes <name>.npy in the output directory, which is made if needed; characters of names that files
      should not have become '_'. A state's input may be left out: it begins with its initial value.

        modelconv run lenet.apus --input input=images.npy
        modelconv run lenet.apus -i input=images.npy --output-dir out --threads 2 --profile
      """)

  @Argument(help: "The model file.")
  var model: String

  @Option(name: .shortAndLong, help: "An input, such as input=images.npy; once an input.")
  var input: [FileArgument] = []

  @Option(help: "Where outputs go.")
  var outputDir = "."

  @Option(help: "Threads to run with. The results are the same for every number.")
  var threads = ThreadCount(1)

  @Flag(help: "Print where the time went.")
  var profile = false

  func run() throws {
    var arrays: [Name: NpyArray] = [:]
    for argument in input {
      guard arrays.updateValue(try NpyArray(path: argument.path), forKey: argument.name) == nil else {
        throw ValidationError("--input is given twice for '\(argument.name.string)'")
      }
    }
    let model = try Model.load(contentsOfFile: model)
    let pool = threads.count == 1 ? nil : try ThreadPool(threads: threads.count, memory: model.memory)
    let result: ModelRun
    do {
      result = try ModelRun(model, inputs: arrays, pool: pool, profile: profile)
    } catch { throw (error as ApusError).inFile(self.model) }
    let paths = try Self.paths(result.outputs.map(\.name), directory: outputDir)
    do {
      try FileManager.default.createDirectory(atPath: outputDir, withIntermediateDirectories: true)
    } catch {
      throw ApusError(.inputOutput, "can't make the output directory: \(error.localizedDescription)", file: outputDir)
    }
    for (output, path) in zip(result.outputs, paths) {
      try output.array.write(path: path)
      let shape = Shape(output.array.dimensions).text(symbols: [])
      print("\(output.name) \(output.array.elementType.name) \(shape) -> \(path)")
    }
    if let profile = result.profile(of: model) { print("\n" + profile.text, terminator: "") }
  }

  /// A file for each output. Names come from the model, which is not trusted with paths.
  static func paths(_ names: [String], directory: String) throws -> [String] {
    var taken: Set<String> = []
    return try names.map { name in
      var file = String(name.map { $0.isLetter || $0.isNumber || "._-".contains($0) ? $0 : "_" })
      if file.isEmpty || file.hasPrefix(".") { file = "_" + file }
      guard taken.insert(file.lowercased()).inserted else {
        throw ApusError(.unsupported, "two outputs would become one file", tensorName: name, actual: file + ".npy")
      }
      return (directory.hasSuffix("/") ? directory : directory + "/") + file + ".npy"
    }
  }
}
