import CApus
import Testing

@testable import ApusC

@Suite(.serialized) struct HandleTests {
  private func makePool() -> OpaquePointer? {
    var options = apus_pool_options()
    apus_pool_options_init(&options, MemoryLayout<apus_pool_options>.size)
    options.threads = 1
    var pool: OpaquePointer?
    #expect(apus_pool_create(&options, &pool, nil) == APUS_OK)
    return pool
  }

  @Test func deadHandlesStayDeadWhileManyOthersComeAndGo() {
    let first = makePool()
    apus_pool_release(first)
    for _ in 0..<200 { apus_pool_release(makePool()) }
    #expect(apus_pool_threads(first) == 0)
  }

  @Test func handlesAreUsedAgainSoThatMemoryDoesNotGrow() {
    var seen: Set<OpaquePointer> = []
    for _ in 0..<5000 {
      let pool = makePool()
      if let pool { seen.insert(pool) }
      apus_pool_release(pool)
    }
    #expect(seen.count < 700)
  }

  @Test func referencesAreCountedToTheLast() {
    let pool = makePool()
    for _ in 0..<10 { apus_pool_retain(pool) }
    for _ in 0..<10 { apus_pool_release(pool) }
    #expect(apus_pool_threads(pool) == 1)
    apus_pool_release(pool)
    #expect(apus_pool_threads(pool) == 0)
    apus_pool_release(pool)
  }
}
