/// A name from a model file, compared as bytes.
///
/// Comparing or hashing `String` pulls the Unicode tables into an Embedded Swift build and would make two names equal whose
/// bytes differ; names in Apus are UTF-8 without NUL and equal only if their bytes are.
public struct Name: Hashable, Comparable, Sendable, ExpressibleByStringLiteral {
  public let bytes: [UInt8]

  @inlinable
  public init(bytes: [UInt8]) { self.bytes = bytes }

  public init(_ string: String) { bytes = Array(string.utf8) }

  @inline(never)
  public init(stringLiteral literal: StaticString) {
    bytes = Array(UnsafeBufferPointer(start: literal.utf8Start, count: literal.utf8CodeUnitCount))
  }

  public static let empty = Name(bytes: [])

  @inlinable
  public var isEmpty: Bool { bytes.isEmpty }

  /// The name as text, for messages; bytes that are not UTF-8 are shown as the replacement character.
  public var string: String {
    @inline(never) get { String(decoding: bytes, as: UTF8.self) }
  }

  /// Whether this is the name of a literal: `self == literal` without a copy of its bytes.
  public func `is`(_ literal: StaticString) -> Bool {
    bytes.elementsEqual(UnsafeBufferPointer(start: literal.utf8Start, count: literal.utf8CodeUnitCount))
  }

  public static func == (a: Name, b: Name) -> Bool { a.bytes == b.bytes }

  public static func < (a: Name, b: Name) -> Bool { a.bytes.lexicographicallyPrecedes(b.bytes) }

  public func hash(into hasher: inout Hasher) {
    bytes.withUnsafeBytes { hasher.combine(bytes: $0) }
  }
}
