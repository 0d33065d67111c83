import ApusGraph
import CApusPlatform

/// The source of all large allocations of a model and its sessions: the caller's allocator, a limit, and counters.
///
/// Thread-safe. Allocations keep it alive.
public final class BulkMemory: @unchecked Sendable {
  /// The C object; the runtime hands it to thread pools.
  public let handle: OpaquePointer

  /// - Parameters:
  ///   - hooks: the caller's allocator; nil for the system's.
  ///   - limit: the most bytes in use at a time.
  /// - Throws: `out_of_memory`; `invalid_argument` where only one of the two hooks is there.
  public convenience init(hooks: apusp_memory_hooks? = nil, limit: UInt64 = .max) throws(ApusError) {
    var created: OpaquePointer?
    let status: Int32
    if var hooks {
      status = apusp_memory_create(&hooks, limit, &created)
    } else {
      status = apusp_memory_create(nil, limit, &created)
    }
    guard status == 0, let created else {
      throw ApusError(ApusError.Status(rawValue: status) ?? .internal, "can not set up bulk memory")
    }
    self.init(handle: created)
  }

  /// Embedded Swift does not free an object whose designated initializer throws before all is set: in the core these do not.
  private init(handle: OpaquePointer) { self.handle = handle }

  deinit { apusp_memory_release(handle) }

  public var bytesInUse: UInt64 { apusp_memory_in_use(handle) }
  public var peakBytes: UInt64 { apusp_memory_peak(handle) }
  public var limit: UInt64 { apusp_memory_limit(handle) }

  /// `byteCount` bytes at a multiple of `alignment` (a power of two; 64 at least), not initialized.
  /// - Parameter purpose: what the bytes are for, for the message.
  /// - Throws: `out_of_memory` or `limit_exceeded`, with the sizes.
  public func allocate(byteCount: Int, alignment: Int = 64, purpose: StaticString) throws(ApusError) -> BulkBuffer {
    guard byteCount >= 0 else { throw ApusError(.internal, "negative size for \(purpose.text)", actual: "\(byteCount)") }
    var status: Int32 = 0
    if let pointer = apusp_allocate(handle, byteCount, alignment, &status) {
      return BulkBuffer(memory: self, pointer: pointer, byteCount: byteCount, alignment: alignment)
    }
    if status == APUSP_LIMIT_EXCEEDED {
      throw ApusError(
        .limitExceeded, "memory limit reached while allocating " + purpose.text,
        expected: "at most \(limit) bytes, \(bytesInUse) of them in use", actual: "\(byteCount) bytes more")
    }
    throw ApusError(.outOfMemory, "no memory for " + purpose.text, expected: "\(byteCount) bytes")
  }
}

/// Bytes from a `BulkMemory`, given back when the last reference goes.
public final class BulkBuffer: @unchecked Sendable {
  private let memory: BulkMemory
  public let pointer: UnsafeMutableRawPointer
  public let byteCount: Int
  private let alignment: Int

  fileprivate init(memory: BulkMemory, pointer: UnsafeMutableRawPointer, byteCount: Int, alignment: Int) {
    self.memory = memory
    self.pointer = pointer
    self.byteCount = byteCount
    self.alignment = alignment
  }

  deinit { apusp_free(memory.handle, pointer, byteCount, alignment) }

  public var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: pointer, count: byteCount) }
  public var mutableBytes: UnsafeMutableRawBufferPointer {
    UnsafeMutableRawBufferPointer(start: pointer, count: byteCount)
  }
}
