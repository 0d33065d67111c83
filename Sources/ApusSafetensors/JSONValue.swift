/// A JSON document in memory. Unlike Foundation's, it keeps the order of keys and every 64-bit integer exactly, and the parser
/// refuses what the safetensors format refuses (duplicate keys, trailing text).
public indirect enum JSONValue: Equatable, Sendable {
  case null
  case bool(Bool)
  /// A number written without fraction and exponent that fits 64 bits.
  case integer(Int64)
  case number(Double)
  case string(String)
  case array([JSONValue])
  case object([JSONMember])

  /// A number that may be NaN or infinite, which JSON can't write: those become the strings `"NaN"`, `"Infinity"` and
  /// `"-Infinity"`. `floatValue` reads both forms.
  public static func float(_ value: Double) -> JSONValue {
    if value.isNaN { return .string("NaN") }
    if value.isInfinite { return .string(value < 0 ? "-Infinity" : "Infinity") }
    return .number(value)
  }

  /// The same for a float32, in the shortest decimal that reads back to it.
  public static func float32(_ value: Float) -> JSONValue {
    value.isFinite ? .number(Double("\(value)") ?? Double(value)) : .float(Double(value))
  }

  /// The member of an object; nil where this is no object or has no such key. Keys are compared as bytes.
  public subscript(key: String) -> JSONValue? {
    guard case .object(let members) = self else { return nil }
    return members.first { $0.key.utf8.elementsEqual(key.utf8) }?.value
  }

  public var stringValue: String? {
    if case .string(let text) = self { text } else { nil }
  }

  public var integerValue: Int64? {
    if case .integer(let value) = self { value } else { nil }
  }

  public var boolValue: Bool? {
    if case .bool(let value) = self { value } else { nil }
  }

  public var arrayValue: [JSONValue]? {
    if case .array(let values) = self { values } else { nil }
  }

  public var objectValue: [JSONMember]? {
    if case .object(let members) = self { members } else { nil }
  }

  /// Any number, and the strings that `float(_:)` writes for values that JSON has no numbers for.
  public var floatValue: Double? {
    switch self {
    case .integer(let value): Double(value)
    case .number(let value): value
    case .string("NaN"): .nan
    case .string("Infinity"): .infinity
    case .string("-Infinity"): -.infinity
    default: nil
    }
  }

  /// What this is, for messages: `an object`, `the string "x"`, `the number 3`.
  public var kind: String {
    switch self {
    case .null: "null"
    case .bool(let value): value ? "true" : "false"
    case .integer(let value): "the number \(value)"
    case .number(let value): "the number \(value)"
    case .string(let text): "the string \"\(text.prefix(40))\""
    case .array: "an array"
    case .object: "an object"
    }
  }
}

/// One key of a JSON object with its value.
public struct JSONMember: Equatable, Sendable {
  public var key: String
  public var value: JSONValue

  public init(_ key: String, _ value: JSONValue) {
    self.key = key
    self.value = value
  }
}

extension JSONValue: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral, ExpressibleByBooleanLiteral,
  ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral
{
  public init(stringLiteral value: String) { self = .string(value) }
  public init(integerLiteral value: Int64) { self = .integer(value) }
  public init(booleanLiteral value: Bool) { self = .bool(value) }
  public init(arrayLiteral elements: JSONValue...) { self = .array(elements) }
  public init(dictionaryLiteral elements: (String, JSONValue)...) { self = .object(elements.map { JSONMember($0.0, $0.1) }) }

  /// An integer that a JSON reader sees exactly; larger than 64 bits signed it becomes a floating-point number.
  public init(_ value: some BinaryInteger) {
    self = Int64(exactly: value).map { .integer($0) } ?? .number(Double(value))
  }
}
