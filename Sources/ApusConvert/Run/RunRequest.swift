import Apus
import ApusGraph
import ApusSafetensors
import Foundation

/// One line of a batch of runs: a model, files of its inputs in order, and a folder for its outputs.
///
///     {"model": "model.onnx", "inputs": ["input_0.pb"], "output_dir": "out"}
public struct RunRequest {
  public let model: String
  public let inputs: [String]
  public let outputDirectory: String

  public init(model: String, inputs: [String], outputDirectory: String) {
    self.model = model
    self.inputs = inputs
    self.outputDirectory = outputDirectory
  }

  /// - Throws: `malformed` for a line that is no such object.
  public init(line: String) throws(ApusError) {
    let value = try JSONValue(parsing: line)
    guard let model = value["model"]?.stringValue, let directory = value["output_dir"]?.stringValue,
      let inputs = value["inputs"]?.arrayValue
    else {
      throw ApusError(
        .malformed, "a line of the batch lacks a member",
        expected: #"{"model": "model.onnx", "inputs": ["input_0.pb"], "output_dir": "out"}"#)
    }
    var paths: [String] = []
    for input in inputs {
      guard let path = input.stringValue else { throw ApusError(.malformed, "an input of the batch is no path") }
      paths.append(path)
    }
    self.init(model: model, inputs: paths, outputDirectory: directory)
  }

  /// Loads the model (converting it in memory where it is no model file), runs it, and writes `output_0.pb` ... in the order of
  /// its outputs.
  /// - Returns: the outputs with the files that they are in.
  public func run(pool: ThreadPool?) throws(ApusError) -> [(output: ModelRun.Output, path: String)] {
    let model = try Model.converting(model)
    let ports = model.inputs.filter { $0.state == nil }
    guard inputs.count == ports.count else {
      throw ApusError(
        .invalidArgument, "the model takes another number of inputs", file: self.model,
        expected: "\(ports.count): " + ports.map(\.name.string).joined(separator: ", "), actual: "\(inputs.count)")
    }
    var values: [StoredValue] = []
    for (path, port) in zip(inputs, ports) { values.append(try ValueFile.read(path, as: port.type)) }
    let result: ModelRun
    do {
      result = try ModelRun(model, positional: values, pool: pool)
    } catch { throw error.inFile(self.model) }
    try makeDirectory(outputDirectory)
    var written: [(output: ModelRun.Output, path: String)] = []
    for (index, output) in result.outputs.enumerated() {
      let path = "\(outputDirectory)/output_\(index).pb"
      try ValueFile.write(output.value, as: output.type, to: path)
      written.append((output, path))
    }
    return written
  }

  /// The answer to a line, as Sources/modelconv/JSON.md describes it under `apus.batch`.
  public static func answer(line: String, pool: ThreadPool?) -> JSONValue {
    do throws(ApusError) {
      let outputs = try RunRequest(line: line).run(pool: pool)
      return ["exit_code": 0, "message": "", "outputs": .array(outputs.map { .string($0.path) })]
    } catch {
      return [
        "exit_code": JSONValue(error.status.isUnsupported ? 3 : 1), "message": .string("\(error)"), "outputs": [],
        "error": ModelJSON.error(error),
      ]
    }
  }
}

/// Makes a folder for results, where there is none.
/// - Throws: `inputOutput`.
public func makeDirectory(_ path: String) throws(ApusError) {
  do {
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  } catch {
    throw ApusError(.inputOutput, "can't make the output directory: \(error.localizedDescription)", file: path)
  }
}
