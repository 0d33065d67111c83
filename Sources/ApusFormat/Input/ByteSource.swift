import ApusGraph

/// Memory that the caller lends for as long as this object lives. The bytes do not change in that time.
public final class BorrowedBytes: @unchecked Sendable {
  public let bytes: UnsafeRawBufferPointer
  private let release: (@Sendable () -> Void)?

  /// - Parameter release: called once, on whatever thread lets go of the bytes last.
  public init(_ bytes: UnsafeRawBufferPointer, release: (@Sendable () -> Void)? = nil) {
    self.bytes = bytes
    self.release = release
  }

  deinit { release?() }
}

/// Where the bytes of a file come from.
public enum ByteSource {
  /// Gives the next bytes: fills the buffer from its beginning and returns how many bytes it wrote; 0 means the end.
  public typealias SequentialRead = @Sendable (UnsafeMutableRawBufferPointer) throws(ApusError) -> Int
  /// The same from a place in the file; may be called by several threads in turn, never by two at once.
  public typealias PositionedRead = @Sendable (UInt64, UnsafeMutableRawBufferPointer) throws(ApusError) -> Int

  /// A file, read as its parts are needed. It stays open while the model lives. Pipes are read to their end at once.
  case path(String)
  /// A file, mapped into memory. It must not change while the model lives: see SECURITY.md.
  case mappedPath(String)
  /// The caller's memory, used without a copy where its alignment allows.
  case memory(BorrowedBytes)
  /// The caller's memory, which is copied; it may go once the call has returned.
  case copied(UnsafeRawBufferPointer)
  /// An open file: a model that begins at `offset`, `length` bytes long (nil: to the end of the file). A descriptor without
  /// a size, such as a pipe, is read to its end from where it stands; its `offset` is 0 and its `length` nil.
  /// The descriptor has to stay open while the model lives; `closesWhenDone` hands it over.
  case fileDescriptor(Int32, offset: UInt64 = 0, length: UInt64? = nil, closesWhenDone: Bool = false)
  /// A stream, read once from beginning to end while the model is loaded.
  case reader(SequentialRead)
  /// `byteCount` bytes at any place.
  case positionedReader(byteCount: UInt64, PositionedRead)
}
