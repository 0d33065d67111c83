/// Arithmetic on numbers that a file or a caller chose. Swift's own operators trap on overflow, and a trap kills the host.
extension Int {
  /// `self + other`, or `shape_inference` on overflow.
  public func checkedAdding(_ other: Int) throws(ApusError) -> Int {
    let (value, overflow) = addingReportingOverflow(other)
    guard !overflow else { throw Int.overflowError("\(self) + \(other)") }
    return value
  }

  /// `self - other`, or `shape_inference` on overflow.
  public func checkedSubtracting(_ other: Int) throws(ApusError) -> Int {
    let (value, overflow) = subtractingReportingOverflow(other)
    guard !overflow else { throw Int.overflowError("\(self) - \(other)") }
    return value
  }

  /// `self * other`, or `shape_inference` on overflow.
  public func checkedMultiplied(by other: Int) throws(ApusError) -> Int {
    let (value, overflow) = multipliedReportingOverflow(by: other)
    guard !overflow else { throw Int.overflowError("\(self) * \(other)") }
    return value
  }

  public static func overflowError(_ expression: String) -> ApusError {
    ApusError(.shapeInference, "size overflows 64 bits", expected: "a size below 2^63", actual: expression)
  }
}

/// The product of extents from outside; `shape_inference` on overflow or a negative extent.
public func checkedElementCount(_ extents: [Int]) throws(ApusError) -> Int {
  guard let count = elementCount(extents) else {
    throw ApusError(.shapeInference, "shape has no element count that fits 64 bits", actual: Shape(extents).text(symbols: []))
  }
  return count
}
