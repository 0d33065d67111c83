import CApusPlatform
import Glibc
import Synchronization
import Testing

@Suite struct PoolTests {
  @Test(arguments: [1, 2, 3, 8])
  func eachChunkIsDoneOnce(threads: Int) throws {
    let pool = try TestPool(threads: threads)
    #expect(apusp_pool_threads(pool.pointer) == Int32(threads))
    var random = SplitMix(seed: 11)
    for round in 0..<2000 {
      let chunks = round < 70 ? round : Int(random.next() % 300)
      let job = JobRecord(chunks: chunks)
      job.run(on: pool.pointer)
      #expect(job.isEachChunkDoneOnce, "\(chunks) chunks")
      #expect(job.collisions.load(ordering: .relaxed) == 0)
      #expect(job.workersSeen.load(ordering: .relaxed) < UInt64(1) << UInt64(threads))
    }
  }

  @Test func withoutAPoolTheCallerDoesAll() {
    let job = JobRecord(chunks: 50)
    job.run(on: nil)
    #expect(job.isEachChunkDoneOnce)
    #expect(job.workersSeen.load(ordering: .relaxed) == 1)
  }

  @Test func workersHelpAndWakeAfterSleeping() throws {
    let pool = try TestPool(threads: 2)
    for pause in [0, 100, 2000] as [UInt32] {
      usleep(pause)
      // Each chunk waits until two threads have been seen: it ends only if the worker comes.
      final class Meeting: Sendable { let seen = Atomic<UInt64>(0) }
      let meeting = Meeting()
      apusp_pool_run(
        pool.pointer, 2,
        { context, _, worker in
          let meeting = Unmanaged<Meeting>.fromOpaque(context!).takeUnretainedValue()
          meeting.seen.bitwiseOr(UInt64(1) << UInt64(worker), ordering: .relaxed)
          while meeting.seen.load(ordering: .relaxed) != 3 { sched_yield() }
        }, Unmanaged.passUnretained(meeting).toOpaque())
      #expect(meeting.seen.load(ordering: .relaxed) == 3)
    }
  }

  @Test func theCallerSleepsUntilTheSlowestChunkIsDone() throws {
    let pool = try TestPool(threads: 3)
    for _ in 0..<20 {
      final class Slow: Sendable { let done = Atomic<Int>(0) }
      let slow = Slow()
      apusp_pool_run(
        pool.pointer, 6,
        { context, _, worker in
          if worker != 0 { usleep(3000) }
          Unmanaged<Slow>.fromOpaque(context!).takeUnretainedValue().done.add(1, ordering: .relaxed)
        }, Unmanaged.passUnretained(slow).toOpaque())
      #expect(slow.done.load(ordering: .relaxed) == 6)
    }
  }

  @Test func aNestedCallDoesItsWorkAlone() throws {
    final class Outer: @unchecked Sendable {
      let pool: OpaquePointer
      let jobs: [JobRecord]
      init(pool: OpaquePointer, count: Int) {
        self.pool = pool
        jobs = (0..<count).map { _ in JobRecord(chunks: 17) }
      }
    }
    let pool = try TestPool(threads: 3)
    for _ in 0..<100 {
      let outer = Outer(pool: pool.pointer, count: 12)
      apusp_pool_run(
        pool.pointer, 12,
        { context, chunk, _ in
          let outer = Unmanaged<Outer>.fromOpaque(context!).takeUnretainedValue()
          outer.jobs[Int(chunk)].run(on: outer.pool)
        }, Unmanaged.passUnretained(outer).toOpaque())
      for job in outer.jobs {
        #expect(job.isEachChunkDoneOnce)
        #expect(job.workersSeen.load(ordering: .relaxed) == 1, "nested work stays on its thread, as worker 0")
      }
    }
  }

  @Test func callersOnManyThreadsShareThePool() throws {
    let pool = try TestPool(threads: 3)
    let failures = Failures()
    inParallel(4) { thread in
      var random = SplitMix(seed: UInt64(thread) + 100)
      for _ in 0..<3000 {
        let job = JobRecord(chunks: Int(random.next() % 40))
        job.run(on: pool.pointer)
        if !job.isEachChunkDoneOnce || job.collisions.load(ordering: .relaxed) != 0 {
          failures.count.add(1, ordering: .relaxed)
        }
      }
    }
    #expect(failures.count.load(ordering: .relaxed) == 0)
  }

  @Test func workersHaveNamesAndBlockSignals() throws {
    final class Seen: Sendable {
      let arrived = Atomic<Int>(0)
      let named = Atomic<Int>(0)
      let blocking = Atomic<Int>(0)
    }
    // A test's thread may have signals blocked already: let them through while the workers start.
    var signals = sigset_t()
    var before = sigset_t()
    sigemptyset(&signals)
    sigaddset(&signals, SIGINT)
    sigaddset(&signals, SIGTERM)
    pthread_sigmask(SIG_UNBLOCK, &signals, &before)
    defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
    let pool = try TestPool(threads: 3)
    let seen = Seen()
    apusp_pool_run(
      pool.pointer, 3,
      { context, _, worker in
        let seen = Unmanaged<Seen>.fromOpaque(context!).takeUnretainedValue()
        seen.arrived.add(1, ordering: .relaxed)
        while seen.arrived.load(ordering: .relaxed) < 3 { sched_yield() }  // all three threads take part
        if worker == 0 { return }
        var name = [CChar](repeating: 0, count: 16)
        readThreadName(&name)
        if String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self) == "apus-\(worker)" {
          seen.named.add(1, ordering: .relaxed)
        }
        var mask = sigset_t()
        pthread_sigmask(SIG_BLOCK, nil, &mask)
        if sigismember(&mask, SIGINT) == 1, sigismember(&mask, SIGTERM) == 1, sigismember(&mask, SIGSEGV) == 0 {
          seen.blocking.add(1, ordering: .relaxed)
        }
      }, Unmanaged.passUnretained(seen).toOpaque())
    #expect(seen.named.load(ordering: .relaxed) == 2)
    #expect(seen.blocking.load(ordering: .relaxed) == 2)
    var mask = sigset_t()
    pthread_sigmask(SIG_BLOCK, nil, &mask)
    #expect(sigismember(&mask, SIGINT) == 0, "the creator's mask is as it was")
  }

  @Test func poolsComeAndGo() throws {
    let allocator = CountingAllocator()
    for threads in 1...6 {
      let memory = try TestMemory(hooks: allocator.hooks)
      var pool: OpaquePointer?
      #expect(apusp_pool_create(memory.pointer, Int32(threads), &pool) == 0)
      let created = try #require(pool)
      apusp_pool_retain(created)
      apusp_pool_release(created)
      let job = JobRecord(chunks: threads)
      job.run(on: created)
      #expect(job.isEachChunkDoneOnce)
      apusp_pool_release(created)
      #expect(apusp_memory_in_use(memory.pointer) == 0)
    }
    #expect(allocator.blocks.load(ordering: .relaxed) == 0)
  }

  @Test func wrongArgumentsAndLackOfMemoryAreStatuses() throws {
    let memory = try TestMemory(limit: 16)
    var pool: OpaquePointer?
    #expect(apusp_pool_create(memory.pointer, -1, &pool) == Int32(APUSP_INVALID_ARGUMENT))
    #expect(apusp_pool_create(memory.pointer, 1025, &pool) == Int32(APUSP_INVALID_ARGUMENT))
    #expect(apusp_pool_create(memory.pointer, 2, &pool) == Int32(APUSP_LIMIT_EXCEEDED))
    #expect(pool == nil)
    var host = apusp_parallel_for()
    host.threads = 2
    #expect(apusp_pool_create_host(memory.pointer, &host, &pool) == Int32(APUSP_INVALID_ARGUMENT))
    host.run = { _, _, _, _ in }
    host.threads = 0
    #expect(apusp_pool_create_host(memory.pointer, &host, &pool) == Int32(APUSP_INVALID_ARGUMENT))
  }

  @Test func zeroThreadsMeansWhatThisProcessMayUse() throws {
    let pool = try TestPool(threads: 0)
    #expect(apusp_pool_threads(pool.pointer) == min(apusp_cpu_usable_count(), 1024))
  }

  // ThreadSanitizer's own locks do not survive a fork() of a process with threads.
  @Test(.enabled(if: dlsym(nil, "__tsan_init") == nil)) func aForkedChildWorksAlone() throws {
    let pool = try TestPool(threads: 3)
    JobRecord(chunks: 30).run(on: pool.pointer)
    // Swift hides fork(); the system call is all that this needs.
    let child = syscallFork()
    if child == 0 {
      let job = JobRecord(chunks: 30)
      job.run(on: pool.pointer)
      let alone = job.workersSeen.load(ordering: .relaxed) == 1
      apusp_pool_release(pool.pointer)
      _exit(job.isEachChunkDoneOnce && alone ? 0 : 1)
    }
    var status: Int32 = -1
    #expect(waitpid(child, &status, 0) == child)
    #expect(status == 0)
  }
}

/// What threads of a test count when an expectation does not hold.
final class Failures: Sendable { let count = Atomic<Int>(0) }

/// `fork()`, which Swift's overlay marks unavailable.
func syscallFork() -> pid_t {
  typealias Fork = @convention(c) () -> pid_t
  let address = dlsym(nil, "fork")
  return unsafeBitCast(address, to: Fork.self)()
}

/// The calling thread's name in at least 16 bytes.
func readThreadName(_ name: UnsafeMutablePointer<CChar>) {
  let file = open("/proc/thread-self/comm", O_RDONLY)
  let count = read(file, name, 15)
  if count > 0, name[count - 1] == CChar(UInt8(ascii: "\n")) { name[count - 1] = 0 }
  close(file)
}
