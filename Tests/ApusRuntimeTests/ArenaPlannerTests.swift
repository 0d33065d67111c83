import Testing

@testable import ApusRuntime

/// Both ways to place buffers, over random lives: none that live together overlap, and the arena is not much larger than the
/// most that lives at once.
@Suite struct ArenaPlannerTests {
  @Test(arguments: 0..<20) func placesWithoutOverlap(seed: UInt64) throws {
    var random = SeededGenerator(seed: seed)
    let steps = 40
    var buffers: [PlannedBuffer] = (0..<random.int(1...80)).map { _ in
      var buffer = PlannedBuffer(kind: .arena, byteCount: random.int(0...5000))
      buffer.firstStep = random.int(0...steps - 1)
      buffer.lastStep = min(buffer.firstStep + random.int(0...5), steps - 1)
      return buffer
    }
    func size(_ buffer: PlannedBuffer) -> Int { (max(buffer.byteCount, 1) + 63) / 64 * 64 }
    let most =
      (0..<steps).map { step in
        buffers.filter { $0.firstStep <= step && step <= $0.lastStep }.reduce(0) { $0 + size($1) }
      }.max() ?? 0
    for bySize in [true, false] {
      let total = try #require(bySize ? ArenaPlanner.placeBySize(&buffers) : ArenaPlanner.placeByTime(&buffers))
      #expect(total >= most && total <= 2 * most, "seed \(seed)")
      for (index, a) in buffers.enumerated() {
        #expect(a.arenaOffset % 64 == 0 && a.arenaOffset + size(a) <= total)
        for b in buffers[..<index] where a.firstStep <= b.lastStep && b.firstStep <= a.lastStep {
          #expect(a.arenaOffset + size(a) <= b.arenaOffset || b.arenaOffset + size(b) <= a.arenaOffset, "seed \(seed)")
        }
      }
    }
  }

  @Test func sizesBeyondMemoryAreRefused() {
    var buffers = [PlannedBuffer(kind: .arena, byteCount: .max - 10)]
    buffers[0].firstStep = 0
    buffers[0].lastStep = 0
    #expect(ArenaPlanner.placeBySize(&buffers) == nil)
    #expect(ArenaPlanner.placeByTime(&buffers) == nil)
  }
}
