import ApusFormat
import ApusGraph
import CApusPlatform

/// Threads that sessions of any models share; or the host's own threads. Idle threads sleep.
///
/// Thread-safe. One session's run has the workers at a time; another that finds them taken works alone.
public final class ThreadPool: @unchecked Sendable {
  /// The C object.
  public let handle: OpaquePointer
  /// Threads that work at a time, the caller of `run` included.
  public let threads: Int

  /// - Parameter threads: 1 to 1024; 0 for as many as this process may use (affinity and container quota).
  /// - Throws: `invalid_argument`, `out_of_memory`, `thread_creation`.
  public convenience init(threads: Int, memory: BulkMemory) throws(ApusError) {
    guard threads >= 0, threads <= 1024 else {
      throw ApusError(.invalidArgument, "thread count out of range", expected: "0 to 1024", actual: "\(threads)")
    }
    var created: OpaquePointer?
    let status = apusp_pool_create(memory.handle, Int32(threads), &created)
    guard status == 0, let created else {
      throw ApusError(
        ApusError.Status(rawValue: status) ?? .internal, "can not start the thread pool", expected: "\(threads) threads")
    }
    self.init(handle: created)
  }

  /// A pool over the host's threads.
  /// - Throws: `invalid_argument` where the callback is missing or the thread count is not 1 to 1024; `out_of_memory`.
  public convenience init(host: apusp_parallel_for, memory: BulkMemory) throws(ApusError) {
    var host = host
    var created: OpaquePointer?
    let status = apusp_pool_create_host(memory.handle, &host, &created)
    guard status == 0, let created else {
      throw ApusError(ApusError.Status(rawValue: status) ?? .internal, "can not use the host's threads")
    }
    self.init(handle: created)
  }

  private init(handle: OpaquePointer) {
    self.handle = handle
    threads = Int(apusp_pool_threads(handle))
  }

  deinit { apusp_pool_release(handle) }
}
