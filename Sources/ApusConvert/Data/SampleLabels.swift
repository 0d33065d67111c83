import ApusData
import ApusGraph
import Foundation

/// Files of class numbers: IDX (.gz), .npy, .npz with an array `labels`, `label` or `y`, or text with a number a line.
enum SampleLabels {
  /// Names that arrays of labels have.
  static let arrayNames = ["labels", "label", "y"]

  static func read(_ path: String) throws(ApusError) -> [Int] {
    do throws(ApusError) {
      if path.hasSuffix(".npy") { return try classes(try NpyArray(path: path)) }
      if path.hasSuffix(".npz") {
        let arrays = try NpzArchive(path: path).arrays
        guard let labels = arrays.first(where: { arrayNames.contains($0.name) }) else {
          throw ApusError(
            .unknownName, "the archive has no labels", expected: arrayNames.joined(separator: ", "),
            actual: arrays.map(\.name).joined(separator: ", "))
        }
        return try classes(labels.array)
      }
      if path.hasSuffix(".txt") { return try lines(path) }
      return try IDXFile(path: path, rank: 1).bytes.map { Int($0) }
    } catch { throw error.inFile(path) }
  }

  /// The class numbers of an array of integers [samples] or [samples, 1].
  static func classes(_ array: NpyArray) throws(ApusError) -> [Int] {
    let isList = array.dimensions.count == 1 || (array.dimensions.count == 2 && array.dimensions[1] == 1)
    guard isList, let integers = array.elementType.integers(array.bytes) else {
      throw ApusError(
        .shapeMismatch, "labels are a list of whole numbers", expected: "integers [samples]",
        actual: array.elementType.name.text + " " + Shape(array.dimensions).text(symbols: []))
    }
    var labels: [Int] = []
    for (index, value) in integers.enumerated() {
      guard value >= 0, let label = Int(exactly: value) else {
        throw ApusError(.valueOutOfRange, "label \(index) is no class", expected: "0 or more", actual: "\(value)")
      }
      labels.append(label)
    }
    return labels
  }

  private static func lines(_ path: String) throws(ApusError) -> [Int] {
    guard let text = try? String(contentsOfFile: path, encoding: .utf8) else {
      throw ApusError(
        FileManager.default.fileExists(atPath: path) ? .inputOutput : .fileNotFound, "the labels can't be read")
    }
    var labels: [Int] = []
    for line in text.split(whereSeparator: \.isNewline) {
      guard let label = Int(line.trimmingCharacters(in: .whitespaces)), label >= 0 else {
        throw ApusError(
          .malformed, "a line of the labels is no class number", expected: "0, 1, ...", actual: "\(line.prefix(40))")
      }
      labels.append(label)
    }
    return labels
  }
}
