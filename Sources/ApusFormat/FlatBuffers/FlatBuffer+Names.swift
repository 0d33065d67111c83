import ApusGraph

extension FlatBuffer {
  /// A name: UTF-8 without NUL.
  func name(_ table: Table, _ index: Int) throws(ApusError) -> Name? {
    guard let vector = try string(table, index) else { return nil }
    return try name(vector)
  }

  func requiredName(_ table: Table, _ index: Int) throws(ApusError) -> Name {
    guard let name = try name(table, index) else { throw missing(table) }
    return name
  }

  private func name(_ vector: Vector) throws(ApusError) -> Name {
    let text = try text(vector)
    for byte in text.bytes where byte == 0 { throw malformed("a name contains a NUL byte", at: vector.start) }
    return text
  }

  /// Text: UTF-8, in which a NUL byte may stand.
  func requiredText(_ table: Table, _ index: Int) throws(ApusError) -> Name {
    guard let vector = try string(table, index) else { throw missing(table) }
    return try text(vector)
  }

  func text(_ vector: Vector) throws(ApusError) -> Name {
    let bytes = try copy(vector)
    guard isValidUTF8(bytes) else { throw malformed("text is not UTF-8", at: vector.start) }
    return Name(bytes: bytes)
  }

  /// A vector of 32-bit integers; empty where the table leaves it out and may do so.
  func int32s(_ table: Table, _ index: Int, required: Bool = false) throws(ApusError) -> [Int32] {
    guard let vector = try vector(table, index, elementSize: 4, alignment: 4) else {
      if required { throw missing(table) }
      return []
    }
    var values: [Int32] = []
    values.reserveCapacity(vector.count)
    for element in 0..<vector.count { values.append(try load(vector.start + 4 * element, as: Int32.self)) }
    return values
  }

  /// nil where the table leaves it out.
  func int64s(_ table: Table, _ index: Int) throws(ApusError) -> [Int64]? {
    guard let vector = try vector(table, index, elementSize: 8, alignment: 8) else { return nil }
    var values: [Int64] = []
    values.reserveCapacity(vector.count)
    for element in 0..<vector.count { values.append(try load(vector.start + 8 * element, as: Int64.self)) }
    return values
  }
}

/// Whether bytes are well-formed UTF-8 (Unicode 16, table 3-7): no overlong forms, no surrogates, nothing above U+10FFFF.
package func isValidUTF8(_ bytes: [UInt8]) -> Bool {
  var index = 0
  while index < bytes.count {
    let lead = bytes[index]
    var continuation = 0
    var second: ClosedRange<UInt8> = 0x80...0xBF
    switch lead {
    case 0x00...0x7F: break
    case 0xC2...0xDF: continuation = 1
    case 0xE0: (continuation, second) = (2, 0xA0...0xBF)
    case 0xED: (continuation, second) = (2, 0x80...0x9F)
    case 0xE1...0xEF: continuation = 2
    case 0xF0: (continuation, second) = (3, 0x90...0xBF)
    case 0xF4: (continuation, second) = (3, 0x80...0x8F)
    case 0xF1...0xF3: continuation = 3
    default: return false
    }
    guard bytes.count - index > continuation else { return false }
    for offset in 0..<continuation {
      let byte = bytes[index + 1 + offset]
      guard offset == 0 ? second.contains(byte) : (0x80...0xBF).contains(byte) else { return false }
    }
    index += 1 + continuation
  }
  return true
}
