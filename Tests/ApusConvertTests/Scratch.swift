import ApusConvert
import Foundation

/// A folder that goes when the test ends.
final class Scratch {
  let path: String

  init() throws {
    path = NSTemporaryDirectory() + "/apus-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  func file(_ name: String) -> String { path + "/" + name }

  var files: [String] { (try? FileManager.default.contentsOfDirectory(atPath: path))?.sorted() ?? [] }

  func write(_ bytes: [UInt8], _ name: String) throws { try Data(bytes).write(to: URL(fileURLWithPath: file(name))) }

  func read(_ name: String) throws -> [UInt8] { Array(try Data(contentsOf: URL(fileURLWithPath: file(name)))) }

  /// Writes a checkpoint and converts it.
  func convert(
    _ checkpoint: SmallCheckpoint = SmallCheckpoint(), codec: Conversion.Codec = .auto, to name: String = "m.apus"
  ) throws -> ConversionReport {
    try write(try checkpoint.bytes(), "m.safetensors")
    var conversion = Conversion()
    conversion.codec = codec
    return try conversion.convert(file("m.safetensors"), to: file(name))
  }
}
