/// Small changes of the kinds that find mistakes in parsers.
struct Mutation {
  private var generator: Generator

  init(seed: UInt64) { generator = Generator(seed: seed) }

  /// Changes `bytes` once, or a few times.
  mutating func mutate(_ bytes: inout [UInt8]) {
    for _ in 0..<(generator.chance(3) ? 1 + generator.below(8) : 1) where !bytes.isEmpty { change(&bytes) }
  }

  mutating func below(_ bound: Int) -> Int { generator.below(bound) }

  private mutating func change(_ bytes: inout [UInt8]) {
    let place = generator.below(bytes.count)
    switch generator.below(8) {
    case 0: bytes[place] ^= 1 << UInt8(generator.below(8))
    case 1: bytes[place] = [0, 1, 0x7F, 0x80, 0xFE, 0xFF][generator.below(6)]
    case 2: bytes[place] = UInt8(truncatingIfNeeded: generator.next())
    case 3: put(edge(), size: 4, at: place & ~3, &bytes)
    case 4: put(edge(), size: 2, at: place & ~1, &bytes)
    case 5: put(edge(), size: 8, at: place & ~7, &bytes)
    case 6:
      // A copy of another place: offsets that are right elsewhere.
      let source = generator.below(bytes.count) & ~3
      for index in 0..<4 where (place & ~3) + index < bytes.count && source + index < bytes.count {
        bytes[(place & ~3) + index] = bytes[source + index]
      }
    default: bytes[place] = bytes[place] &+ UInt8([1, 4, 8, 0xFF, 0xFC, 0xF8][generator.below(6)])
    }
  }

  private mutating func edge() -> UInt64 {
    [0, 1, 4, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF, 0x7FFF_FFFF_FFFF_FFFF, .max][
      generator.below(12)]
  }

  private func put(_ value: UInt64, size: Int, at place: Int, _ bytes: inout [UInt8]) {
    for index in 0..<size where place + index < bytes.count {
      bytes[place + index] = UInt8(truncatingIfNeeded: value >> UInt64(8 * index))
    }
  }
}
