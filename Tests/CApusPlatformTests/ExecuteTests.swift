import CApusPlatform
import Glibc
import Synchronization
import Testing

/// The argument block of the tests' kernel: adds 1 to each unit's cell and may fail, wait or cancel.
struct MarkArguments {
  var cells: UnsafeMutablePointer<Int32>
  var failAt: Int64 = -1
  var status: Int32 = 0
  var cancelAt: Int64 = -1
  var control: OpaquePointer? = nil
  var sleepMicroseconds: UInt32 = 0
}

private let mark: apusp_kernel = { args, begin, end, worker in
  let arguments = args!.assumingMemoryBound(to: MarkArguments.self).pointee
  for unit in begin..<end {
    if unit == arguments.cancelAt, let control = arguments.control { _ = apusp_run_control_cancel(control) }
    if arguments.failAt >= 0, unit >= arguments.failAt {
      worker!.pointee.fault = apusp_fault(code: arguments.status, operand: 1, position: unit, value: 7, lower: 0, upper: 5)
      return arguments.status
    }
    arguments.cells[Int(unit)] += 1
  }
  if arguments.sleepMicroseconds > 0 { usleep(arguments.sleepMicroseconds) }
  return 0
}

/// Steps with their argument blocks and cells, and workers for as many threads.
final class TestProgram {
  var steps: [apusp_step] = []
  let cells: [UnsafeMutableBufferPointer<Int32>]
  let arguments: UnsafeMutableBufferPointer<MarkArguments>
  let workers: UnsafeMutableBufferPointer<apusp_worker>

  init(units: [Int], grain: Int64, workers count: Int = 4) {
    cells = units.map {
      let cells = UnsafeMutableBufferPointer<Int32>.allocate(capacity: max($0, 1))
      cells.initialize(repeating: 0)
      return cells
    }
    arguments = .allocate(capacity: units.count)
    for (i, cells) in cells.enumerated() {
      arguments.initializeElement(at: i, to: MarkArguments(cells: cells.baseAddress!))
      steps.append(
        apusp_step(
          kernel: mark, args: UnsafeRawPointer(arguments.baseAddress! + i), units: Int64(units[i]), grain: grain,
          node: Int32(i), phases: 1))
    }
    workers = .allocate(capacity: count)
    workers.initialize(repeating: apusp_worker())
    for i in workers.indices { workers[i].index = Int32(i) }
  }

  deinit {
    for cells in cells { cells.deallocate() }
    arguments.deallocate()
    workers.deallocate()
  }

  func run(
    pool: TestPool? = nil, control: OpaquePointer? = nil, deadline: UInt64 = 0, profile: UnsafeMutablePointer<UInt64>? = nil,
    configure: (inout apusp_execution) -> Void = { _ in }
  ) -> apusp_outcome {
    var outcome = apusp_outcome()
    steps.withUnsafeBufferPointer { steps in
      var execution = apusp_execution()
      execution.steps = steps.baseAddress
      execution.count = Int64(steps.count)
      execution.workers = workers.baseAddress
      execution.worker_count = Int32(workers.count)
      execution.pool = pool?.pointer
      execution.control = control
      execution.deadline = deadline
      execution.profile = profile
      configure(&execution)
      let status = apusp_execute(&execution, &outcome)
      #expect(status == outcome.status)
    }
    return outcome
  }

  func isEachUnitDone(times: Int32, step: Int) -> Bool {
    (0..<Int(steps[step].units)).allSatisfy { cells[step][$0] == times }
  }
}

@Suite struct ExecuteTests {
  @Test(arguments: [nil, 1, 2, 3, 4, 7])
  func everyUnitOfEveryStepIsDoneOnce(threads: Int?) throws {
    let pool = try threads.map { try TestPool(threads: $0) }
    var random = SplitMix(seed: 5)
    for round in 0..<300 {
      let units = (0..<8).map { _ in Int(random.next() % 2000) } + [0, 1]
      let program = TestProgram(units: units, grain: Int64(1 + round % 50), workers: round % 3 == 0 ? 8 : 4)
      let outcome = program.run(pool: pool)
      #expect(outcome.status == 0)
      #expect(outcome.step == Int64(units.count))
      for step in units.indices { #expect(program.isEachUnitDone(times: 1, step: step)) }
    }
  }

  @Test func threadsHaveEqualShares() throws {
    let pool = try TestPool(
      host: apusp_parallel_for(
        user: nil, threads: 2,
        run: { _, count, body, context in
          for i in 0..<count { body(context, i) }
        }))
    for units in [2, 3, 7, 8, 9, 11, 12, 15, 17, 23, 100, 1003] {
      let program = TestProgram(units: [units], grain: 1)
      program.steps[0].kernel = { args, begin, end, _ in
        args!.assumingMemoryBound(to: MarkArguments.self).pointee.cells[Int(begin)] = Int32(end - begin)
        return 0
      }
      #expect(program.run(pool: pool).status == 0)
      let chunks = program.cells[0].filter { $0 > 0 }
      #expect(chunks.count == min(units, 8) && chunks.reduce(0) { $0 + Int($1) } == units, "\(units): \(chunks)")
      let shares = [chunks.prefix((chunks.count + 1) / 2), chunks.suffix(chunks.count / 2)].map { $0.reduce(0, +) }
      #expect((shares[0] - shares[1]).magnitude <= 1, "\(units): \(chunks)")
    }
  }

  @Test func chunksAreGrainsButTwoOfHalfAGrainWillDo() throws {
    let pool = try TestPool(
      host: apusp_parallel_for(
        user: nil, threads: 2,
        run: { _, count, body, context in
          for i in 0..<count { body(context, i) }
        }))
    // 70 units are seven grains, which two threads share in six chunks.
    for (units, chunks) in [(4, 1), (5, 2), (19, 2), (20, 2), (40, 4), (70, 6), (1000, 8)] {
      let program = TestProgram(units: [units], grain: 10)
      program.steps[0].kernel = { args, begin, _, _ in
        args!.assumingMemoryBound(to: MarkArguments.self).pointee.cells[Int(begin)] = 1
        return 0
      }
      #expect(program.run(pool: pool).status == 0)
      #expect(program.cells[0].reduce(0) { $0 + Int($1) } == chunks, "\(units)")
    }
  }

  @Test func anEmptyProgramSucceeds() {
    let outcome = TestProgram(units: [], grain: 1).run()
    #expect(outcome.status == 0 && outcome.step == 0)
  }

  @Test func withoutWorkersItIsRefused() {
    let outcome = TestProgram(units: [3], grain: 1).run { $0.worker_count = 0 }
    #expect(outcome.status == Int32(APUSP_INVALID_ARGUMENT))
  }

  @Test(arguments: [nil, 2, 4])
  func theLowestFaultWinsWhateverTheThreads(threads: Int?) throws {
    let pool = try threads.map { try TestPool(threads: $0) }
    for failAt in [0, 1, 333, 998, 999] {
      for _ in 0..<50 {
        let program = TestProgram(units: [100, 1000, 100], grain: 10)
        program.arguments[1].failAt = Int64(failAt)  // this unit and every one after it
        program.arguments[1].status = 600
        let outcome = program.run(pool: pool)
        #expect(outcome.status == 600)
        #expect(outcome.step == 1)
        #expect(outcome.fault.code == 600)
        #expect(outcome.fault.position == Int64(failAt))
        #expect(outcome.fault.value == 7 && outcome.fault.operand == 1)
        #expect(program.isEachUnitDone(times: 1, step: 0))
        #expect(program.isEachUnitDone(times: 0, step: 2))
        #expect((0..<failAt).allSatisfy { program.cells[1][$0] == 1 }, "what comes before the fault is done")
      }
    }
  }

  /// A running sum over phases: in each phase every cell becomes the sum of its two neighbours' cells of the phase before.
  private struct NeighbourArguments {
    var cells: UnsafeMutablePointer<UInt64>  // two rows of `count`, used in turns
    var count: Int64
  }

  @Test(arguments: [nil, 2, 3, 4])
  func eachPhaseSeesAllOfThePhaseBefore(threads: Int?) throws {
    let pool = try threads.map { try TestPool(threads: $0) }
    let count = 64
    let phases = 200
    var expected = (0..<count).map { UInt64($0) }
    for _ in 0..<phases { expected = (0..<count).map { expected[($0 + 1) % count] &+ expected[($0 + count - 1) % count] } }
    for round in 0..<20 {
      var cells = (0..<2 * count).map { UInt64($0 % count) }
      let last = cells.withUnsafeMutableBufferPointer { cells in
        var arguments = NeighbourArguments(cells: cells.baseAddress!, count: Int64(count))
        let program = TestProgram(units: [count], grain: Int64(1 + round))
        program.steps[0].phases = Int64(phases)
        program.steps[0].kernel = { args, begin, end, worker in
          let arguments = args!.assumingMemoryBound(to: NeighbourArguments.self).pointee
          let from = arguments.cells + Int(worker!.pointee.phase % 2 * arguments.count)
          let to = arguments.cells + Int((worker!.pointee.phase + 1) % 2 * arguments.count)
          let count = Int(arguments.count)
          for unit in Int(begin)..<Int(end) { to[unit] = from[(unit + 1) % count] &+ from[(unit + count - 1) % count] }
          return 0
        }
        return withUnsafePointer(to: &arguments) { arguments in
          program.steps[0].args = UnsafeRawPointer(arguments)
          #expect(program.run(pool: pool).status == 0)
          return Array(cells[0..<count])  // an even number of phases ends in the first row
        }
      }
      #expect(last == expected)
    }
  }

  /// The turns that the calls of each step saw, one row of cells a step and run.
  private struct TurnArguments {
    var turns: UnsafeMutablePointer<UInt64>
  }

  @Test(arguments: [nil, 2, 3])
  func callsOfAStepHaveATurnOfTheirOwn(threads: Int?) throws {
    let pool = try threads.map { try TestPool(threads: $0) }
    let units = 64, steps = 5, runs = 4
    var turns = [UInt64](repeating: 1, count: runs * steps * units)
    try turns.withUnsafeMutableBufferPointer { turns in
      let arguments = UnsafeMutablePointer<TurnArguments>.allocate(capacity: steps)
      defer { arguments.deallocate() }
      for run in 0..<runs {
        let program = TestProgram(units: [Int](repeating: units, count: steps), grain: 1)
        for step in 0..<steps {
          let row = try #require(turns.baseAddress) + (run * steps + step) * units
          (arguments + step).initialize(to: TurnArguments(turns: row))
          program.steps[step].args = UnsafeRawPointer(arguments + step)
          program.steps[step].kernel = { args, begin, end, worker in
            let arguments = args!.assumingMemoryBound(to: TurnArguments.self).pointee
            for unit in Int(begin)..<Int(end) { arguments.turns[unit] = worker!.pointee.turn }
            return 0
          }
        }
        #expect(program.run(pool: pool).status == 0)
      }
    }
    let rows = (0..<runs * steps).map { Set(turns[$0 * units..<($0 + 1) * units]) }
    #expect(rows.allSatisfy { $0.count == 1 })
    if threads == nil {
      #expect(rows.allSatisfy { $0 == [0] }, "each step in one call")
    } else {
      // A run is left to the caller where another program has kept workers from their CPUs; its steps are one call each.
      let split = rows.filter { $0 != [0] }
      #expect(Set(split).count == split.count)
    }
  }

  @Test(arguments: [nil, 2])
  func aFaultEndsTheStepAtItsPhase(threads: Int?) throws {
    let pool = try threads.map { try TestPool(threads: $0) }
    let program = TestProgram(units: [100], grain: 10)
    program.steps[0].phases = 5
    program.arguments[0].failAt = 40
    program.arguments[0].status = 600
    let outcome = program.run(pool: pool)
    #expect(outcome.status == 600 && outcome.step == 0 && outcome.fault.position == 40)
    #expect((0..<40).allSatisfy { program.cells[0][$0] == 1 }, "one phase")
  }

  @Test func aFaultDoesNotStayForTheNextRun() throws {
    let pool = try TestPool(threads: 2)
    let program = TestProgram(units: [100], grain: 1)
    program.arguments[0].failAt = 50
    program.arguments[0].status = 600
    #expect(program.run(pool: pool).status == 600)
    program.arguments[0].failAt = -1
    let outcome = program.run(pool: pool)
    #expect(outcome.status == 0 && outcome.fault.code == 0)
  }

  @Test(arguments: [nil, 2])
  func cancelStopsTheRunInFlightAndNotTheNext(threads: Int?) throws {
    let pool = try threads.map { try TestPool(threads: $0) }
    let control = try #require(apusp_run_control_create())
    defer { apusp_run_control_destroy(control) }
    let program = TestProgram(units: [100, 100, 100], grain: 1)
    program.arguments[0].cancelAt = 0
    program.arguments[0].control = control
    #expect(apusp_run_control_begin(control) == 0)
    let outcome = program.run(pool: pool, control: control)
    apusp_run_control_end(control)
    #expect(outcome.status == Int32(APUSP_CANCELLED))
    #expect(outcome.step == (threads == nil ? 1 : 0), "with chunks, the step itself is cut short")
    #expect(program.isEachUnitDone(times: 0, step: 1))

    program.arguments[0].cancelAt = -1
    #expect(apusp_run_control_begin(control) == 0)
    #expect(program.run(pool: pool, control: control).status == 0)
    apusp_run_control_end(control)
    #expect(program.isEachUnitDone(times: 1, step: 2))
  }

  @Test(arguments: [nil, 2])
  func aDeadlineStopsBetweenSteps(threads: Int?) throws {
    let pool = try threads.map { try TestPool(threads: $0) }
    let program = TestProgram(units: [4, 4, 4], grain: 4)
    #expect(program.run(pool: pool, deadline: apusp_clock_now() + 60_000_000_000).status == 0)
    let late = program.run(pool: pool, deadline: 1)
    #expect(late.status == Int32(APUSP_DEADLINE_EXCEEDED) && late.step == 0)
    program.arguments[1].sleepMicroseconds = 30_000
    let cut = program.run(pool: pool, deadline: apusp_clock_now() + 20_000_000)
    #expect(cut.status == Int32(APUSP_DEADLINE_EXCEEDED))
    #expect(cut.step <= 2)
  }

  @Test func aDeadlineCutsASplitStepShort() throws {
    let pool = try TestPool(threads: 2)
    let program = TestProgram(units: [64], grain: 1)  // enough to wake the worker for
    program.arguments[0].sleepMicroseconds = 10_000  // a chunk
    let outcome = program.run(pool: pool, deadline: apusp_clock_now() + 1_000_000)
    #expect(outcome.status == Int32(APUSP_DEADLINE_EXCEEDED) && outcome.step == 0)
    #expect((0..<64).contains { program.cells[0][$0] == 0 })
  }

  @Test func theProfileAddsUpEachStepsTime() throws {
    let program = TestProgram(units: [1, 1], grain: 1)
    program.arguments[1].sleepMicroseconds = 2000
    var profile: [UInt64] = [0, 0]
    #expect(program.run(profile: &profile).status == 0)
    #expect(profile[1] >= 2_000_000)
    #expect(profile[0] < profile[1])
    let once = profile
    #expect(program.run(profile: &profile).status == 0)
    #expect(profile[1] >= once[1] + 2_000_000)
  }

  @Test func progressIsToldAfterEachStep() {
    final class Told { var calls: [[Int64]] = [] }
    let told = Told()
    let program = TestProgram(units: [1, 0, 5], grain: 1)
    let outcome = program.run {
      $0.progress = { user, done, count in
        Unmanaged<Told>.fromOpaque(user!).takeUnretainedValue().calls.append([done, count])
      }
      $0.progress_user = Unmanaged.passUnretained(told).toOpaque()
    }
    #expect(outcome.status == 0)
    #expect(told.calls == [[1, 3], [2, 3], [3, 3]])
  }

  @Test func sessionsOnSeveralThreadsShareAPool() throws {
    let pool = try TestPool(threads: 2)
    let failures = Failures()
    inParallel(3) { thread in
      let program = TestProgram(units: [300, 17, 1000], grain: 10)
      for run in 1...300 {
        if program.run(pool: pool).status != 0 { failures.count.add(1, ordering: .relaxed) }
        for step in 0..<3 where !program.isEachUnitDone(times: Int32(run), step: step) {
          failures.count.add(1, ordering: .relaxed)
        }
      }
    }
    #expect(failures.count.load(ordering: .relaxed) == 0)
  }
}
