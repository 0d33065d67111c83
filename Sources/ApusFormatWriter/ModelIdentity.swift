import ApusFormat
import ApusGraph
import Crypto

/// The model id: SHA-256 over the raw graph section and the decoded segments that it refers to, each with its size before it,
/// whatever the codecs. Metadata and its segments are not part of it.
public enum ModelIdentity {
  static func begin(graph: [UInt8]) -> SHA256 {
    var hash = SHA256()
    LittleEndian.update(&hash, UInt64(graph.count))
    graph.withUnsafeBytes { hash.update(bufferPointer: $0) }
    return hash
  }

  /// The id that the contents of `file` have. Touches every segment of the graph.
  public static func compute(_ file: ModelFile) throws(ApusError) -> [UInt8] {
    var hash = SHA256()
    try file.withRawGraph { (bytes) throws(ApusError) in
      LittleEndian.update(&hash, UInt64(bytes.count))
      hash.update(bufferPointer: bytes)
    }
    for (index, record) in file.segments.enumerated() where record.role == .graph {
      let bytes = try file.segmentBytes(index)
      LittleEndian.update(&hash, UInt64(bytes.count))
      hash.update(bufferPointer: bytes)
    }
    return Array(hash.finalize())
  }

  /// Throws 404 where the file states another id than its contents have.
  public static func check(_ file: ModelFile) throws(ApusError) {
    let actual = try compute(file)
    guard actual == file.modelID else {
      throw ApusError(
        .checksumMismatch, "the model id is not that of the contents", expected: hexadecimal(file.modelID),
        actual: hexadecimal(actual), fileOffset: 88)
    }
  }

  private static func hexadecimal(_ bytes: [UInt8]) -> String {
    var text = ""
    for byte in bytes { text += (byte < 16 ? "0" : "") + String(byte, radix: 16) }
    return text
  }
}
