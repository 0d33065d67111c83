import ApusGraph

/// A tensor that a safetensors file lists.
public struct SafetensorsEntry: Sendable {
  public let name: String
  public let elementType: ElementType
  public let dimensions: [Int]
  /// Place of the elements, row-major and little-endian, from the first byte of the file.
  public let offset: UInt64
  public let byteCount: Int
}

/// A safetensors file opened for reading (https://github.com/huggingface/safetensors#format): 8 bytes with the length of the
/// header, a JSON header that lists tensors and a map of strings, and the tensors' bytes.
///
/// Everything the header says is checked when the file is opened: the lengths against the file's, each dtype, each shape against
/// its byte range, and that the ranges cover the data without overlap or hole, as the format demands. Tensors are read when
/// they are asked for.
public final class SafetensorsFile: Sendable {
  /// The longest header that is read, as in the reference implementation.
  public static let maximumHeaderBytes = 100_000_000

  /// Path of the file, or what the caller called the bytes; names the file in errors.
  public let path: String
  /// The `__metadata__` of the header, in its order.
  public let metadata: [JSONMember]
  /// The tensors in the order of their bytes.
  public let entries: [SafetensorsEntry]
  // `Name`, because two keys of different bytes may be equal as `String`.
  private let indexOfName: [Name: Int]
  private let source: FileBytes

  /// - Throws: `fileNotFound` or `inputOutput` where it can't be read, `truncated` or `malformed` where it breaks the format.
  public convenience init(path: String) throws(ApusError) {
    try self.init(source: FileBytes(path: path), path: path)
  }

  /// Reads from memory.
  /// - Parameter name: what errors call the file.
  public convenience init(bytes: [UInt8], name: String = "") throws(ApusError) {
    try self.init(source: FileBytes(bytes), path: name)
  }

  private init(source: FileBytes, path: String) throws(ApusError) {
    do {
      let header = try SafetensorsHeader(reading: source)
      metadata = header.metadata
      entries = header.entries
    } catch {
      throw error.inFile(path)
    }
    self.path = path
    self.source = source
    indexOfName = Dictionary(uniqueKeysWithValues: entries.enumerated().map { (Name($1.name), $0) })
  }

  /// The string of `__metadata__` with this key.
  public func metadataValue(_ key: String) -> String? {
    metadata.first { $0.key.utf8.elementsEqual(key.utf8) }?.value.stringValue
  }

  public func entry(named name: String) -> SafetensorsEntry? { indexOfName[Name(name)].map { entries[$0] } }

  /// The elements of a tensor, row-major and little-endian.
  /// - Throws: `unknownName` where the file lists no such tensor, `inputOutput` where reading fails.
  public func bytes(of name: String) throws(ApusError) -> [UInt8] {
    guard let entry = entry(named: name) else {
      throw ApusError(.unknownName, "the file has no such tensor", file: path, tensorName: name)
    }
    return try bytes(of: entry)
  }

  public func bytes(of entry: SafetensorsEntry) throws(ApusError) -> [UInt8] {
    try bytes(of: entry, from: 0, count: entry.byteCount)
  }

  /// `count` bytes of a tensor from its byte `offset`.
  /// - Throws: `indexOutOfRange` where the tensor has fewer.
  public func bytes(of entry: SafetensorsEntry, from offset: Int, count: Int) throws(ApusError) -> [UInt8] {
    guard offset >= 0, count >= 0, offset <= entry.byteCount, count <= entry.byteCount - offset else {
      throw ApusError(.indexOutOfRange, "bytes outside of the tensor", file: path, tensorName: entry.name)
    }
    do {
      return try source.read(at: entry.offset + UInt64(offset), count: count)
    } catch {
      var error = error.inFile(path)
      error.tensorName = entry.name
      throw error
    }
  }

  /// Calls `body` with the whole file, one part after another, for checksums.
  public func forEachPart(ofBytes size: Int = 1 << 20, _ body: ([UInt8]) -> Void) throws(ApusError) {
    var offset: UInt64 = 0
    while offset < source.byteCount {
      let count = Int(min(UInt64(size), source.byteCount - offset))
      do {
        body(try source.read(at: offset, count: count))
      } catch {
        throw error.inFile(path)
      }
      offset += UInt64(count)
    }
  }

  public var fileBytes: UInt64 { source.byteCount }
}
