import ApusGraph
import CApusPlatform

/// A lock for what loads lazily. Not recursive; never taken while a prepared model runs.
package final class Lock: @unchecked Sendable {
  private let mutex: OpaquePointer

  package convenience init() throws(ApusError) {
    guard let mutex = apusp_mutex_create() else { throw ApusError(.outOfMemory, "no memory for a lock") }
    self.init(mutex: mutex)
  }

  private init(mutex: OpaquePointer) { self.mutex = mutex }

  deinit { apusp_mutex_destroy(mutex) }

  package func withLock<Result>(_ body: () throws(ApusError) -> Result) throws(ApusError) -> Result {
    apusp_mutex_lock(mutex)
    defer { apusp_mutex_unlock(mutex) }
    return try body()
  }
}
