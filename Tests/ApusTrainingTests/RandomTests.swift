import ApusGraph
import Testing

@testable import ApusTraining

@Suite struct RandomTests {
  /// The known answers of Random123, the reference implementation of Philox (kat_vectors, philox4x32 with 10 rounds).
  @Test func philoxGivesTheKnownAnswers() {
    let answers: [(counter: SIMD4<UInt32>, key: SIMD2<UInt32>, result: SIMD4<UInt32>)] = [
      (.zero, .zero, [0x6627_E8D5, 0xE169_C58D, 0xBC57_AC4C, 0x9B00_DBD8]),
      (
        SIMD4(repeating: .max), SIMD2(repeating: .max),
        [0x408F_276D, 0x41C8_3B0E, 0xA20B_C7C6, 0x6D54_51FD]
      ),
      (
        [0x243F_6A88, 0x85A3_08D3, 0x1319_8A2E, 0x0370_7344], [0xA409_3822, 0x299F_31D0],
        [0xD16C_FE09, 0x94FD_CCEB, 0x5001_E420, 0x2412_6EA1]
      ),
    ]
    for answer in answers { #expect(RandomGenerator.philox(counter: answer.counter, key: answer.key) == answer.result) }
  }

  @Test func aGeneratorGoesOnFromItsPosition() {
    var one = RandomGenerator(seed: 7, stream: .dropout)
    let words = (0..<11).map { _ in one.nextWord() }
    for start in 0..<11 {
      var other = RandomGenerator(seed: 7, stream: .dropout, position: UInt64(start))
      #expect((start..<11).map { _ in other.nextWord() } == Array(words[start...]))
    }
    var otherStream = RandomGenerator(seed: 7)
    #expect((0..<11).map { _ in otherStream.nextWord() } != words)
  }

  @Test func boundedIntegersAreUniform() {
    var generator = RandomGenerator(seed: 3)
    var counts = [Int](repeating: 0, count: 6)
    for _ in 0..<60_000 { counts[Int(generator.nextInteger(below: 6))] += 1 }
    // Five standard deviations of a binomial count.
    for count in counts { #expect(abs(count - 10_000) < 460) }
  }

  @Test(arguments: [0, 1, 2, 257])
  func permutationsHoldEachNumberOnce(_ count: Int) {
    var generator = RandomGenerator(seed: 1, stream: .shuffle(epoch: count))
    let order = generator.permutation(count)
    #expect(order.sorted() == Array(0..<count))
    if count > 2 { #expect(order != Array(0..<count)) }
  }

  /// Fisher and Yates reach each of the 6 orders of 3 with the same probability.
  @Test func permutationsAreUniform() {
    var generator = RandomGenerator(seed: 12)
    var counts: [[Int]: Int] = [:]
    for _ in 0..<12_000 { counts[generator.permutation(3), default: 0] += 1 }
    #expect(counts.count == 6)
    for count in counts.values { #expect(abs(count - 2000) < 205) }
  }

  /// Each rule with its variance for 200 inputs and 100 outputs, and its bound.
  private static let rules: [(Initializer, variance: Double, bound: Double)] = [
    (.glorotUniform, 2.0 / 300, 0.02.squareRoot()), (.glorotNormal, 2.0 / 300, .infinity),
    (.heUniform, 2.0 / 200, 0.03.squareRoot()), (.heNormal, 2.0 / 200, .infinity),
    (.uniform(limit: 0.5), 1.0 / 12, 0.5), (.normal(deviation: 2), 4, .infinity),
  ]

  @Test(arguments: 0..<6)
  func initializersHaveTheirStatistics(_ rule: Int) {
    let (initializer, variance, bound) = Self.rules[rule]
    let deviation = variance.squareRoot()
    var generator = RandomGenerator(seed: 21)
    let count = 20_001
    let values = initializer.values(count: count, fanIn: 200, fanOut: 100, using: &generator).map { Double($0) }
    #expect(values.count == count)
    let mean: Double = values.reduce(0, +) / Double(count)
    var squares = 0.0
    for value in values { squares += (value - mean) * (value - mean) }
    let measured = (squares / Double(count)).squareRoot()
    // Five standard errors of the mean; the deviation's own error is below 1 % here.
    #expect(abs(mean) < 5 * deviation / Double(count).squareRoot())
    #expect(abs(measured / deviation - 1) < 0.03)
    #expect(values.allSatisfy { abs($0) <= bound * 1.000001 })
    // A uniform draw comes near its limit.
    if bound < .infinity { #expect(values.contains { $0 > 0.999 * bound } && values.contains { $0 < -0.999 * bound }) }
  }

  @Test func convolutionsCountTheKernelAsFans() throws {
    var generator = RandomGenerator(seed: 2)
    let layer = try Conv2d(64, 32, kernel: 3, initializer: .glorotUniform, using: &generator)
    let limit = (6.0 / (64 * 9 + 32 * 9)).squareRoot()
    let largest = layer.weight.values.map { abs(Double($0)) }.max() ?? 0
    #expect(largest <= limit && largest > 0.999 * limit)
  }
}
