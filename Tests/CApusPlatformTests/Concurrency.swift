import Dispatch
import Synchronization

/// Runs `body(0)` ... `body(count - 1)` on as many threads of their own, started together.
func inParallel(_ count: Int, _ body: @escaping @Sendable (Int) -> Void) {
  let group = DispatchGroup()
  let ready = Barrier(count)
  for i in 0..<count {
    let queue = DispatchQueue(label: "test-\(i)")
    queue.async(group: group) {
      ready.wait()
      body(i)
    }
  }
  group.wait()
}

/// Lets threads through when all have come.
final class Barrier: Sendable {
  private let missing: Atomic<Int>
  init(_ count: Int) { missing = Atomic(count) }
  func wait() {
    missing.subtract(1, ordering: .acquiringAndReleasing)
    while missing.load(ordering: .acquiring) > 0 {}
  }
}

/// The SplitMix64 generator (Steele, Lea, Flood 2014): the same numbers for the same seed on every machine.
struct SplitMix {
  var state: UInt64
  init(seed: UInt64) { state = seed }
  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}
