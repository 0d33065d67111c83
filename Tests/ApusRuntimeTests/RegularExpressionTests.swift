import ApusGraph
import Testing

@testable import ApusRuntime

@Suite struct RegularExpressionTests {
  @Test(arguments: [
    ("a+b?c*", "aaab", true), ("a+b?c*", "b", false), ("(foo|ba[rz])+", "foobarbaz", true), ("\\d{2,3}", "1", false),
    ("\\d{2,3}", "123", true), ("\\d{2,3}", "1234", false), ("[^[:digit:]x-z]+", "abc", true), ("[^x-z]+", "aya", false),
    ("(?i)straße", "STRAßE", true), ("(?i)[^a]", "A", false), (".", "é", true), (".", "\n", false), ("^a$", "a", true),
    ("", "", true), ("(a*)*b", String(repeating: "a", count: 200), false), ("x{0,1000}", String(repeating: "x", count: 1000), true),
  ]) func regularExpressionsMatchTheWholeText(pattern: String, text: String, expected: Bool) throws {
    #expect(try RegularExpression(Array(pattern.utf8)).matches(Array(text.utf8)) == expected)
  }

  @Test(arguments: ["(", "a)", "[a", "*", "a**", "\\q", "a{2,1}", "a{1001}", "(((a{1000}){1000}){1000})", "[b-a]", "(?x)a"])
  func wrongPatternsAreRefused(pattern: String) {
    #expect(throws: ApusError.self) { try RegularExpression(Array(pattern.utf8)) }
  }
}
