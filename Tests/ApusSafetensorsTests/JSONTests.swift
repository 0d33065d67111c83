import ApusGraph
import ApusSafetensors
import Testing

@Suite struct JSONTests {
  @Test func everyKindOfValueSurvivesARoundTrip() throws {
    let value: JSONValue = [
      "null": .null, "yes": true, "no": false, "small": -3, "largest": JSONValue(Int64.max), "smallest": JSONValue(Int64.min),
      "number": .number(0.1), "text": "a\"\\\n\t\u{1}é😀", "list": [1, "two", [3]], "empty": [:], "none": [],
    ]
    #expect(try JSONValue(parsing: value.serialized()) == value)
    #expect(try JSONValue(parsing: value.serialized(indented: true)) == value)
  }

  @Test func keysKeepTheirOrder() throws {
    let value = try JSONValue(parsing: #"{"b":1,"a":2,"c":{"z":0,"y":0}}"#)
    #expect(value.serialized() == #"{"b":1,"a":2,"c":{"z":0,"y":0}}"#)
    #expect(value.objectValue?.map(\.key) == ["b", "a", "c"])
  }

  @Test func indentedTextKeepsListsOfNumbersOnOneLine() {
    let value: JSONValue = ["shape": [1, 2], "nodes": [["a": 1]]]
    #expect(value.serialized(indented: true) == "{\n  \"shape\": [1, 2],\n  \"nodes\": [\n    {\n      \"a\": 1\n    }\n  ]\n}")
  }

  @Test func numbersThatJSONCanNotWriteAreStrings() throws {
    #expect(JSONValue.float(.nan) == "NaN")
    #expect(JSONValue.float(-.infinity).floatValue == -.infinity)
    #expect(JSONValue.float(.nan).floatValue?.isNaN == true)
    #expect(JSONValue("nan").floatValue == nil)
    for value: Float in [0.1, .leastNonzeroMagnitude, .greatestFiniteMagnitude, -0.0] {
      for json in [JSONValue.float(Double(value)), .float32(value)] {
        #expect(try JSONValue(parsing: json.serialized()).floatValue.map { Float($0).bitPattern } == value.bitPattern)
      }
    }
    #expect(JSONValue.float32(0.1).serialized() == "0.1")
    #expect(JSONValue.float32(-.infinity) == "-Infinity")
  }

  @Test func escapesAndSurrogatesAreRead() throws {
    #expect(try JSONValue(parsing: #""\u0041\ud83d\ude00\/\b\f\n\r\t\"\\""#) == "A😀/\u{8}\u{c}\n\r\t\"\\")
  }

  @Test(arguments: [
    "", "{", "[", "[1", "[1,", "[1,]", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{a:1}", "{\"a\":1,\"a\":2}", "01", "-", "1.", "1e",
    "1e400", ".5", "+1", "tru", "nul", "NaN", "\"", "\"\\", "\"\\x\"", "\"\\u12\"", "\"\\ud83d\"", "\"\\ud83d\\u0041\"",
    "\"\\ude00\"", "\"\n\"", "1 2", "{} {}", "// 1",
  ])
  func malformedTextIsRefused(_ text: String) {
    let error = #expect(throws: ApusError.self) { _ = try JSONValue(parsing: text) }
    #expect(error?.status == .malformed)
    #expect(error?.fileOffset != nil)
  }

  @Test func invalidUTF8IsRefused() {
    #expect(throws: ApusError.self) { _ = try JSONValue(parsing: [0x22, 0xFF, 0x22]) }
  }

  @Test func keysThatAreEqualAsTextButNotAsBytesAreDifferent() throws {
    // "é" composed and decomposed: String calls them equal.
    let value = try JSONValue(parsing: "{\"\u{E9}\":1,\"e\u{301}\":2}")
    #expect(value["\u{E9}"] == 1)
    #expect(value["e\u{301}"] == 2)
  }

  @Test func nestingHasALimit() throws {
    let deep = String(repeating: "[", count: 63) + String(repeating: "]", count: 63)
    _ = try JSONValue(parsing: deep)
    let tooDeep = String(repeating: "[", count: 100_000)
    let error = #expect(throws: ApusError.self) { _ = try JSONValue(parsing: tooDeep) }
    #expect(error?.message.contains("nested deeper") == true)
  }
}
