/// An unsigned integer that a file or a caller stated. Arithmetic on it reports overflow, and a number to index or allocate
/// with only comes out of it through a bound.
package struct Untrusted: Comparable, Sendable {
  private let value: UInt64

  package init(_ value: UInt64) { self.value = value }
  package init(_ value: UInt32) { self.value = UInt64(value) }
  package init(_ value: UInt16) { self.value = UInt64(value) }
  package init(_ value: UInt8) { self.value = UInt64(value) }

  package static func < (a: Untrusted, b: Untrusted) -> Bool { a.value < b.value }

  package var isZero: Bool { value == 0 }

  /// nil on overflow.
  package func adding(_ other: Untrusted) -> Untrusted? {
    let (sum, overflow) = value.addingReportingOverflow(other.value)
    return overflow ? nil : Untrusted(sum)
  }

  /// nil on overflow.
  package func multiplied(by other: Untrusted) -> Untrusted? {
    let (product, overflow) = value.multipliedReportingOverflow(by: other.value)
    return overflow ? nil : Untrusted(product)
  }

  /// The next multiple of `alignment`, a power of two; nil on overflow.
  package func rounded(upToMultipleOf alignment: UInt64) -> Untrusted? {
    let (sum, overflow) = value.addingReportingOverflow(alignment &- 1)
    return overflow ? nil : Untrusted(sum & ~(alignment &- 1))
  }

  package func isMultiple(of divisor: UInt64) -> Bool { divisor != 0 && value % divisor == 0 }

  /// The number, if it is at most `bound`.
  package func number(atMost bound: UInt64) -> UInt64? { value <= bound ? value : nil }

  /// The number as a count or size, if it is at most `bound`.
  package func count(atMost bound: Int) -> Int? {
    guard let number = Int(exactly: value), number <= bound else { return nil }
    return number
  }

  /// The number as an index, if it is below `count`.
  package func index(below count: Int) -> Int? {
    guard let number = Int(exactly: value), number < count else { return nil }
    return number
  }

  /// Digits, for messages.
  package var text: String { "\(value)" }
}
