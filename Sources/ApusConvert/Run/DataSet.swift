import Apus
import ApusGraph
import Foundation

/// Stored inputs of a model with the outputs that belong to them, as folders of test data hold them.
///
/// A data set is a folder with `input_0.pb`, `input_1.pb` ... and `output_0.pb` ... in the order of the model's inputs and
/// outputs (or .npy in .pb's place), or with `inputs.npz` and `outputs.npz`, whose arrays have the names of inputs and outputs.
public struct DataSet {
  public let name: String
  public let inputs: [(name: Name, value: StoredValue)]
  /// Those that the folder holds; may be fewer than the model has.
  public let outputs: [(name: Name, value: StoredValue)]

  /// The data sets of a folder: itself, or each `test_data_set_N` in it, in the order of their numbers.
  ///
  /// - Parameters:
  ///   - inputs: what the model takes, with names and types.
  ///   - outputs: what it gives.
  /// - Throws: `fileNotFound` where the folder has no data, what reading throws.
  public static func read(
    _ folder: String, inputs: [(name: Name, type: ValueType)], outputs: [(name: Name, type: ValueType)]
  ) throws(ApusError) -> [DataSet] {
    let folders = try candidates(folder)
    var sets: [DataSet] = []
    for path in folders {
      if let set = try DataSet(path, inputs: inputs, outputs: outputs) { sets.append(set) }
    }
    guard !sets.isEmpty else {
      throw ApusError(
        .fileNotFound, "the folder has no test data", file: folder,
        expected: "input_0.pb and output_0.pb, .npy in .pb's place, inputs.npz and outputs.npz, or folders test_data_set_0 ...")
    }
    return sets
  }

  private static func candidates(_ folder: String) throws(ApusError) -> [String] {
    guard let names = try? FileManager.default.contentsOfDirectory(atPath: folder) else {
      throw ApusError(.fileNotFound, "the folder of test data can't be read", file: folder)
    }
    let prefix = "test_data_set_"
    let numbers = names.filter { $0.hasPrefix(prefix) }.compactMap { Int($0.dropFirst(prefix.count)) }.sorted()
    return numbers.isEmpty ? [folder] : numbers.map { "\(folder)/\(prefix)\($0)" }
  }

  private init?(
    _ folder: String, inputs: [(name: Name, type: ValueType)], outputs: [(name: Name, type: ValueType)]
  ) throws(ApusError) {
    name = folder.split(separator: "/").last.map(String.init) ?? folder
    guard let inputValues = try DataSet.values(folder, "input", inputs),
      let outputValues = try DataSet.values(folder, "output", outputs),
      !(inputValues.isEmpty && outputValues.isEmpty)
    else { return nil }
    self.inputs = inputValues
    self.outputs = outputValues
  }

  /// nil where the folder has no such values though the model has some.
  private static func values(
    _ folder: String, _ kind: String, _ ports: [(name: Name, type: ValueType)]
  ) throws(ApusError) -> [(name: Name, value: StoredValue)]? {
    let archive = "\(folder)/\(kind)s.npz"
    if FileManager.default.fileExists(atPath: archive) {
      var values: [(name: Name, value: StoredValue)] = []
      for (name, array) in try NpzArchive(path: archive).arrays {
        guard ports.contains(where: { $0.name == Name(name) }) else {
          throw ApusError(
            .unknownName, "the model has no such \(kind)", file: archive, tensorName: name,
            expected: ports.map(\.name.string).joined(separator: ", "))
        }
        values.append((Name(name), .tensor(array)))
      }
      return values
    }
    var values: [(name: Name, value: StoredValue)] = []
    for (index, port) in ports.enumerated() {
      let paths = ["pb", "npy"].map { "\(folder)/\(kind)_\(index).\($0)" }
      guard let path = paths.first(where: { FileManager.default.fileExists(atPath: $0) }) else { continue }
      values.append((port.name, try ValueFile.read(path, as: port.type)))
    }
    return values.isEmpty && !ports.isEmpty ? nil : values
  }
}

extension Model {
  var inputTypes: [(name: Name, type: ValueType)] { inputs.map { ($0.name, $0.type) } }
  var outputTypes: [(name: Name, type: ValueType)] { outputs.map { ($0.name, $0.type) } }
}
