import ApusGraph
import ApusSafetensors

/// The header of an .npy file: magic, version, and a Python dictionary of exactly `descr`, `fortran_order` and `shape`.
struct NpyHeader {
  static let magic: [UInt8] = [0x93, 0x4E, 0x55, 0x4D, 0x50, 0x59]
  /// The longest header that is read. NumPy itself refuses more than 10,000 characters by default.
  static let maximumBytes = 1 << 20
  /// As many axes as NumPy allows.
  static let maximumRank = 64

  var type: NpyType
  var dimensions: [Int]
  var isFortranOrder: Bool
  /// Bytes of the file before the elements.
  var byteCount: UInt64 = 0

  init(type: NpyType, dimensions: [Int], isFortranOrder: Bool) {
    self.type = type
    self.dimensions = dimensions
    self.isFortranOrder = isFortranOrder
  }

  init(reading source: FileBytes) throws(ApusError) {
    let start = try source.read(at: 0, count: Int(min(12, source.byteCount)))
    guard start.starts(with: NpyHeader.magic) else { throw ApusError(.malformed, "not an .npy file", fileOffset: 0) }
    guard start.count >= 10 else { throw ApusError(.truncated, "the .npy file ends inside its header") }
    let (major, minor) = (start[6], start[7])
    guard (1...3).contains(major), minor == 0 else {
      throw ApusError(
        .unsupportedVersion, "the .npy file has an unknown version", expected: "1.0, 2.0 or 3.0", actual: "\(major).\(minor)",
        fileOffset: 6)
    }
    let lengthBytes = major == 1 ? 2 : 4
    guard start.count >= 8 + lengthBytes else { throw ApusError(.truncated, "the .npy file ends inside its header") }
    var length = 0
    for byte in start[8..<8 + lengthBytes].reversed() { length = length << 8 | Int(byte) }
    guard length <= NpyHeader.maximumBytes else {
      throw ApusError(
        .malformed, "the .npy header is too long", expected: "at most \(NpyHeader.maximumBytes) bytes", actual: "\(length)",
        fileOffset: 8)
    }
    let place = UInt64(8 + lengthBytes)
    guard UInt64(length) <= source.byteCount - place else { throw ApusError(.truncated, "the .npy file ends inside its header") }
    let text = try source.read(at: place, count: length)
    var parser = PythonLiteralParser(bytes: text)
    do {
      self = try parser.npyHeader()
    } catch {
      var error = error
      if let offset = error.fileOffset { error.fileOffset = offset + place }
      throw error
    }
    byteCount = place + UInt64(length)
  }

  func serialized() -> [UInt8] {
    let shape =
      dimensions.count == 1 ? "(\(dimensions[0]),)" : "(" + dimensions.map { "\($0)" }.joined(separator: ", ") + ")"
    let text = "{'descr': '\(type.text)', 'fortran_order': \(isFortranOrder ? "True" : "False"), 'shape': \(shape), }"
    // The elements begin at a multiple of 64 bytes; the header ends with a newline.
    func padded(_ prefix: Int) -> [UInt8] {
      var bytes = Array(text.utf8)
      while (prefix + bytes.count + 1) % 64 != 0 { bytes.append(UInt8(ascii: " ")) }
      bytes.append(UInt8(ascii: "\n"))
      return bytes
    }
    let short = padded(10)
    if let length = UInt16(exactly: short.count) {
      return NpyHeader.magic + [1, 0] + withUnsafeBytes(of: length.littleEndian) { Array($0) } + short
    }
    let long = padded(12)
    return NpyHeader.magic + [2, 0] + withUnsafeBytes(of: UInt32(long.count).littleEndian) { Array($0) } + long
  }
}

/// Reads the few Python literals that an .npy header is made of.
private struct PythonLiteralParser {
  let bytes: [UInt8]
  var position = 0

  init(bytes: [UInt8]) { self.bytes = bytes }

  mutating func npyHeader() throws(ApusError) -> NpyHeader {
    var type: NpyType?
    var order: Bool?
    var shape: [Int]?
    try expect("{")
    while !take("}") {
      let keyStart = position
      switch try string() {
      case "descr" where type == nil:
        try expect(":")
        type = try NpyType(parsing: try string())
      case "fortran_order" where order == nil:
        try expect(":")
        if take("True") { order = true } else if take("False") { order = false } else { throw error("expected True or False") }
      case "shape" where shape == nil:
        try expect(":")
        shape = try tuple()
      default:
        position = keyStart
        throw error("the key is unknown or stands twice")
      }
      if !take(",") {
        try expect("}")
        break
      }
    }
    skipSpace()
    guard position == bytes.count else { throw error("text follows the dictionary") }
    guard let type, let order, let shape else { throw error("descr, fortran_order or shape is missing") }
    return NpyHeader(type: type, dimensions: shape, isFortranOrder: order)
  }

  private func error(_ message: String) -> ApusError {
    ApusError(.malformed, "the .npy header is malformed: " + message, fileOffset: UInt64(position))
  }

  private mutating func skipSpace() {
    while position < bytes.count, bytes[position] == 0x20 || (0x09...0x0D).contains(bytes[position]) { position += 1 }
  }

  private mutating func take(_ text: StaticString) -> Bool {
    skipSpace()
    let expected = UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount)
    guard bytes[position...].starts(with: expected) else { return false }
    position += expected.count
    return true
  }

  private mutating func expect(_ text: StaticString) throws(ApusError) {
    guard take(text) else { throw error("expected '\(text.text)'") }
  }

  /// A string without escapes; no key or type needs them.
  private mutating func string() throws(ApusError) -> String {
    skipSpace()
    guard position < bytes.count, bytes[position] == UInt8(ascii: "'") || bytes[position] == UInt8(ascii: "\"") else {
      throw error("expected a string")
    }
    let quote = bytes[position]
    guard let end = bytes[(position + 1)...].firstIndex(of: quote) else { throw error("a string does not end") }
    let text = bytes[(position + 1)..<end]
    guard text.allSatisfy({ $0 >= 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "\\") }) else {
      throw error("a string with escapes or other than ASCII")
    }
    position = end + 1
    return String(decoding: text, as: UTF8.self)
  }

  /// `()`, `(3,)`, `(3, 4)`: a comma separates and may follow the last; one element needs it.
  private mutating func tuple() throws(ApusError) -> [Int] {
    try expect("(")
    var values: [Int] = []
    while !take(")") {
      values.append(try integer())
      guard values.count <= NpyHeader.maximumRank else { throw error("more than \(NpyHeader.maximumRank) axes") }
      if take(",") { continue }
      guard values.count > 1 else { throw error("expected ','") }
      try expect(")")
      break
    }
    return values
  }

  private mutating func integer() throws(ApusError) -> Int {
    skipSpace()
    let start = position
    while position < bytes.count, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(bytes[position]) { position += 1 }
    guard let value = Int(String(decoding: bytes[start..<position], as: UTF8.self)) else {
      position = start
      throw error("expected an extent of 0 and more")
    }
    // Files of Python 2 have long integers: 3L.
    _ = take("L")
    return value
  }
}
