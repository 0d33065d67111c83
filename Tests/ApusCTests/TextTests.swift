import Testing

@testable import ApusC

@Suite struct TextTests {
  private func copied(_ text: String, capacity: Int) -> [UInt8] {
    var bytes = [UInt8](repeating: 0xAA, count: capacity)
    bytes.withUnsafeMutableBytes { copyText(text, to: $0) }
    return bytes
  }

  @Test func textThatFitsIsWhole() {
    #expect(copied("abc", capacity: 4) == [97, 98, 99, 0])
    #expect(copied("", capacity: 1) == [0])
    #expect(copied("abc", capacity: 0) == [])
  }

  /// Every text of characters of 1 to 4 bytes, cut at every length, is still UTF-8 and a prefix.
  @Test func cutTextIsAPrefixOfWholeCharacters() {
    let text = "a\u{e9}\u{20ac}\u{1f600}z\u{1f600}"
    for capacity in 1...20 {
      let bytes = copied(text, capacity: capacity)
      let prefix = bytes.prefix { $0 != 0 }
      let string = String(validating: prefix, as: UTF8.self)
      #expect(string != nil && text.hasPrefix(string ?? "?"))
      #expect(prefix.count + 4 >= min(capacity, text.utf8.count + 1))
    }
  }
}
