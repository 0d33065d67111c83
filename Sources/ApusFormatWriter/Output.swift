import ApusGraph
import Glibc

/// Where a file's bytes go: memory, or a new file that takes its name only when it is whole.
package final class Output {
  private enum Target {
    case memory
    case file(descriptor: Int32, temporary: String, path: String)
  }

  private let target: Target
  /// What was written to memory.
  private(set) var bytes: [UInt8] = []
  private var isOpen = true

  /// Writes to memory.
  init() { target = .memory }

  /// Writes beside `path`, in the same directory.
  package init(path: String) throws(ApusError) {
    var attempt = 0
    while true {
      let temporary = path + ".\(getpid()).\(attempt).partial"
      let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
      if descriptor >= 0 {
        target = .file(descriptor: descriptor, temporary: temporary, path: path)
        return
      }
      guard errno == EEXIST, attempt < 1000 else { throw Self.failure("can not create the file", path) }
      attempt += 1
    }
  }

  deinit {
    // Not finished: nothing of it stays.
    if isOpen, case .file(let descriptor, let temporary, _) = target {
      close(descriptor)
      unlink(temporary)
    }
  }

  func write(_ source: UnsafeRawBufferPointer, at offset: UInt64) throws(ApusError) {
    switch target {
    case .memory:
      guard let start = Int(exactly: offset), start <= Int.max - source.count else {
        throw ApusError(.limitExceeded, "a file larger than memory can be")
      }
      if bytes.count < start + source.count {
        bytes.append(contentsOf: repeatElement(0, count: start + source.count - bytes.count))
      }
      bytes.withUnsafeMutableBytes {
        UnsafeMutableRawBufferPointer(rebasing: $0[start..<start + source.count]).copyMemory(from: source)
      }
    case .file(let descriptor, _, let path):
      var done = 0
      while done < source.count {
        let rest = UnsafeRawBufferPointer(rebasing: source[done...])
        let count = pwrite(descriptor, rest.baseAddress, rest.count, off_t(offset) + off_t(done))
        if count < 0 && errno == EINTR { continue }
        guard count > 0 else { throw Self.failure("can not write the file", path) }
        done += count
      }
    }
  }

  package func write(_ source: [UInt8], at offset: UInt64) throws(ApusError) {
    try source.withUnsafeBufferPointer { (source) throws(ApusError) in
      try write(UnsafeRawBufferPointer(source), at: offset)
    }
  }

  /// Cuts or fills up with zeros to exactly `length` bytes.
  package func setLength(_ length: UInt64) throws(ApusError) {
    switch target {
    case .memory:
      guard let count = Int(exactly: length) else { throw ApusError(.limitExceeded, "a file larger than memory can be") }
      if bytes.count > count { bytes.removeLast(bytes.count - count) }
      if bytes.count < count { bytes.append(contentsOf: repeatElement(0, count: count - bytes.count)) }
    case .file(let descriptor, _, let path):
      guard ftruncate(descriptor, off_t(length)) == 0 else { throw Self.failure("can not set the file's length", path) }
    }
  }

  /// Brings a file to the disk and gives it its name, in place of what had the name before.
  package func finish() throws(ApusError) {
    guard case .file(let descriptor, let temporary, let path) = target else { return }
    guard fsync(descriptor) == 0 else { throw Self.failure("can not bring the file to the disk", path) }
    guard rename(temporary, path) == 0 else { throw Self.failure("can not give the file its name", path) }
    isOpen = false
    close(descriptor)
  }

  private static func failure(_ message: String, _ path: String) -> ApusError {
    let code = errno
    return ApusError(
      code == ENOENT ? .fileNotFound : .inputOutput, message, file: path, actual: String(cString: strerror(code)))
  }
}
