import ApusFormat
import ApusGraph
import CApus
import CApusPlatform

extension BulkMemory {
  /// Bulk memory over the caller's allocator; nil stands for the C library's.
  /// - Throws: `struct_size`, `null_pointer` where one of the two functions is missing, `out_of_memory`.
  static func over(_ allocator: UnsafePointer<apus_allocator>?, limit: UInt64) throws(ApusError) -> BulkMemory {
    guard let allocator else { return try BulkMemory(limit: limit) }
    let value = try apus_allocator.read(allocator, "apus_allocator")
    guard let allocate = value.allocate else { throw nullPointer("apus_allocator.allocate") }
    guard let deallocate = value.deallocate else { throw nullPointer("apus_allocator.deallocate") }
    var hooks = apusp_memory_hooks()
    hooks.user = value.user
    // Sound: the types differ in size_t against uint64_t and in nullability alone, which calls do not show on 64-bit systems.
    hooks.allocate = unsafeBitCast(allocate, to: type(of: hooks.allocate))
    hooks.deallocate = unsafeBitCast(deallocate, to: type(of: hooks.deallocate))
    return try BulkMemory(hooks: hooks, limit: limit)
  }
}

extension Limits {
  /// The caller's limits; nil stands for the defaults.
  init(_ limits: UnsafePointer<apus_limits>?) throws(ApusError) {
    self.init()
    let value = try apus_limits.read(optional: limits, "apus_limits")
    fileBytes = value.file_bytes
    decompressedBytes = value.decompressed_bytes
    memoryBytes = value.memory_bytes
    operators = Int(clamping: value.operators)
    rank = Int(clamping: value.rank)
    elements = Int(clamping: value.elements)
    iterations = Int(clamping: value.iterations)
  }
}

/// The caller's log callback.
struct Log: @unchecked Sendable {
  let write: apus_log_fn?
  let user: UnsafeMutableRawPointer?

  /// `line` is only made where somebody reads it.
  func callAsFunction(_ level: Int32, _ line: () -> String) {
    guard let write else { return }
    var text = line()
    text.append("\0")
    text.withUTF8 { utf8 in
      utf8.withMemoryRebound(to: CChar.self) { write(user, level, $0.baseAddress) }
    }
  }
}

/// The caller's release callback, called when the last reference to this object goes.
final class Release: @unchecked Sendable {
  private let function: apus_release_fn?
  private let user: UnsafeMutableRawPointer?
  private let memory: UnsafeRawPointer?

  init(_ function: apus_release_fn?, _ user: UnsafeMutableRawPointer?, _ memory: UnsafeRawPointer?) {
    self.function = function
    self.user = user
    self.memory = memory
  }

  deinit { function?(user, memory) }
}
