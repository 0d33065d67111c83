import ApusGraph

/// A shape of graph as exporters write an operator in parts, and the operator that it is.
///
/// Written as text:
///
///     D = Sub(x, ReduceMean[-1](x)); Add(Mul(Div(D, Sqrt(Add(V, #e))), s), b)
///
/// A lower-case letter is a value, the same one wherever the letter stands; `#e` a constant of one element that is kept;
/// a number a constant of one element with this value, to 1e-6 of it; `A | B` one of several forms; a capital letter the form
/// that `X = ...;` gave it; `[...]` the axes, permutation or parameters that the operator must have. Add and Mul take their
/// operands in any order, and in any grouping where the pattern gives more than two. The operator that is made,
/// `Name(x, s, b; epsilon = e)`, reads values and takes numbers or kept constants for attributes.
struct GraphPattern: Sendable {
  enum Element: Sendable {
    case operation(Name, tag: [Double]?, operands: [Int])
    case value(Int)
    case kept(Int)
    case number(Double)
    case either([Int])
  }

  /// The number of letters.
  static let letters = 26

  struct Parameter: Sendable {
    enum Value: Sendable {
      case number(Double)
      case kept(Int)
      case text(Name)
    }

    let name: Name
    let value: Value
  }

  private(set) var elements: [Element] = []
  private(set) var root = 0
  let result: Name
  let operands: [Int]
  let parameters: [Parameter]

  init(_ pattern: StaticString, _ result: StaticString) {
    var made = PatternText(result)
    self.result = made.word()
    var operands: [Int] = []
    var parameters: [Parameter] = []
    made.expect(UInt8(ascii: "("))
    while made.peek != UInt8(ascii: ")"), made.peek != UInt8(ascii: ";") {
      operands.append(made.letter())
      made.skip(UInt8(ascii: ","))
    }
    made.skip(UInt8(ascii: ";"))
    while made.peek != UInt8(ascii: ")"), made.peek != 0 {
      let name = made.word()
      made.expect(UInt8(ascii: "="))
      let value: Parameter.Value
      if PatternText.isDigit(made.peek) {
        value = .number(made.number())
      } else {
        let word = made.word()
        value = word.bytes.count == 1 ? .kept(PatternText.index(word.bytes[0])) : .text(word)
      }
      parameters.append(Parameter(name: name, value: value))
      made.skip(UInt8(ascii: ","))
    }
    (self.operands, self.parameters) = (operands, parameters)
    var text = PatternText(pattern)
    var named: [Int] = Array(repeating: 0, count: GraphPattern.letters)
    while let name = text.definition() {
      named[name] = form(&text, named)
      text.expect(UInt8(ascii: ";"))
    }
    root = form(&text, named)
  }

  /// Whether a node may be the last one of the pattern, by its name alone.
  func mayEnd(with name: Name) -> Bool { mayEnd(root, with: name) }

  private func mayEnd(_ index: Int, with name: Name) -> Bool {
    switch elements[index] {
    case .operation(let own, _, _): return own == name
    case .either(let forms):
      for form in forms where mayEnd(form, with: name) { return true }
      return false
    default: return false
    }
  }

  private mutating func form(_ text: inout PatternText, _ named: [Int]) -> Int {
    var forms = [single(&text, named)]
    while text.skip(UInt8(ascii: "|")) { forms.append(single(&text, named)) }
    return forms.count == 1 ? forms[0] : add(.either(forms))
  }

  private mutating func single(_ text: inout PatternText, _ named: [Int]) -> Int {
    if PatternText.isDigit(text.peek) { return add(.number(text.number())) }
    if text.skip(UInt8(ascii: "#")) { return add(.kept(text.letter())) }
    let word = text.word()
    if word.bytes.count == 1 {
      let letter = word.bytes[0]
      return letter >= UInt8(ascii: "a") ? add(.value(PatternText.index(letter))) : named[Int(letter - UInt8(ascii: "A"))]
    }
    let tag = text.list()
    var operands: [Int] = []
    text.expect(UInt8(ascii: "("))
    while !text.skip(UInt8(ascii: ")")), text.peek != 0 {
      operands.append(form(&text, named))
      text.skip(UInt8(ascii: ","))
    }
    return add(.operation(word, tag: tag, operands: operands))
  }

  private mutating func add(_ element: Element) -> Int {
    elements.append(element)
    return elements.count - 1
  }
}

/// Reads the text of a pattern. It is the program's own: a slip in it is a failed precondition of every test that loads a model.
private struct PatternText {
  private let bytes: [UInt8]
  private var position = 0

  init(_ text: StaticString) { bytes = Name(stringLiteral: text).bytes.filter { $0 > UInt8(ascii: " ") } }

  /// The next byte; 0 at the end.
  var peek: UInt8 { position < bytes.count ? bytes[position] : 0 }

  static func isDigit(_ byte: UInt8) -> Bool { byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9") }

  private static func isLetter(_ byte: UInt8) -> Bool {
    (byte | 32) >= UInt8(ascii: "a") && (byte | 32) <= UInt8(ascii: "z") || byte == UInt8(ascii: "_")
  }

  static func index(_ letter: UInt8) -> Int { Int(letter) - Int(UInt8(ascii: "a")) }

  @discardableResult
  mutating func skip(_ byte: UInt8) -> Bool {
    guard peek == byte else { return false }
    position += 1
    return true
  }

  mutating func expect(_ byte: UInt8) {
    let found = skip(byte)
    precondition(found)
  }

  mutating func word() -> Name {
    var word: [UInt8] = []
    while PatternText.isLetter(peek) || (!word.isEmpty && PatternText.isDigit(peek)) {
      word.append(peek)
      position += 1
    }
    return Name(bytes: word)
  }

  mutating func letter() -> Int {
    defer { position += 1 }
    return PatternText.index(peek)
  }

  mutating func number() -> Double {
    let isNegative = skip(UInt8(ascii: "-"))
    var (digits, divisor, isFraction) = (0.0, 1.0, false)
    while PatternText.isDigit(peek) || peek == UInt8(ascii: ".") {
      if peek == UInt8(ascii: ".") {
        isFraction = true
      } else {
        digits = digits * 10 + Double(peek - UInt8(ascii: "0"))
        if isFraction { divisor *= 10 }
      }
      position += 1
    }
    return (isNegative ? -digits : digits) / divisor
  }

  /// `[0, 2, 1]`, or nil.
  mutating func list() -> [Double]? {
    guard skip(UInt8(ascii: "[")) else { return nil }
    var numbers: [Double] = []
    while !skip(UInt8(ascii: "]")), peek != 0 {
      numbers.append(number())
      skip(UInt8(ascii: ","))
    }
    return numbers
  }

  /// The capital letter of `X =`, as an index, if that comes next.
  mutating func definition() -> Int? {
    guard position + 1 < bytes.count, bytes[position + 1] == UInt8(ascii: "=") else { return nil }
    defer { position += 2 }
    return Int(peek - UInt8(ascii: "A"))
  }
}
