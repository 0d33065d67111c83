/// Sums, products and quotients of extents that may be symbolic: what can not be told is unknown.
extension Dimension {
  func adding(_ other: Dimension) throws(ApusError) -> Dimension {
    if case .known(0) = other { return self }
    if case .known(0) = self { return other }
    guard let a = value, let b = other.value else { return .unknown }
    return .known(try a.checkedAdding(b))
  }

  func multiplied(by other: Dimension) throws(ApusError) -> Dimension {
    if case .known(1) = other { return self }
    if case .known(1) = self { return other }
    guard let a = value, let b = other.value else { return .unknown }
    return .known(try a.checkedMultiplied(by: b))
  }

  func multiplied(by factor: Int) throws(ApusError) -> Dimension { try multiplied(by: .known(factor)) }

  /// The quotient, where the divisor divides; nil where it does not.
  func divided(by divisor: Int) -> Dimension? {
    guard let value else { return divisor == 1 ? self : .unknown }
    return divisor > 0 && value % divisor == 0 ? .known(value / divisor) : nil
  }
}

extension InferenceContext {
  /// An extent split into `parts` equal ones, or an error that names the operand.
  func quotient(_ extent: Dimension, _ parts: Int, _ what: String, input: Int) throws(ApusError) -> Dimension {
    guard let result = extent.divided(by: parts) else {
      throw error(what + " does not divide", input: input, expected: "a multiple of \(parts)", actual: "\(extent.value ?? 0)")
    }
    return result
  }

  /// A required attribute that counts something: 1 or more.
  func positiveCount(_ name: StaticString) throws(ApusError) -> Int {
    guard let value = attributes.int(name), value > 0, value <= Int(Int32.max) else {
      throw attributeError(name, expected: "1 or more", actual: attributes.int(name).map { "\($0)" } ?? "none")
    }
    return value
  }
}
