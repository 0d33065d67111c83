import ApusGraph

extension JSONValue {
  /// Parses one JSON document (RFC 8259). Refuses duplicate keys, lone surrogates, invalid UTF-8, nesting deeper than
  /// `maximumDepth` and anything but white space after the document.
  ///
  /// - Throws: `malformed` with the byte offset in `bytes` of what is wrong.
  public init(parsing bytes: some Collection<UInt8>, maximumDepth: Int = 64) throws(ApusError) {
    var parser = JSONParser(bytes: Array(bytes), maximumDepth: maximumDepth)
    self = try parser.document()
  }

  public init(parsing text: String, maximumDepth: Int = 64) throws(ApusError) {
    try self.init(parsing: text.utf8, maximumDepth: maximumDepth)
  }
}

private struct JSONParser {
  let bytes: [UInt8]
  let maximumDepth: Int
  var position = 0

  init(bytes: [UInt8], maximumDepth: Int) {
    self.bytes = bytes
    self.maximumDepth = maximumDepth
  }

  mutating func document() throws(ApusError) -> JSONValue {
    let value = try value(depth: 0)
    skipSpace()
    guard position == bytes.count else { throw error("JSON text goes on after its value") }
    return value
  }

  private func error(_ message: String, at offset: Int? = nil) -> ApusError {
    ApusError(.malformed, message, fileOffset: UInt64(offset ?? position))
  }

  private var next: UInt8? { position < bytes.count ? bytes[position] : nil }

  private mutating func skipSpace() {
    while let byte = next, byte == 0x20 || byte == 0x09 || byte == 0x0A || byte == 0x0D { position += 1 }
  }

  private mutating func value(depth: Int) throws(ApusError) -> JSONValue {
    guard depth < maximumDepth else { throw error("JSON is nested deeper than \(maximumDepth) levels") }
    skipSpace()
    guard let byte = next else { throw error("JSON text ends where a value should stand") }
    switch byte {
    case UInt8(ascii: "{"): return try object(depth: depth)
    case UInt8(ascii: "["): return try array(depth: depth)
    case UInt8(ascii: "\""): return .string(try string())
    case UInt8(ascii: "t"): return try literal("true", .bool(true))
    case UInt8(ascii: "f"): return try literal("false", .bool(false))
    case UInt8(ascii: "n"): return try literal("null", .null)
    case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return try number()
    default: throw error("JSON has no value that begins with byte \(byte)")
    }
  }

  private mutating func literal(_ text: StaticString, _ value: JSONValue) throws(ApusError) -> JSONValue {
    let expected = UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount)
    guard bytes[position...].starts(with: expected) else { throw error("JSON has an unknown word") }
    position += expected.count
    return value
  }

  private mutating func object(depth: Int) throws(ApusError) -> JSONValue {
    position += 1
    var members: [JSONMember] = []
    var keys: Set<[UInt8]> = []
    skipSpace()
    if next == UInt8(ascii: "}") {
      position += 1
      return .object(members)
    }
    while true {
      skipSpace()
      let keyStart = position
      guard next == UInt8(ascii: "\"") else { throw error("JSON object needs a key in quotes") }
      let key = try string()
      guard keys.insert(Array(key.utf8)).inserted else {
        throw error("JSON object has the key \"\(key)\" twice", at: keyStart)
      }
      skipSpace()
      guard next == UInt8(ascii: ":") else { throw error("JSON object needs ':' after the key \"\(key)\"") }
      position += 1
      members.append(JSONMember(key, try value(depth: depth + 1)))
      skipSpace()
      switch next {
      case UInt8(ascii: ","): position += 1
      case UInt8(ascii: "}"):
        position += 1
        return .object(members)
      default: throw error("JSON object needs ',' or '}'")
      }
    }
  }

  private mutating func array(depth: Int) throws(ApusError) -> JSONValue {
    position += 1
    var values: [JSONValue] = []
    skipSpace()
    if next == UInt8(ascii: "]") {
      position += 1
      return .array(values)
    }
    while true {
      values.append(try value(depth: depth + 1))
      skipSpace()
      switch next {
      case UInt8(ascii: ","): position += 1
      case UInt8(ascii: "]"):
        position += 1
        return .array(values)
      default: throw error("JSON array needs ',' or ']'")
      }
    }
  }

  private mutating func digits() -> Int {
    let start = position
    while let byte = next, byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9") { position += 1 }
    return position - start
  }

  private mutating func number() throws(ApusError) -> JSONValue {
    let start = position
    var isInteger = true
    if next == UInt8(ascii: "-") { position += 1 }
    let leading = next
    let whole = digits()
    guard whole > 0, whole == 1 || leading != UInt8(ascii: "0") else { throw error("JSON number is malformed", at: start) }
    if next == UInt8(ascii: ".") {
      isInteger = false
      position += 1
      guard digits() > 0 else { throw error("JSON number needs digits after '.'", at: start) }
    }
    if next == UInt8(ascii: "e") || next == UInt8(ascii: "E") {
      isInteger = false
      position += 1
      if next == UInt8(ascii: "+") || next == UInt8(ascii: "-") { position += 1 }
      guard digits() > 0 else { throw error("JSON number needs digits in its exponent", at: start) }
    }
    let text = String(decoding: bytes[start..<position], as: UTF8.self)
    if isInteger, let value = Int64(text) { return .integer(value) }
    guard let value = Double(text), value.isFinite else { throw error("JSON number is too large", at: start) }
    return .number(value)
  }

  private mutating func string() throws(ApusError) -> String {
    let start = position
    position += 1
    var text: [UInt8] = []
    while let byte = next {
      switch byte {
      case UInt8(ascii: "\""):
        position += 1
        guard let string = String(validating: text, as: UTF8.self) else { throw error("JSON string is not UTF-8", at: start) }
        return string
      case UInt8(ascii: "\\"):
        position += 1
        try escape(into: &text)
      case 0..<0x20: throw error("JSON string has a control character that is not escaped")
      default:
        text.append(byte)
        position += 1
      }
    }
    throw error("JSON string does not end", at: start)
  }

  private mutating func escape(into text: inout [UInt8]) throws(ApusError) {
    guard let byte = next else { throw error("JSON string ends inside an escape") }
    position += 1
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(byte)
    case UInt8(ascii: "b"): text.append(0x08)
    case UInt8(ascii: "f"): text.append(0x0C)
    case UInt8(ascii: "n"): text.append(0x0A)
    case UInt8(ascii: "r"): text.append(0x0D)
    case UInt8(ascii: "t"): text.append(0x09)
    case UInt8(ascii: "u"):
      let first = try codeUnit()
      var code = UInt32(first)
      if first >= 0xD800 && first < 0xDC00 {
        guard next == UInt8(ascii: "\\"), position + 1 < bytes.count, bytes[position + 1] == UInt8(ascii: "u") else {
          throw error("JSON string has half a surrogate pair")
        }
        position += 2
        let second = try codeUnit()
        guard second >= 0xDC00 && second < 0xE000 else { throw error("JSON string has half a surrogate pair") }
        code = 0x10000 + ((UInt32(first) - 0xD800) << 10) + (UInt32(second) - 0xDC00)
      }
      guard let scalar = Unicode.Scalar(code) else { throw error("JSON string has half a surrogate pair") }
      text.append(contentsOf: String(Character(scalar)).utf8)
    default: throw error("JSON string has an unknown escape", at: position - 1)
    }
  }

  private mutating func codeUnit() throws(ApusError) -> UInt16 {
    var value: UInt16 = 0
    for _ in 0..<4 {
      guard let byte = next else { throw error("JSON string ends inside an escape") }
      let digit: UInt8
      switch byte {
      case UInt8(ascii: "0")...UInt8(ascii: "9"): digit = byte - UInt8(ascii: "0")
      case UInt8(ascii: "a")...UInt8(ascii: "f"): digit = byte - UInt8(ascii: "a") + 10
      case UInt8(ascii: "A")...UInt8(ascii: "F"): digit = byte - UInt8(ascii: "A") + 10
      default: throw error("JSON string has a \\u escape without four hexadecimal digits")
      }
      value = value << 4 | UInt16(digit)
      position += 1
    }
    return value
  }
}
