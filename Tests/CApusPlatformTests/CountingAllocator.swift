import CApusPlatform
import Glibc
import Synchronization

/// Allocator hooks that count, check what they are given back, and fail on demand.
final class CountingAllocator: Sendable {
  let allocations = Atomic<Int>(0)
  let blocks = Atomic<Int>(0)
  let bytes = Atomic<Int>(0)
  let badAlignments = Atomic<Int>(0)
  /// The allocation with this number (from 0) and all after it fail.
  let failFrom = Atomic<Int>(Int.max)

  var hooks: apusp_memory_hooks {
    apusp_memory_hooks(
      allocate: { user, size, alignment in
        let counter = Unmanaged<CountingAllocator>.fromOpaque(user!).takeUnretainedValue()
        let number = counter.allocations.add(1, ordering: .relaxed).oldValue
        if number >= counter.failFrom.load(ordering: .relaxed) { return nil }
        var pointer: UnsafeMutableRawPointer?
        guard posix_memalign(&pointer, alignment, size) == 0 else { return nil }
        counter.blocks.add(1, ordering: .relaxed)
        counter.bytes.add(size, ordering: .relaxed)
        return pointer
      },
      deallocate: { user, pointer, size, alignment in
        let counter = Unmanaged<CountingAllocator>.fromOpaque(user!).takeUnretainedValue()
        if Int(bitPattern: pointer) % alignment != 0 { counter.badAlignments.add(1, ordering: .relaxed) }
        counter.blocks.subtract(1, ordering: .relaxed)
        counter.bytes.subtract(size, ordering: .relaxed)
        free(pointer)
      },
      user: Unmanaged.passUnretained(self).toOpaque())
  }
}

/// An `apusp_memory` that is released at the end of a test.
final class TestMemory: @unchecked Sendable {
  let pointer: OpaquePointer

  init(hooks: apusp_memory_hooks? = nil, limit: UInt64 = .max) throws {
    var created: OpaquePointer?
    let status: Int32
    if var hooks {
      status = apusp_memory_create(&hooks, limit, &created)
    } else {
      status = apusp_memory_create(nil, limit, &created)
    }
    guard status == 0, let created else { throw PlatformFailure(status: status) }
    pointer = created
  }

  deinit { apusp_memory_release(pointer) }
}

struct PlatformFailure: Error { var status: Int32 }
