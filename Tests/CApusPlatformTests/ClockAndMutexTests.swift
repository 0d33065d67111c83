import CApusPlatform
import Glibc
import Testing

@Suite struct ClockAndMutexTests {
  @Test func theClockRunsForwardInNanoseconds() {
    let start = apusp_clock_now()
    usleep(2000)
    let end = apusp_clock_now()
    #expect(start > 0 && end - start >= 2_000_000)
  }

  @Test func oneThreadAtATimeHoldsTheMutex() throws {
    struct Shared: @unchecked Sendable {
      let mutex: OpaquePointer
      let counter: UnsafeMutablePointer<Int>
    }
    let shared = Shared(mutex: try #require(apusp_mutex_create()), counter: .allocate(capacity: 1))
    shared.counter.initialize(to: 0)
    inParallel(4) { _ in
      for _ in 0..<10_000 {
        apusp_mutex_lock(shared.mutex)
        shared.counter.pointee += 1
        apusp_mutex_unlock(shared.mutex)
      }
    }
    #expect(shared.counter.pointee == 40_000)
    shared.counter.deallocate()
    apusp_mutex_destroy(shared.mutex)
  }
}
