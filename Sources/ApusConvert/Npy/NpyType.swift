import ApusGraph

/// An array-protocol type string such as `<f4`: byte order, kind, bytes of an element.
struct NpyType: Equatable {
  var elementType: ElementType
  var isBigEndian: Bool

  private static let kinds: [(code: String, type: ElementType)] = [
    ("b1", .bool), ("i1", .int8), ("u1", .uint8), ("i2", .int16), ("u2", .uint16), ("i4", .int32), ("u4", .uint32),
    ("i8", .int64), ("u8", .uint64), ("f2", .float16), ("f4", .float32), ("f8", .float64), ("c8", .complex64),
    ("c16", .complex128),
  ]

  /// nil for types that NumPy does not have.
  init?(_ elementType: ElementType) {
    guard NpyType.kinds.contains(where: { $0.type == elementType }) else { return nil }
    self.elementType = elementType
    isBigEndian = false
  }

  /// - Throws: `unsupportedType`.
  init(parsing text: String) throws(ApusError) {
    let error = ApusError(
      .unsupportedType, "the array's type is not one that Apus reads",
      expected: "bool, int, uint, float or complex, such as '<f4'", actual: "'\(text)'")
    guard let order = text.first, let kind = NpyType.kinds.first(where: { text.dropFirst().elementsEqual($0.code) }) else {
      throw error
    }
    elementType = kind.type
    switch order {
    case "<": isBigEndian = false
    case ">": isBigEndian = kind.type.bitWidth > 8
    case "|" where kind.type.bitWidth == 8: isBigEndian = false
    default: throw error
    }
  }

  /// Bytes that change their order together: a complex number is two floats.
  var swapWidth: Int {
    switch elementType {
    case .complex64: 4
    case .complex128: 8
    default: elementType.bitWidth / 8
    }
  }

  var text: String {
    let code = NpyType.kinds.first { $0.type == elementType }?.code ?? ""
    return (elementType.bitWidth == 8 ? "|" : isBigEndian ? ">" : "<") + code
  }
}
