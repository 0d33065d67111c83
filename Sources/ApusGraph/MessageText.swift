/// The pieces of error messages, out of line: the standard library's are inlined into each interpolation, which makes them the
/// larger part of many a check. Only the pieces that the core's messages are made of; others take the general path.
extension DefaultStringInterpolation {
  @inline(never)
  package mutating func appendLiteral(_ literal: String) { write(literal) }

  @inline(never)
  package mutating func appendInterpolation(_ text: String) { write(text) }

  @inline(never)
  package mutating func appendInterpolation(_ number: Int) { write(number.description) }
}
