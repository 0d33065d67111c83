import ApusGraph
import Testing

@testable import ApusRuntime

/// Operators on tensors of text.
@Suite struct TextTests {
  private enum Value {
    case text([String], [Int])
    case numbers(TestTensor, ElementType)
  }

  private func run(_ name: Name, version: Int32, _ operands: [Value], _ attributes: [Attribute] = []) throws -> RuntimeTensor {
    try results(name, version: version, operands, attributes)[0]
  }

  private func results(
    _ name: Name, version: Int32, _ operands: [Value], _ attributes: [Attribute] = [], count: Int = 1
  ) throws -> [RuntimeTensor] {
    var builder = ModelBuilder()
    var inputs: [ValueID] = []
    for (index, operand) in operands.enumerated() {
      switch operand {
      case .text(_, let shape): inputs.append(builder.input(Name("x\(index)"), Shape(shape), .string))
      case .numbers(let tensor, let type): inputs.append(builder.input(Name("x\(index)"), Shape(tensor.shape), type))
      }
    }
    for output in builder.node(name, version: version, inputs, outputs: count, attributes) { builder.output(output) }
    var options = LoadOptions()
    (options.registry, options.bindings) = (.full, .full)
    let model = try Model(definition: builder.definition, options: options)
    let values = try operands.map { operand -> RuntimeValue in
      switch operand {
      case .text(let strings, let shape):
        return .tensor(try RuntimeTensor(strings: strings.map { Array($0.utf8) }, shape, memory: model.memory))
      case .numbers(let tensor, let type):
        let made = try RuntimeTensor(type, tensor.shape, memory: model.memory)
        made.mutableBytes.copyBytes(from: tensor.bytes)
        return .tensor(made)
      }
    }
    return try Session(model: model).run(values).map { try #require($0.tensor) }
  }

  private func bytes(_ tensor: RuntimeTensor) -> [UInt8] { withExtendedLifetime(tensor) { Array(tensor.bytes) } }

  private func strings(_ tensor: RuntimeTensor) -> [String] { tensor.strings.map { String(decoding: $0, as: UTF8.self) } }

  @Test func equalityAndSelectionBroadcast() throws {
    let words = Value.text(["a", "", "bc", "a"], [2, 2])
    #expect(bytes(try run("Equal", version: 19, [words, .text(["a"], [])])) == [1, 0, 0, 1])
    let chosen = try run(
      "Where", version: 16, [.numbers(TestTensor([UInt8(1), 0], [2]), .bool), words, .text(["é"], [1])])
    #expect(strings(chosen) == ["a", "é", "bc", "é"])
    #expect(chosen.extents == [2, 2])
  }

  @Test func elementsAreMoved() throws {
    let turned = try run("Transpose", version: 25, [.text(["a", "b", "c", "d", "e", "f"], [2, 3])])
    #expect(turned.extents == [3, 2])
    #expect(strings(turned) == ["a", "d", "b", "e", "c", "f"])
    let joined = try run("Concat", version: 13, [.text(["x"], [1]), .text(["", "x"], [2])], [Attribute("axis", .int(0))])
    #expect(strings(joined) == ["x", "", "x"])
  }

  @Test func numbersAreReadAndWritten() throws {
    let words = Value.text(["1.5", " -2e-3 ", "+INF", "nan", "100.5"], [5])
    let floats = try run("Cast", version: 25, [words], [Attribute("to", .int(1))])
    let values = TestTensor(shape: [5], bytes: bytes(floats)).floats
    #expect(Array(values[..<3]) == [1.5, -0.002, .infinity] && values[3].isNaN && values[4] == 100.5)
    let whole = try run(
      "Cast", version: 25, [.text(["9223372036854775807", "-7", "1e3"], [3])], [Attribute("to", .int(7))])
    #expect(TestTensor(shape: [3], bytes: bytes(whole)).values(Int64.self) == [.max, -7, 1000])
    let text = try run(
      "Cast", version: 25, [.numbers(TestTensor([0.1, -3, 1e20] as [Float], [3]), .float32)], [Attribute("to", .int(8))])
    #expect(strings(text) == ["0.1", "-3.0", "1e+20"])
    for word in ["", "x", "0x10", "1.2.3"] {
      #expect(
        message { _ = try run("Cast", version: 25, [.text([word], [1])], [Attribute("to", .int(1))]) }.contains("no number"))
    }
  }

  @Test func textIsCutAtDelimitersOrWhiteSpace() throws {
    let cut = try results(
      "StringSplit", version: 20, [.text(["a,,b", "", "c"], [3])], [Attribute("delimiter", .string(","))], count: 2)
    #expect(cut[0].extents == [3, 3])
    #expect(strings(cut[0]) == ["a", "", "b", "", "", "", "c", "", ""])
    #expect(TestTensor(shape: [3], bytes: bytes(cut[1])).values(Int64.self) == [3, 1, 1])
    let words = try results(
      "StringSplit", version: 20, [.text(["  a b\tc ", " "], [2])], [Attribute("maxsplit", .int(1))], count: 2)
    #expect(strings(words[0]) == ["a", "b\tc ", "", ""])
  }

  @Test func stopWordsGoAndCasesChange() throws {
    let words = Value.text(["Monday", "tuesday", "Ärger"], [1, 3])
    let stop = Attribute("stopwords", .strings(["MONDAY"]))
    let kept = try run("StringNormalizer", version: 10, [words], [stop, Attribute("case_change_action", .string("UPPER"))])
    #expect(kept.extents == [1, 2])
    #expect(strings(kept) == ["TUESDAY", "ÄRGER"])
    let none = try run("StringNormalizer", version: 10, [.text(["a"], [1])], [Attribute("stopwords", .strings(["A"]))])
    #expect(strings(none) == [""])
  }

  @Test func gramsAreCountedWithSkips() throws {
    let attributes = [
      Attribute("mode", .string("TF")), Attribute("min_gram_length", .int(1)), Attribute("max_gram_length", .int(2)),
      Attribute("max_skip_count", .int(1)), Attribute("ngram_counts", .ints([0, 2])),
      Attribute("ngram_indexes", .ints([0, 1, 2])), Attribute("pool_strings", .strings(["a", "b", "a", "c"])),
    ]
    let counted = try run("TfIdfVectorizer", version: 9, [.text(["a", "b", "c", "a", "c"], [5])], attributes)
    // "a" twice, "b" once, "a c" once side by side and once with one item between.
    #expect(TestTensor(shape: [3], bytes: bytes(counted)).floats == [2, 1, 2])
  }
}

@Suite struct RegularExpressionTests {
  @Test(arguments: [
    ("a(b|c)*d", "abcbd", "abxd"), ("[[:alpha:]_]\\w{1,3}", "_a1", "1abc"), ("(?i)HeLLo", "hEllO", "hell"),
    ("(?:ab){2}", "abab", "ab"), ("[^a-c\\]]+", "xyz", "x]"), ("\\x41\\x{e9}.", "Aé-", "Aé\n"), ("\\Qa.b\\E", "a.b", "axb"),
    ("(a*)*b", "aaab", "aaa"), ("^\\bcat\\b$", "cat", "cats"), ("a{,2}", "a{,2}", "aa"), ("x??y+?", "xyy", "xx"),
    ("(?s).(?-s:.)", "\na", "a\n"), ("(?P<year>\\d{4})-(?P<month>\\d\\d)", "2024-05", "2024-5"), ("", "", "a"),
  ])
  func wholeTextsMatch(pattern: String, text: String, other: String) throws {
    let expression = try RegularExpression(Array(pattern.utf8))
    #expect(expression.matches(Array(text.utf8)))
    #expect(!expression.matches(Array(other.utf8)))
  }

  @Test(arguments: ["(", "a)", "[a", "*a", "a**", "[z-a]", "\\p{Greek}", "a{2000}", "(?q)", "\\x{110000}", "[[:none:]]"])
  func otherPatternsAreRefused(pattern: String) {
    #expect(throws: ApusError.self) { try RegularExpression(Array(pattern.utf8)) }
  }

  /// Patterns and texts that take other matchers exponential time or memory.
  @Test func hostilePatternsEndSoon() throws {
    #expect(throws: ApusError.self) { try RegularExpression(Array("((((()){999}){999}){999}){999}".utf8)) }
    #expect(throws: ApusError.self) {
      try RegularExpression(Array(repeating: UInt8(ascii: "("), count: 100_000))
    }
    let expression = try RegularExpression(Array("(a|aa|a*)*b".utf8))
    #expect(!expression.matches(Array(repeating: UInt8(ascii: "a"), count: 2000)))
  }
}
