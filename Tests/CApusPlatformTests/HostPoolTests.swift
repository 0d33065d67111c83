import CApusPlatform
import Dispatch
import Testing

@Suite struct HostPoolTests {
  /// The body of a job as `@Sendable` closures can hold it.
  struct Body: @unchecked Sendable {
    let call: @convention(c) (UnsafeMutableRawPointer?, Int32) -> Void
    let context: UnsafeMutableRawPointer?
  }

  @Test func aParallelHostDoesEachChunkOnce() throws {
    let pool = try TestPool(
      host: apusp_parallel_for(
        user: nil, threads: 3,
        run: { _, count, body, context in
          let work = Body(call: body, context: context)
          DispatchQueue.concurrentPerform(iterations: Int(count)) { work.call(work.context, Int32($0)) }
        }))
    #expect(apusp_pool_threads(pool.pointer) == 3)
    for chunks in 0..<200 {
      let job = JobRecord(chunks: chunks)
      job.run(on: pool.pointer)
      #expect(job.isEachChunkDoneOnce)
      #expect(job.collisions.load(ordering: .relaxed) == 0)
      #expect(job.workersSeen.load(ordering: .relaxed) < 8)
    }
  }

  @Test func aSerialHostWorks() throws {
    let pool = try TestPool(
      host: apusp_parallel_for(
        user: nil, threads: 4,
        run: { _, count, body, context in
          for i in (0..<count).reversed() { body(context, i) }
        }))
    let job = JobRecord(chunks: 10)
    job.run(on: pool.pointer)
    #expect(job.isEachChunkDoneOnce)
  }

  @Test func theCallerMakesUpForAHostThatDoesNothing() throws {
    let pool = try TestPool(host: apusp_parallel_for(user: nil, threads: 4, run: { _, _, _, _ in }))
    let job = JobRecord(chunks: 10)
    job.run(on: pool.pointer)
    #expect(job.isEachChunkDoneOnce)
    #expect(job.workersSeen.load(ordering: .relaxed) == 1)
  }

  @Test func indicesOutsideOfTheThreadsAreIgnored() throws {
    let pool = try TestPool(
      host: apusp_parallel_for(
        user: nil, threads: 2,
        run: { _, count, body, context in
          body(context, -1)
          body(context, 2)
          for i in 0..<count { body(context, i) }
        }))
    let job = JobRecord(chunks: 10)
    job.run(on: pool.pointer)
    #expect(job.isEachChunkDoneOnce)
    #expect(job.workersSeen.load(ordering: .relaxed) & ~3 == 0)
  }

  @Test func bodiesRunInTheKernelsModeAndTheHostGetsItsOwnBack() throws {
    let flushing: UInt64 = 0x9fc0  // flush to zero, denormals are zero, all exceptions masked
    final class Modes: @unchecked Sendable {
      var inside: [UInt64] = []
      var after: UInt64 = 0
    }
    let modes = Modes()
    let pool = try TestPool(
      host: apusp_parallel_for(
        user: Unmanaged.passUnretained(modes).toOpaque(), threads: 2,
        run: { user, _, body, context in
          let modes = Unmanaged<Modes>.fromOpaque(user!).takeUnretainedValue()
          apusp_fp_leave(0x9fc0)
          body(context, 1)
          modes.after = apusp_fp_enter()
        }))
    apusp_pool_run(
      pool.pointer, 2,
      { context, _, _ in
        let modes = Unmanaged<Modes>.fromOpaque(context!).takeUnretainedValue()
        modes.inside.append(apusp_fp_enter() & 0xffc0)
      }, Unmanaged.passUnretained(modes).toOpaque())
    #expect(modes.inside == [0x1f80, 0x1f80])
    #expect(modes.after & 0xffc0 == flushing & 0xffc0)
  }
}
