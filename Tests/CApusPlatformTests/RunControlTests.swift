import CApusPlatform
import Synchronization
import Testing

@Suite struct RunControlTests {
  @Test func cancelWithoutARunDoesNothingNowOrLater() throws {
    let control = try #require(apusp_run_control_create())
    defer { apusp_run_control_destroy(control) }
    #expect(!apusp_run_control_cancel(control))
    #expect(apusp_run_control_begin(control) == 0)
    #expect(!apusp_run_control_is_cancelled(control))
    #expect(apusp_run_control_is_running(control))
    apusp_run_control_end(control)
    #expect(!apusp_run_control_is_running(control))
    #expect(!apusp_run_control_cancel(control))
  }

  @Test func cancelActsOnTheRunInFlightOnly() throws {
    let control = try #require(apusp_run_control_create())
    defer { apusp_run_control_destroy(control) }
    for _ in 0..<5 {
      #expect(apusp_run_control_begin(control) == 0)
      #expect(apusp_run_control_cancel(control))
      #expect(apusp_run_control_cancel(control), "a second request finds the same run")
      #expect(apusp_run_control_is_cancelled(control))
      apusp_run_control_end(control)
      #expect(!apusp_run_control_is_cancelled(control))
    }
  }

  @Test func aSecondRunIsBusy() throws {
    let control = try #require(apusp_run_control_create())
    defer { apusp_run_control_destroy(control) }
    #expect(apusp_run_control_begin(control) == 0)
    #expect(apusp_run_control_begin(control) == Int32(APUSP_BUSY))
    _ = apusp_run_control_cancel(control)
    #expect(apusp_run_control_begin(control) == Int32(APUSP_BUSY), "also while it is being cancelled")
    apusp_run_control_end(control)
    #expect(apusp_run_control_begin(control) == 0)
    apusp_run_control_end(control)
  }

  @Test func ofManyBeginnersOneWins() throws {
    struct Shared: @unchecked Sendable { let control: OpaquePointer }
    let shared = Shared(control: try #require(apusp_run_control_create()))
    defer { apusp_run_control_destroy(shared.control) }
    let inside = Failures()
    let clashes = Failures()
    let runs = Failures()
    inParallel(4) { thread in
      for _ in 0..<20_000 {
        if thread == 0 { _ = apusp_run_control_cancel(shared.control) }
        guard apusp_run_control_begin(shared.control) == 0 else { continue }
        if inside.count.add(1, ordering: .relaxed).oldValue != 0 { clashes.count.add(1, ordering: .relaxed) }
        runs.count.add(1, ordering: .relaxed)
        inside.count.subtract(1, ordering: .relaxed)
        apusp_run_control_end(shared.control)
      }
    }
    #expect(clashes.count.load(ordering: .relaxed) == 0)
    #expect(runs.count.load(ordering: .relaxed) > 0)
    #expect(!apusp_run_control_is_running(shared.control))
  }
}
