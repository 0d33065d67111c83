import ApusFormat
import ApusGraph
import ApusRuntime
public import CApus
import CApusPlatform

/// An `apus_pool *`.
final class PoolHandle: Handle, @unchecked Sendable {
  private static let queue = HandleQueue()
  private(set) var pool: ThreadPool?

  private init() { super.init(kind: .pool) }

  static func make(_ pool: ThreadPool) -> OpaquePointer {
    let handle: PoolHandle
    if let old = queue.take() {
      handle = unsafeDowncast(old, to: PoolHandle.self)
    } else {
      handle = PoolHandle()
      // Handles stay allocated for ever: see Handle.
      _ = Unmanaged.passRetained(handle)
    }
    handle.pool = pool
    handle.revive()
    return handle.pointer
  }

  static func find(_ pointer: OpaquePointer?) throws(ApusError) -> ThreadPool {
    let handle = unsafeDowncast(try Handle.find(pointer, .pool), to: PoolHandle.self)
    guard let pool = handle.pool else { throw ApusError(.invalidArgument, "this apus_pool has been given back") }
    return pool
  }

  static func release(_ pointer: OpaquePointer?) {
    guard let handle = try? Handle.find(pointer, .pool), handle.release() else { return }
    unsafeDowncast(handle, to: PoolHandle.self).pool = nil
    queue.put(handle)
  }
}

@c @implementation
public func apus_pool_retain(_ pool: OpaquePointer?) {
  (try? Handle.find(pool, .pool))?.retain()
}

@c @implementation
public func apus_pool_release(_ pool: OpaquePointer?) { PoolHandle.release(pool) }

@c @implementation
public func apus_pool_threads(_ pool: OpaquePointer?) -> UInt32 {
  UInt32(clamping: (try? PoolHandle.find(pool))?.threads ?? 0)
}

@c @implementation
public func apus_pool_create(
  _ options: UnsafePointer<apus_pool_options>?, _ pool: UnsafeMutablePointer<OpaquePointer?>?,
  _ error: UnsafeMutablePointer<apus_error>?
) -> Int32 {
  call(error) { () throws(ApusError) in
    let pool = try require(pool, "pool")
    pool.pointee = nil
    let values = try apus_pool_options.read(optional: options, "apus_pool_options")
    let memory = try BulkMemory.over(values.allocator, limit: .max)
    pool.pointee = PoolHandle.make(try ThreadPool(threads: Int(values.threads), memory: memory))
  }
}

@c @implementation
public func apus_pool_create_host(
  _ host: UnsafePointer<apus_parallel_for>?, _ allocator: UnsafePointer<apus_allocator>?,
  _ pool: UnsafeMutablePointer<OpaquePointer?>?, _ error: UnsafeMutablePointer<apus_error>?
) -> Int32 {
  call(error) { () throws(ApusError) in
    let pool = try require(pool, "pool")
    pool.pointee = nil
    let values = try apus_parallel_for.read(try require(host, "host"), "apus_parallel_for")
    guard let run = values.run else { throw nullPointer("apus_parallel_for.run") }
    var platform = apusp_parallel_for()
    platform.user = values.user
    platform.threads = Int32(clamping: values.threads)
    // Sound: the two function types differ in what Swift knows of their pointers' nullability.
    platform.run = unsafeBitCast(run, to: type(of: platform.run))
    pool.pointee = PoolHandle.make(try ThreadPool(host: platform, memory: try BulkMemory.over(allocator, limit: .max)))
  }
}
