import ApusGraph
import Testing

@Suite struct SortedOrderTests {
  @Test func agreesWithTheStandardLibraryAndKeepsEqualElementsInOrder() {
    let seed = UInt64(20_261_121)
    print("seed \(seed)")
    var state = seed
    for count in 0..<150 {
      let keys = (0..<count).map { _ in
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return Int(state >> 60)
      }
      let expected = keys.enumerated().sorted { ($0.element, $0.offset) < ($1.element, $1.offset) }.map(\.offset)
      #expect(sortedOrder(count) { keys[$0] < keys[$1] } == expected)
      #expect(keys.inOrder() == keys.sorted())
    }
  }
}
