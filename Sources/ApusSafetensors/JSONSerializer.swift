extension JSONValue {
  /// The document as text. The same value always gives the same bytes: members keep their order, numbers are written with the
  /// fewest digits that read back to the same value.
  ///
  /// - Parameter indented: one member or element a line, two spaces a level; otherwise no white space at all.
  public func serialized(indented: Bool = false) -> String {
    var text = ""
    write(into: &text, level: indented ? 0 : nil)
    return text
  }

  private func write(into text: inout String, level: Int?) {
    switch self {
    case .null: text += "null"
    case .bool(let value): text += value ? "true" : "false"
    case .integer(let value): text += "\(value)"
    case .number(let value): text += value.isFinite ? "\(value)" : "null"
    case .string(let string): JSONValue.quote(string, into: &text)
    case .array(let values):
      // Arrays of plain numbers and words (shapes, ids) stay on one line.
      let isFlat = values.allSatisfy(\.isScalar)
      let inner = isFlat ? nil : level
      JSONValue.writeList(values, open: "[", close: "]", spaced: isFlat && level != nil, level: inner, into: &text) {
        value, level, text in value.write(into: &text, level: level)
      }
    case .object(let members):
      JSONValue.writeList(members, open: "{", close: "}", spaced: false, level: level, into: &text) { member, level, text in
        JSONValue.quote(member.key, into: &text)
        text += level == nil ? ":" : ": "
        member.value.write(into: &text, level: level)
      }
    }
  }

  private var isScalar: Bool {
    switch self {
    case .array, .object: false
    default: true
    }
  }

  private static func writeList<Element>(
    _ elements: [Element], open: String, close: String, spaced: Bool, level: Int?, into text: inout String,
    _ write: (Element, Int?, inout String) -> Void
  ) {
    text += open
    for (index, element) in elements.enumerated() {
      if index > 0 { text += spaced ? ", " : "," }
      if let level { text += "\n" + String(repeating: "  ", count: level + 1) }
      write(element, level.map { $0 + 1 }, &text)
    }
    if let level, !elements.isEmpty { text += "\n" + String(repeating: "  ", count: level) }
    text += close
  }

  private static func quote(_ string: String, into text: inout String) {
    text += "\""
    for scalar in string.unicodeScalars {
      switch scalar {
      case "\"": text += "\\\""
      case "\\": text += "\\\\"
      case "\n": text += "\\n"
      case "\r": text += "\\r"
      case "\t": text += "\\t"
      case "\0"..<" ", "\u{7F}":
        let digits = String(scalar.value, radix: 16)
        text += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: text.unicodeScalars.append(scalar)
      }
    }
    text += "\""
  }
}
