import ApusGraph
import ApusSafetensors
import Foundation

/// A tensor whose bytes lie in a file beside the model.
struct ExternalTensor {
  let file: FileBytes
  let offset: UInt64
  let byteCount: Int

  /// - Throws: `truncated`, `inputOutput`.
  func read(from start: UInt64, count: Int) throws(ApusError) -> [UInt8] {
    guard start <= UInt64(byteCount), UInt64(count) <= UInt64(byteCount) - start else {
      throw ApusError(.indexOutOfRange, "bytes outside of a tensor", actual: "\(count) from \(start)")
    }
    return try file.read(at: offset + start, count: count)
  }
}

/// The folder of a model file: external data may lie in it and nowhere else.
final class ModelFolder {
  private let folder: String
  /// The real paths of the folder named and, where the model is a symbolic link, of the folder that the model really lies in.
  private let roots: [String]
  private var files: [String: FileBytes] = [:]

  init(ofModel path: String) throws(ApusError) {
    let folder = (path as NSString).deletingLastPathComponent
    self.folder = folder.isEmpty ? "." : folder
    guard let named = ModelFolder.realPath(self.folder), let model = ModelFolder.realPath(path) else {
      throw ApusError(.fileNotFound, "there is no such file", file: path)
    }
    let real = (model as NSString).deletingLastPathComponent
    roots = named == real ? [named] : [named, real]
  }

  /// A tensor at the place that its `external_data` states.
  /// - Throws: `invalidModel` for paths that leave the folder, `malformed` for numbers that are none, `truncated` where the
  ///   file is too short.
  func tensor(_ entries: [ONNXStringStringEntryProto], byteCount: Int) throws(ApusError) -> ExternalTensor {
    func value(_ key: String) throws(ApusError) -> String? {
      let found = entries.filter { $0.key == key }
      guard found.count <= 1 else {
        throw ApusError(.malformed, "external data states its \(key) twice")
      }
      return found.first?.value
    }
    func number(_ key: String) throws(ApusError) -> UInt64? {
      guard let text = try value(key) else { return nil }
      guard let number = UInt64(text) else {
        throw ApusError(.malformed, "external data states a \(key) that is no size", actual: text)
      }
      return number
    }
    guard let location = try value("location"), !location.isEmpty else {
      throw ApusError(.malformed, "external data states no location")
    }
    let file = try opened(location)
    let offset = try number("offset") ?? 0
    if let length = try number("length"), length != UInt64(byteCount) {
      throw ApusError(
        .malformed, "external data has another length than the tensor", expected: "\(byteCount) bytes", actual: "\(length)")
    }
    guard offset <= file.byteCount, UInt64(byteCount) <= file.byteCount - offset else {
      throw ApusError(
        .truncated, "external data ends behind its file '\(location)'", expected: "\(byteCount) bytes from \(offset)",
        actual: "a file of \(file.byteCount) bytes")
    }
    return ExternalTensor(file: file, offset: offset, byteCount: byteCount)
  }

  private func opened(_ location: String) throws(ApusError) -> FileBytes {
    if let file = files[location] { return file }
    let leaves =
      location.hasPrefix("/") || location.utf8.contains(0)
      || location.split(separator: "/").contains("..")
    guard !leaves else {
      throw ApusError(
        .invalidModel, "external data lies outside of the model's folder", expected: "a path inside of it", actual: location)
    }
    let path = folder + "/" + location
    guard let real = ModelFolder.realPath(path) else {
      throw ApusError(.fileNotFound, "the model's external data is not there", actual: path)
    }
    guard roots.contains(where: { real.hasPrefix($0 == "/" ? $0 : $0 + "/") }) else {
      throw ApusError(
        .invalidModel, "external data lies outside of the model's folder, through a symbolic link",
        expected: "a file in " + roots[0], actual: real)
    }
    let file = try FileBytes(path: real)
    files[location] = file
    return file
  }

  private static func realPath(_ path: String) -> String? {
    guard let resolved = realpath(path, nil) else { return nil }
    defer { free(resolved) }
    return String(cString: resolved)
  }
}
