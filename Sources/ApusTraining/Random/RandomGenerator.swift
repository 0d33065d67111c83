/// A counter-based random generator: Philox 4x32-10 (Salmon, Moraes, Dror, Shaw: Parallel random numbers: as easy as 1, 2, 3,
/// SC 2011).
///
/// The numbers are a pure function of (seed, stream, position): a generator is saved as three integers, continued exactly, and
/// read at any position by any thread. One block of the cipher gives four 32-bit words; `position` counts words.
public struct RandomGenerator: RandomNumberGenerator, Equatable, Sendable {
  /// What a stream of numbers is for. Streams of one seed are independent of each other.
  public struct Stream: Equatable, Sendable {
    public var number: UInt64

    public init(_ number: UInt64) { self.number = number }

    /// Initial weights.
    public static let initialization = Stream(0)
    /// Dropout masks.
    public static let dropout = Stream(1)
    /// The order of the examples in epoch `epoch`.
    public static func shuffle(epoch: Int) -> Stream { Stream(1 << 32 + UInt64(truncatingIfNeeded: epoch)) }
  }

  public let seed: UInt64
  public let stream: Stream
  /// Index of the next 32-bit word.
  public var position: UInt64

  public init(seed: UInt64, stream: Stream = .initialization, position: UInt64 = 0) {
    self.seed = seed
    self.stream = stream
    self.position = position
  }

  /// The next two words, the first as the low half.
  public mutating func next() -> UInt64 {
    let low = nextWord()
    return UInt64(nextWord()) << 32 | UInt64(low)
  }

  public mutating func nextWord() -> UInt32 {
    let block = block(at: position >> 2)
    let word = block[Int(position & 3)]
    position &+= 1
    return word
  }

  /// Uniform in [0, 1): a multiple of 2^-24.
  public mutating func nextUniform() -> Float { Self.uniform(nextWord()) }

  /// Uniform in [0, bound), without bias (Lemire: Fast random integer generation in an interval, 2019). `bound` > 0.
  public mutating func nextInteger(below bound: UInt32) -> UInt32 {
    var product = UInt64(nextWord()) &* UInt64(bound)
    if UInt32(truncatingIfNeeded: product) < bound {
      let threshold = (0 &- bound) % bound
      while UInt32(truncatingIfNeeded: product) < threshold { product = UInt64(nextWord()) &* UInt64(bound) }
    }
    return UInt32(truncatingIfNeeded: product >> 32)
  }

  /// The four words of block number `index` of this stream.
  public func block(at index: UInt64) -> SIMD4<UInt32> {
    Self.philox(
      counter: SIMD4(
        UInt32(truncatingIfNeeded: index), UInt32(truncatingIfNeeded: index >> 32),
        UInt32(truncatingIfNeeded: stream.number), UInt32(truncatingIfNeeded: stream.number >> 32)),
      key: SIMD2(UInt32(truncatingIfNeeded: seed), UInt32(truncatingIfNeeded: seed >> 32)))
  }

  static func uniform(_ word: UInt32) -> Float { Float(word >> 8) * 0x1p-24 }

  /// Ten rounds of Philox 4x32.
  static func philox(counter: SIMD4<UInt32>, key: SIMD2<UInt32>) -> SIMD4<UInt32> {
    var c = counter
    var k = key
    for _ in 0..<10 {
      let p0 = UInt64(c[0]) &* 0xD251_1F53
      let p1 = UInt64(c[2]) &* 0xCD9E_8D57
      c = SIMD4(
        UInt32(truncatingIfNeeded: p1 >> 32) ^ c[1] ^ k[0], UInt32(truncatingIfNeeded: p1),
        UInt32(truncatingIfNeeded: p0 >> 32) ^ c[3] ^ k[1], UInt32(truncatingIfNeeded: p0))
      k = k &+ SIMD2(0x9E37_79B9, 0xBB67_AE85)
    }
    return c
  }
}

extension RandomGenerator {
  /// The numbers 0..<count in random order (Fisher and Yates; Knuth, algorithm P).
  ///
  /// Written out because the standard library does not promise that `shuffled(using:)` stays the same between versions.
  public mutating func permutation(_ count: Int) -> [Int] {
    var order = Array(0..<count)
    guard count > 1 else { return order }
    for last in stride(from: count - 1, to: 0, by: -1) {
      order.swapAt(last, Int(nextInteger(below: UInt32(truncatingIfNeeded: last + 1))))
    }
    return order
  }
}
