import ApusGraph
import CApusPlatform

/// An opened byte source: bytes at a place, or only ever the next ones.
final class Input {
  private enum Backing {
    /// `owner` keeps the bytes alive.
    case borrowed(BorrowedBytes)
    case copied(BulkBuffer)
    case mapped(UnsafeRawPointer, size: UInt64)
    case descriptor(Int32, offset: UInt64, closes: Bool)
    case descriptorStream(Int32, closes: Bool)
    case stream(ByteSource.SequentialRead)
    case positioned(ByteSource.PositionedRead)
  }

  private let backing: Backing
  /// nil while only the end of a stream will tell.
  let byteCount: UInt64?
  /// Where a stream stands.
  private var position: UInt64 = 0

  /// For messages; empty where the source has no name.
  let path: String

  convenience init(_ source: ByteSource, memory: BulkMemory) throws(ApusError) {
    switch source {
    case .path(let path):
      let descriptor = try Self.open(path)
      do throws(ApusError) {
        self.init(try Self.descriptor(descriptor, offset: 0, length: nil, closes: true), path: path)
      } catch {
        apusp_file_close(descriptor)
        throw error.inFile(path)
      }
    case .mappedPath(let path):
      let descriptor = try Self.open(path)
      defer { apusp_file_close(descriptor) }
      do throws(ApusError) {
        self.init(try Self.map(descriptor), path: path)
      } catch { throw error.inFile(path) }
    case .memory(let bytes):
      self.init((.borrowed(bytes), UInt64(bytes.bytes.count)))
    case .copied(let bytes):
      let buffer = try memory.allocate(byteCount: bytes.count, purpose: "a copy of the file")
      buffer.mutableBytes.copyMemory(from: bytes)
      self.init((.copied(buffer), UInt64(bytes.count)))
    case .fileDescriptor(let descriptor, let offset, let length, let closes):
      do throws(ApusError) {
        self.init(try Self.descriptor(descriptor, offset: offset, length: length, closes: closes))
      } catch {
        if closes { apusp_file_close(descriptor) }
        throw error
      }
    case .reader(let read):
      self.init((.stream(read), nil))
    case .positionedReader(let byteCount, let read):
      self.init((.positioned(read), byteCount))
    }
  }

  private init(_ opened: (backing: Backing, byteCount: UInt64?), path: String = "") {
    (backing, byteCount) = opened
    self.path = path
  }

  deinit {
    switch backing {
    case .mapped(let address, let size): apusp_file_unmap(address, size)
    case .descriptor(let descriptor, _, let closes), .descriptorStream(let descriptor, let closes):
      if closes { apusp_file_close(descriptor) }
    default: break
    }
  }

  // MARK: Opening

  private static func open(_ path: String) throws(ApusError) -> Int32 {
    for byte in path.utf8 where byte == 0 { throw ApusError(.invalidArgument, "a path with a NUL byte", file: path) }
    var descriptor: Int32 = -1
    var systemError: Int32 = 0
    let status = path.withCString { apusp_file_open($0, &descriptor, &systemError) }
    guard status == 0 else { throw systemFailure(status, "can not open the file", systemError).inFile(path) }
    return descriptor
  }

  private static func descriptor(
    _ descriptor: Int32, offset: UInt64, length: UInt64?, closes: Bool
  ) throws(ApusError) -> (Backing, UInt64?) {
    var size: UInt64 = 0
    var systemError: Int32 = 0
    let status = apusp_file_size(descriptor, &size, &systemError)
    guard status == 0 else { throw systemFailure(status, "can not read the file's size", systemError) }
    if size == .max {
      guard offset == 0, length == nil else {
        throw ApusError(.invalidArgument, "an offset or length in a descriptor that can only be read from front to back")
      }
      return (.descriptorStream(descriptor, closes: closes), nil)
    }
    guard offset <= size, (length ?? 0) <= size - offset else {
      throw ApusError(
        .truncated, "the file ends before the model that was asked for", expected: "\(length ?? 0) bytes from \(offset)",
        actual: "\(size) bytes")
    }
    return (.descriptor(descriptor, offset: offset, closes: closes), length ?? size - offset)
  }

  private static func map(_ descriptor: Int32) throws(ApusError) -> (Backing, UInt64?) {
    var size: UInt64 = 0
    var systemError: Int32 = 0
    var status = apusp_file_size(descriptor, &size, &systemError)
    guard status == 0 else { throw systemFailure(status, "can not read the file's size", systemError) }
    guard size != .max else { throw ApusError(.inputOutput, "only a regular file can be mapped") }
    guard size > 0 else { throw ApusError(.truncated, "the file is empty", fileOffset: 0) }
    var address: UnsafeRawPointer?
    status = apusp_file_map(descriptor, size, &address, &systemError)
    guard status == 0, let address else { throw systemFailure(status, "can not map the file", systemError) }
    return (.mapped(address, size: size), size)
  }

  private static func systemFailure(_ status: Int32, _ message: StaticString, _ systemError: Int32) -> ApusError {
    var text = [CChar](repeating: 0, count: 128)
    apusp_system_error_text(systemError, &text, text.count)
    let words = String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    return ApusError(ApusError.Status(rawValue: status) ?? .inputOutput, message.text, actual: systemError == 0 ? "" : words)
  }

  // MARK: Reading

  /// Whether bytes can be had again after later ones were read.
  var isRandomAccess: Bool {
    switch backing {
    case .stream, .descriptorStream: false
    default: true
    }
  }

  /// Whether any thread may read, several at a time: not where the caller's function does.
  var isReadOnAnyThread: Bool {
    switch backing {
    case .borrowed, .copied, .mapped, .descriptor: true
    default: false
    }
  }

  /// The bytes where they are in memory, for sources that are; nil for others. Within `byteCount`.
  func pointer(at offset: UInt64, count: Int) -> UnsafeRawPointer? {
    guard let byteCount, let place = Int(exactly: offset), offset <= byteCount, UInt64(count) <= byteCount - offset else {
      return nil
    }
    switch backing {
    case .borrowed(let owner): return owner.bytes.baseAddress.map { $0 + place }
    case .copied(let buffer): return UnsafeRawPointer(buffer.pointer) + place
    case .mapped(let address, _): return address + place
    default: return nil
    }
  }

  /// Bytes that `pointer` gave will not be read soon: those of a mapped file need not stay in memory.
  func forget(at offset: UInt64, count: Int) {
    if case .mapped(let address, let size) = backing, offset <= size, UInt64(count) <= size - offset {
      apusp_file_forget(address + Int(offset), UInt64(count))
    }
  }

  /// Fills `target` with the bytes from `offset`; a stream stands exactly there.
  ///
  /// - Throws: 403 truncated if the source ends before, or what reading gives.
  func read(at offset: UInt64, into target: UnsafeMutableRawBufferPointer) throws(ApusError) {
    let count = try readUpTo(at: offset, into: target)
    guard count == target.count else {
      throw ApusError(
        .truncated, "the file ends too early", expected: "\(target.count) bytes", actual: "\(count) bytes", fileOffset: offset)
    }
  }

  /// `count` bytes from `offset` in new memory. Of a stream, whose length only its own header states, no more is taken than
  /// has come so far, so that a short one can not make a large claim cost anything.
  func read(
    at offset: UInt64, count: Int, _ memory: BulkMemory, purpose: StaticString
  ) throws(ApusError) -> BulkBuffer {
    var size = isRandomAccess ? count : min(count, 1 << 20)
    var buffer = try memory.allocate(byteCount: size, purpose: purpose)
    try read(at: offset, into: buffer.mutableBytes)
    while size < count {
      let larger = try memory.allocate(byteCount: size > count / 2 ? count : size * 2, purpose: purpose)
      larger.mutableBytes.copyMemory(from: buffer.bytes)
      try read(at: offset + UInt64(size), into: UnsafeMutableRawBufferPointer(rebasing: larger.mutableBytes[size...]))
      (buffer, size) = (larger, larger.byteCount)
    }
    return buffer
  }

  /// The same, but may give fewer bytes, at the end of the source alone.
  func readUpTo(at offset: UInt64, into target: UnsafeMutableRawBufferPointer) throws(ApusError) -> Int {
    if let byteCount {
      let rest = offset < byteCount ? byteCount - offset : 0
      let wanted = Int(min(UInt64(target.count), rest))
      let part = UnsafeMutableRawBufferPointer(rebasing: target[0..<wanted])
      if let pointer = pointer(at: offset, count: wanted) {
        part.copyMemory(from: UnsafeRawBufferPointer(start: pointer, count: wanted))
        return wanted
      }
      return try fill(part, at: offset)
    }
    guard offset == position else { throw ApusError(.internal, "a stream was read out of order", fileOffset: offset) }
    let count = try fill(target, at: offset)
    position += UInt64(count)
    return count
  }

  /// Calls the reader until it has given all or says that there is no more.
  private func fill(_ target: UnsafeMutableRawBufferPointer, at offset: UInt64) throws(ApusError) -> Int {
    var done = 0
    while done < target.count {
      let rest = UnsafeMutableRawBufferPointer(rebasing: target[done...])
      let count = try next(rest, at: offset + UInt64(done))
      guard count >= 0, count <= rest.count else {
        throw ApusError(
          .inputOutput, "the read callback returned a count outside of its buffer", expected: "0 to \(rest.count)",
          actual: "\(count)", fileOffset: offset)
      }
      if count == 0 { break }
      done += count
    }
    return done
  }

  private func next(_ target: UnsafeMutableRawBufferPointer, at offset: UInt64) throws(ApusError) -> Int {
    guard let base = target.baseAddress else { return 0 }
    var count = 0
    var systemError: Int32 = 0
    let status: Int32
    switch backing {
    case .stream(let read): return try read(target)
    case .positioned(let read): return try read(offset, target)
    case .descriptor(let descriptor, let start, _):
      status = apusp_file_read_at(descriptor, base, target.count, start + offset, &count, &systemError)
    case .descriptorStream(let descriptor, _):
      status = apusp_file_read(descriptor, base, target.count, &count, &systemError)
    case .borrowed, .copied, .mapped: return 0
    }
    guard status == 0 else {
      var error = Self.systemFailure(status, "can not read the file", systemError)
      error.fileOffset = offset
      throw error
    }
    return count
  }
}
