import ApusGraph
import Foundation

/// The inputs of a folder of test data: each set is a batch.
struct TestDataSamples: SampleReader {
  private let folder: String
  private let sets: [[RawSamples]]
  /// The first sample of each set, and their number.
  private let starts: [Int]

  var count: Int { starts.last ?? 0 }
  var labels: [Int]? { nil }
  var classNames: [String] { [] }
  let files: [String]

  init(_ folder: String, _ ports: [(name: Name, type: ValueType)]) throws(ApusError) {
    self.folder = folder
    files = DataSet.inputFiles(of: folder)
    var sets: [[RawSamples]] = []
    var starts = [0]
    for set in try DataSet.read(folder, inputs: ports, outputs: []) {
      var samples: [RawSamples] = []
      for (index, port) in ports.enumerated() {
        guard let array = set.inputs.first(where: { $0.name == port.name })?.value.array, let count = array.dimensions.first,
          count > 0
        else {
          throw ApusError(
            .invalidArgument, "a set of the test data lacks an input's samples", file: folder, tensorName: port.name.string,
            actual: set.name)
        }
        samples.append(RawSamples(input: index, kind: .array, array: array, file: "\(folder): \(set.name)"))
      }
      sets.append(samples)
      starts.append((starts.last ?? 0) + (samples.first?.count ?? 0))
    }
    self.sets = sets
    self.starts = starts
  }

  func read(from start: Int, atMost count: Int) throws(ApusError) -> [RawSamples] {
    let set = (starts.firstIndex { $0 > start } ?? 1) - 1
    let first = start - starts[set]
    var samples: [RawSamples] = []
    for raw in sets[set] {
      let rows = try NpyRows(raw.array)
      let array = try rows.read(first..<min(first + count, rows.count))
      samples.append(RawSamples(input: raw.input, kind: .array, array: array, file: raw.file))
    }
    return samples
  }
}

extension DataSet {
  /// Whether a folder holds stored inputs as `read` takes them.
  static func isFolderOfTestData(_ folder: String) -> Bool { !inputFiles(of: folder).isEmpty }

  /// The files of inputs of a folder of test data, set by set.
  static func inputFiles(of folder: String) -> [String] {
    let names = ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? [])
    let prefix = "test_data_set_"
    let numbers = names.filter { $0.hasPrefix(prefix) }.compactMap { Int($0.dropFirst(prefix.count)) }.sorted()
    let folders = numbers.isEmpty ? [folder] : numbers.map { "\(folder)/\(prefix)\($0)" }
    return folders.flatMap { folder in
      ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? [])
        .filter { name in
          name == "inputs.npz" || (name.hasPrefix("input_") && (name.hasSuffix(".pb") || name.hasSuffix(".npy")))
        }
        .sorted { $0.compare($1, options: .numeric) == .orderedAscending }.map { folder + "/" + $0 }
    }
  }
}
