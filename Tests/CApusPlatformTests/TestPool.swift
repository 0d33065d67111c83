import CApusPlatform
import Synchronization

/// An `apusp_pool` that is released at the end of a test.
final class TestPool: @unchecked Sendable {
  let pointer: OpaquePointer

  init(threads: Int) throws {
    let memory = try TestMemory()
    var created: OpaquePointer?
    let status = apusp_pool_create(memory.pointer, Int32(threads), &created)
    guard status == 0, let created else { throw PlatformFailure(status: status) }
    pointer = created
  }

  init(host: apusp_parallel_for) throws {
    let memory = try TestMemory()
    var host = host
    var created: OpaquePointer?
    let status = apusp_pool_create_host(memory.pointer, &host, &created)
    guard status == 0, let created else { throw PlatformFailure(status: status) }
    pointer = created
  }

  deinit { apusp_pool_release(pointer) }
}

/// What a job of the tests counts: how often each chunk was done, and whether two threads ever had one worker number.
final class JobRecord: @unchecked Sendable {
  let counts: UnsafeMutablePointer<Int32>
  let chunks: Int
  let workersInUse = Atomic<UInt64>(0)
  let collisions = Atomic<Int>(0)
  let workersSeen = Atomic<UInt64>(0)

  init(chunks: Int) {
    self.chunks = chunks
    counts = .allocate(capacity: max(chunks, 1))
    counts.initialize(repeating: 0, count: max(chunks, 1))
  }

  deinit { counts.deallocate() }

  /// Does one chunk: plain, unsynchronized writes, so that ThreadSanitizer sees a chunk that two threads do.
  func record(chunk: Int32, worker: Int32) {
    let bit = UInt64(1) << UInt64(worker)
    if workersInUse.bitwiseOr(bit, ordering: .relaxed).oldValue & bit != 0 { collisions.add(1, ordering: .relaxed) }
    workersSeen.bitwiseOr(bit, ordering: .relaxed)
    counts[Int(chunk)] += 1
    workersInUse.bitwiseAnd(~bit, ordering: .relaxed)
  }

  var isEachChunkDoneOnce: Bool { (0..<chunks).allSatisfy { counts[$0] == 1 } }

  func run(on pool: OpaquePointer?) {
    apusp_pool_run(
      pool, Int32(chunks),
      { context, chunk, worker in
        Unmanaged<JobRecord>.fromOpaque(context!).takeUnretainedValue().record(chunk: chunk, worker: worker)
      }, Unmanaged.passUnretained(self).toOpaque())
  }
}
