import ApusGraph
import Foundation

/// The bytes of a file, read where they are wanted, or of memory.
package final class FileBytes: Sendable {
  private enum Storage: Sendable {
    case descriptor(Int32)
    case memory([UInt8])
  }

  private let storage: Storage
  package let byteCount: UInt64

  package init(_ bytes: [UInt8]) {
    storage = .memory(bytes)
    byteCount = UInt64(bytes.count)
  }

  package init(path: String) throws(ApusError) {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else {
      throw ApusError(
        errno == ENOENT ? .fileNotFound : .inputOutput, "can't open the file: " + String(cString: strerror(errno)), file: path)
    }
    var status = stat()
    guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG, let size = UInt64(exactly: status.st_size) else {
      close(descriptor)
      throw ApusError(.inputOutput, "this is not a regular file", file: path)
    }
    storage = .descriptor(descriptor)
    byteCount = size
  }

  deinit {
    if case .descriptor(let descriptor) = storage { close(descriptor) }
  }

  /// - Throws: `truncated` where fewer bytes are there, `inputOutput` where the system can't read them.
  package func read(at offset: UInt64, count: Int) throws(ApusError) -> [UInt8] {
    guard count >= 0, offset <= byteCount, UInt64(count) <= byteCount - offset else {
      throw ApusError(.truncated, "the file ends too early", fileOffset: offset)
    }
    switch storage {
    case .memory(let bytes):
      let start = Int(offset)
      return Array(bytes[start..<start + count])
    case .descriptor(let descriptor):
      var failure: ApusError?
      let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
        while initialized < count {
          let rest = UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(buffer)[initialized...])
          let got = pread(descriptor, rest.baseAddress, rest.count, off_t(offset) + off_t(initialized))
          if got < 0 && errno == EINTR { continue }
          guard got > 0 else {
            failure =
              got == 0
              ? ApusError(.truncated, "the file became shorter while it was read", fileOffset: offset)
              : ApusError(.inputOutput, "can't read the file: " + String(cString: strerror(errno)), fileOffset: offset)
            return
          }
          initialized += got
        }
      }
      if let failure { throw failure }
      return bytes
    }
  }
}
