import ApusGraph
import ApusSafetensors
import CZlib

/// NumPy's .npz: a ZIP archive of .npy files, stored or deflated (APPNOTE.TXT of PKWARE, 4.3; ZIP64 too, which NumPy always
/// allows for).
public struct NpzArchive {
  /// In the order of the archive; names without `.npy`.
  public let arrays: [(name: String, array: NpyArray)]

  /// - Throws: `malformed`, `truncated`, `unsupportedFeature` for other compressions and encryption, what .npy files throw.
  public init(path: String) throws(ApusError) {
    let file = try FileBytes(path: path)
    guard file.byteCount <= NpzArchive.largestFile, let count = Int(exactly: file.byteCount) else {
      throw ApusError(.limitExceeded, "the archive is too large", file: path, actual: "\(file.byteCount) bytes")
    }
    do {
      arrays = try NpzArchive.arrays(try file.read(at: 0, count: count))
    } catch { throw error.inFile(path) }
  }

  private static let largestFile: UInt64 = 1 << 32
  /// An array that says it is larger than this many times its compressed bytes is no deflate stream.
  private static let largestRatio = 1032

  private struct Entry {
    var name: String
    var method: Int
    var storedSize: Int
    var size: Int
    var header: Int
  }

  private static func arrays(_ bytes: [UInt8]) throws(ApusError) -> [(name: String, array: NpyArray)] {
    var arrays: [(name: String, array: NpyArray)] = []
    for entry in try directory(bytes) where entry.name.hasSuffix(".npy") {
      let name = String(entry.name.dropLast(4))
      let content = try content(entry, bytes)
      do { arrays.append((name, try NpyArray(parsing: content))) } catch {
        var error = error
        error.tensorName = name
        throw error
      }
    }
    return arrays
  }

  private static func number(_ bytes: [UInt8], _ offset: Int, _ width: Int) throws(ApusError) -> Int {
    guard offset >= 0, offset <= bytes.count - width else {
      throw ApusError(.truncated, "the archive ends inside of a record", fileOffset: UInt64(max(offset, 0)))
    }
    var value: UInt64 = 0
    for index in 0..<width { value |= UInt64(bytes[offset + index]) << UInt64(8 * index) }
    guard let value = Int(exactly: value) else {
      throw ApusError(.malformed, "a size of the archive is out of range", fileOffset: UInt64(offset))
    }
    return value
  }

  /// The central directory, found from the file's end.
  private static func directory(_ bytes: [UInt8]) throws(ApusError) -> [Entry] {
    var end = bytes.count - 22
    while end >= 0, end >= bytes.count - 22 - 65_535, try number(bytes, end, 4) != 0x0605_4b50 { end -= 1 }
    guard end >= 0, try number(bytes, end, 4) == 0x0605_4b50 else {
      throw ApusError(.malformed, "not a ZIP archive: it has no directory")
    }
    var count = try number(bytes, end + 10, 2)
    var offset = try number(bytes, end + 16, 4)
    if count == 0xffff || offset == 0xffff_ffff, end >= 20, try number(bytes, end - 20, 4) == 0x0706_4b50 {
      let record = try number(bytes, end - 20 + 8, 8)
      count = try number(bytes, record + 32, 8)
      offset = try number(bytes, record + 48, 8)
    }
    var entries: [Entry] = []
    for _ in 0..<min(count, bytes.count / 46) {
      guard try number(bytes, offset, 4) == 0x0201_4b50 else {
        throw ApusError(.malformed, "the archive's directory is broken", fileOffset: UInt64(offset))
      }
      guard try number(bytes, offset + 8, 2) & 1 == 0 else {
        throw ApusError(.unsupportedFeature, "the archive is encrypted")
      }
      let (nameLength, extraLength) = (try number(bytes, offset + 28, 2), try number(bytes, offset + 30, 2))
      let commentLength = try number(bytes, offset + 32, 2)
      guard offset + 46 + nameLength + extraLength <= bytes.count else {
        throw ApusError(.truncated, "the archive ends inside of its directory")
      }
      var entry = Entry(
        name: String(decoding: bytes[(offset + 46)..<(offset + 46 + nameLength)], as: UTF8.self),
        method: try number(bytes, offset + 10, 2), storedSize: try number(bytes, offset + 20, 4),
        size: try number(bytes, offset + 24, 4), header: try number(bytes, offset + 42, 4))
      try readLargeSizes(&entry, bytes, offset + 46 + nameLength, extraLength)
      entries.append(entry)
      offset += 46 + nameLength + extraLength + commentLength
    }
    return entries
  }

  /// The ZIP64 field: 64-bit sizes in the place of those that are all ones.
  private static func readLargeSizes(_ entry: inout Entry, _ bytes: [UInt8], _ start: Int, _ length: Int) throws(ApusError) {
    var field = start
    while field + 4 <= start + length {
      let (kind, size) = (try number(bytes, field, 2), try number(bytes, field + 2, 2))
      var place = field + 4
      if kind == 1 {
        for part in [\Entry.size, \Entry.storedSize, \Entry.header] where entry[keyPath: part] == 0xffff_ffff {
          entry[keyPath: part] = try number(bytes, place, 8)
          place += 8
        }
      }
      field += 4 + size
    }
  }

  private static func content(_ entry: Entry, _ bytes: [UInt8]) throws(ApusError) -> [UInt8] {
    guard try number(bytes, entry.header, 4) == 0x0403_4b50 else {
      throw ApusError(.malformed, "an entry of the archive is not where its directory says", tensorName: entry.name)
    }
    let start = entry.header + 30 + (try number(bytes, entry.header + 26, 2)) + (try number(bytes, entry.header + 28, 2))
    guard start <= bytes.count, entry.storedSize <= bytes.count - start else {
      throw ApusError(.truncated, "the archive ends inside of an entry", tensorName: entry.name)
    }
    let stored = bytes[start..<start + entry.storedSize]
    switch entry.method {
    case 0: return Array(stored)
    case 8: return try inflated(stored, entry)
    default:
      throw ApusError(
        .unsupportedFeature, "an entry of the archive is compressed by another method than deflate", tensorName: entry.name,
        actual: "method \(entry.method)")
    }
  }

  private static func inflated(_ stored: ArraySlice<UInt8>, _ entry: Entry) throws(ApusError) -> [UInt8] {
    let failure = ApusError(.decompression, "an entry of the archive does not decompress", tensorName: entry.name)
    guard entry.size / largestRatio <= stored.count, stored.count <= Int(UInt32.max), entry.size <= Int(UInt32.max) else {
      throw failure
    }
    var stream = z_stream()
    // Negative: a bare deflate stream, without zlib's header.
    guard inflateInit2_(&stream, -15, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK else { throw failure }
    defer { inflateEnd(&stream) }
    var source = Array(stored)
    var status = Z_OK
    let result = [UInt8](unsafeUninitializedCapacity: entry.size) { buffer, initialized in
      source.withUnsafeMutableBufferPointer { source in
        stream.next_in = source.baseAddress
        stream.avail_in = UInt32(source.count)
        stream.next_out = buffer.baseAddress
        stream.avail_out = UInt32(buffer.count)
        status = inflate(&stream, Z_FINISH)
      }
      initialized = buffer.count - Int(stream.avail_out)
    }
    guard status == Z_STREAM_END, result.count == entry.size else { throw failure }
    return result
  }
}
