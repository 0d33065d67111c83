import ApusGraph
import CApusPlatform
import CZlib

/// Files in memory, through zlib where they are compressed.
package enum Gzip {
  /// The bytes of a file; of a gzip file (RFC 1952), what it unpacks to.
  ///
  /// - Parameter limit: the most bytes that the result may have.
  /// - Throws: `fileNotFound`, `inputOutput`, `limitExceeded`; `decompression` or `truncated` for a damaged gzip file.
  package static func read(_ path: String, limit: Int) throws(ApusError) -> [UInt8] {
    let bytes = try contents(path, limit: limit)
    return bytes.starts(with: [0x1F, 0x8B]) ? try decompress(bytes, limit: limit, path: path) : bytes
  }

  private static func contents(_ path: String, limit: Int) throws(ApusError) -> [UInt8] {
    var descriptor: Int32 = -1
    var code: Int32 = 0
    try check(apusp_file_open(path, &descriptor, &code), code, "can't open the file", path)
    defer { apusp_file_close(descriptor) }
    var size: UInt64 = 0
    try check(apusp_file_size(descriptor, &size, &code), code, "can't tell the file's size", path)
    guard size <= UInt64(limit) else {
      throw ApusError(.limitExceeded, "the file is too large", file: path, expected: "at most \(limit) bytes", actual: "\(size)")
    }
    var read = 0
    var status: Int32 = 0
    let bytes = [UInt8](unsafeUninitializedCapacity: Int(size)) { buffer, count in
      if let base = buffer.baseAddress { status = apusp_file_read(descriptor, base, buffer.count, &read, &code) }
      count = status == 0 ? read : 0
    }
    try check(status, code, "can't read the file", path)
    return bytes
  }

  private static func check(_ status: Int32, _ code: Int32, _ message: String, _ path: String) throws(ApusError) {
    guard status != 0 else { return }
    let text = withUnsafeTemporaryAllocation(of: CChar.self, capacity: 128) { buffer in
      guard let base = buffer.baseAddress else { return "" }
      apusp_system_error_text(code, base, buffer.count)
      return String(cString: base)
    }
    throw ApusError(ApusError.Status(rawValue: status) ?? .inputOutput, "\(message): \(text)", file: path)
  }

  /// Unpacks every member of a gzip file.
  package static func decompress(_ bytes: [UInt8], limit: Int, path: String = "") throws(ApusError) -> [UInt8] {
    var stream = z_stream()
    // 15 bits of window, and 16 for a gzip header.
    guard inflateInit2_(&stream, 15 + 16, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK else {
      throw ApusError(.outOfMemory, "no memory for decompression", file: path)
    }
    defer { inflateEnd(&stream) }
    var result: [UInt8] = []
    var consumed = 0
    while consumed < bytes.count {
      var status = Z_OK
      repeat {
        // zlib counts in 32 bits: the input goes in by pieces.
        let piece = min(bytes.count - consumed, 1 << 24)
        let chunk = [UInt8](unsafeUninitializedCapacity: 1 << 18) { buffer, count in
          bytes.withUnsafeBufferPointer { source in
            stream.next_in = source.baseAddress.map { UnsafeMutablePointer(mutating: $0 + consumed) }
            stream.avail_in = UInt32(piece)
            stream.next_out = buffer.baseAddress
            stream.avail_out = UInt32(buffer.count)
            status = inflate(&stream, Z_NO_FLUSH)
            consumed += piece - Int(stream.avail_in)
            count = buffer.count - Int(stream.avail_out)
          }
        }
        result += chunk
        guard result.count <= limit else {
          throw ApusError(.limitExceeded, "the file unpacks to too much", file: path, expected: "at most \(limit) bytes")
        }
        guard status == Z_OK || status == Z_STREAM_END else {
          if status == Z_BUF_ERROR { throw ApusError(.truncated, "the gzip file ends too early", file: path) }
          throw ApusError(
            .decompression, "the gzip file is damaged", file: path, actual: "zlib error \(status)", fileOffset: UInt64(consumed))
        }
      } while status != Z_STREAM_END
      // A gzip file may have several members, one after another.
      if consumed < bytes.count { inflateReset(&stream) }
    }
    return result
  }
}
