import ApusGraph
import CApusPlatform

/// Splits work over threads.
///
/// Every operator cuts its work into parts that follow from the shapes alone and adds partial results in the order of the
/// parts, so that results do not depend on the number of threads.
public final class ComputePool {
  private let pool: OpaquePointer?
  private let memory: OpaquePointer

  /// Threads that work at a time, the calling one included.
  public let threads: Int

  /// - Parameter threads: 0 means one for each CPU that this process may use.
  /// - Throws: `invalidArgument` for a negative or absurd number, `threadCreation` where the system gives no thread.
  public init(threads: Int = 0) throws(ApusError) {
    guard let requested = Int32(exactly: threads) else {
      throw ApusError(.invalidArgument, "the number of threads is out of range", actual: "\(threads)")
    }
    var memory: OpaquePointer?
    var status = apusp_memory_create(nil, .max, &memory)
    guard status == 0, let memory else { throw ApusError(.outOfMemory, "no memory for a thread pool") }
    var pool: OpaquePointer?
    status = apusp_pool_create(memory, requested, &pool)
    guard status == 0, let pool else {
      apusp_memory_release(memory)
      throw ApusError(
        ApusError.Status(rawValue: status) ?? .internal, "the thread pool could not be started", actual: "\(threads) threads")
    }
    self.memory = memory
    self.pool = pool
    self.threads = Int(apusp_pool_threads(pool))
  }

  deinit {
    if let pool { apusp_pool_release(pool) }
    apusp_memory_release(memory)
  }

  /// Calls `body(part, worker)` once for each part in 0 ..< parts and returns when all are done; `worker` < `threads`, and no two
  /// parts that run at the same time have the same. Bodies run at the same time: they must write to different places.
  func forEach(_ parts: Int, _ body: (_ part: Int, _ worker: Int) -> Void) {
    // The caller's rounding and denormal modes must not make its parts differ from those of the pool's threads.
    let mode = apusp_fp_enter()
    defer { apusp_fp_leave(mode) }
    guard parts > 1 else {
      if parts == 1 { body(0, 0) }
      return
    }
    // The closure lives on this stack frame, which outlasts the call.
    withoutActuallyEscaping(body) { body in
      var job = Job(body: body)
      withUnsafeMutablePointer(to: &job) { context in
        apusp_pool_run(
          pool, Int32(parts),
          { context, part, worker in
            context?.assumingMemoryBound(to: Job.self).pointee.body(Int(part), Int(worker))
          }, context)
      }
    }
  }

  /// Calls `body` for consecutive ranges that cover 0 ..< count: for work where any split gives the same bits.
  func forEachRange(of count: Int, grain: Int, _ body: (_ range: Range<Int>) -> Void) {
    let parts = min((count + grain - 1) / grain, threads * 4)
    guard parts > 1 else {
      if count > 0 { forEach(1) { _, _ in body(0..<count) } }
      return
    }
    // Whole cache lines, so that no two parts write to the same.
    let size = ((count + parts - 1) / parts + 15) / 16 * 16
    forEach((count + size - 1) / size) { part, _ in
      body(part * size..<min((part + 1) * size, count))
    }
  }

  private struct Job {
    let body: (_ part: Int, _ worker: Int) -> Void
  }
}
