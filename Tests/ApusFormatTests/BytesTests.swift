import ApusFormat
import Testing

@Suite struct BytesTests {
  @Test func bytePlanesPutByteJOfAllElementsTogether() {
    let raw: [UInt8] = [1, 2, 3, 4, 11, 12, 13, 14, 21, 22, 23, 24, 99, 98]
    #expect(split(raw, 4) == [1, 11, 21, 2, 12, 22, 3, 13, 23, 4, 14, 24, 99, 98])
    #expect(split(raw, 2) == [1, 3, 11, 13, 21, 23, 99, 2, 4, 12, 14, 22, 24, 98])
  }

  @Test func joinUndoesSplit() {
    var generator = Generator(seed: 4)
    for width in [2, 4, 8, 16] {
      for count in [0, 1, width - 1, width, width + 1, 1000, 4096 + 3] {
        let raw = generator.bytes(count)
        let planes = split(raw, width)
        var back = [UInt8](repeating: 0, count: count)
        planes.withUnsafeBytes { source in back.withUnsafeMutableBytes { BytePlanes.join(source, width: width, into: $0) } }
        #expect(back == raw)
      }
    }
  }

  private func split(_ raw: [UInt8], _ width: Int) -> [UInt8] {
    var planes = [UInt8](repeating: 0, count: raw.count)
    raw.withUnsafeBytes { source in planes.withUnsafeMutableBytes { BytePlanes.split(source, width: width, into: $0) } }
    return planes
  }

  /// The standard library's decoder is the oracle, over all one- to three-byte sequences and many of four.
  @Test func utf8IsWellFormedOrNot() {
    var mismatches: [[UInt8]] = []
    func check(_ bytes: [UInt8]) {
      if isValidUTF8(bytes) != (String(validating: bytes, as: UTF8.self) != nil) { mismatches.append(bytes) }
    }
    check([])
    for first in UInt8.min...UInt8.max {
      check([first])
      for second in stride(from: 0, through: 255, by: 3) {
        check([first, UInt8(second)])
        for third in [0x00, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xFF] as [UInt8] {
          check([first, UInt8(second), third])
          check([first, UInt8(second), third, 0x80])
          check([first, UInt8(second), third, 0xC0])
        }
      }
    }
    #expect(mismatches.isEmpty)
  }

  @Test func untrustedNumbersNeverOverflow() {
    let largest = Untrusted(UInt64.max)
    #expect(largest.adding(Untrusted(UInt64(1))) == nil)
    #expect(largest.multiplied(by: Untrusted(UInt64(2))) == nil)
    #expect(largest.rounded(upToMultipleOf: 64) == nil)
    #expect(largest.count(atMost: .max) == nil)
    #expect(largest.index(below: .max) == nil)
    #expect(Untrusted(UInt64(65)).rounded(upToMultipleOf: 64) == Untrusted(UInt64(128)))
    #expect(Untrusted(UInt64(5)).count(atMost: 5) == 5)
    #expect(Untrusted(UInt64(5)).index(below: 5) == nil)
  }

  /// xxHash's own test value for no input.
  @Test func checksumOfNothing() {
    #expect(Checksum.of(UnsafeRawBufferPointer(start: nil, count: 0)) == 0xEF46_DB37_51D8_E999)
  }
}
