import ApusGraph
import Foundation

/// A file that appears whole or not at all: bytes go to a temporary file beside it, `commit` moves that into place. Without
/// `commit` (an error was thrown on the way) the temporary file is removed and what stood at `path` is untouched.
public final class AtomicFile {
  public let path: String
  public let temporaryPath: String
  private var descriptor: Int32

  /// - Throws: `inputOutput` or `fileNotFound` (no such folder) where the temporary file can't be made.
  public init(path: String) throws(ApusError) {
    self.path = path
    var attempt = 0
    while true {
      let temporary = path + ".\(getpid()).\(attempt).partial"
      let opened = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
      if opened >= 0 {
        (temporaryPath, descriptor) = (temporary, opened)
        return
      }
      // A killed process of the same number may have left one.
      guard errno == EEXIST, attempt < 1000 else {
        throw ApusError(
          errno == ENOENT ? .fileNotFound : .inputOutput, "can't create the file: " + String(cString: strerror(errno)),
          file: path)
      }
      attempt += 1
    }
  }

  deinit {
    if descriptor >= 0 {
      close(descriptor)
      unlink(temporaryPath)
    }
  }

  public func append(_ bytes: [UInt8]) throws(ApusError) {
    var written = 0
    while written < bytes.count {
      let count = bytes.withUnsafeBytes { buffer in
        Foundation.write(descriptor, buffer.baseAddress.map { $0 + written }, buffer.count - written)
      }
      if count < 0 && errno == EINTR { continue }
      guard count >= 0 else { throw failure("can't write the file") }
      written += count
    }
  }

  /// Makes the bytes durable and moves the file to its place.
  public func commit() throws(ApusError) {
    guard fsync(descriptor) == 0 else { throw failure("can't write the file") }
    guard rename(temporaryPath, path) == 0 else { throw failure("can't move the file into place") }
    close(descriptor)
    descriptor = -1
  }

  private func failure(_ message: String) -> ApusError {
    ApusError(.inputOutput, message + ": " + String(cString: strerror(errno)), file: path)
  }
}
