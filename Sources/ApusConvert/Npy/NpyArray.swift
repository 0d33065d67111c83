import ApusGraph
import ApusSafetensors

/// An array in NumPy's .npy format (NEP 1 and its versions 2.0 and 3.0:
/// https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html).
public struct NpyArray: Equatable, Sendable {
  public var elementType: ElementType
  public var dimensions: [Int]
  /// The elements, row-major and little-endian, whatever order the file had.
  public var bytes: [UInt8]

  public init(elementType: ElementType, dimensions: [Int], bytes: [UInt8]) {
    self.elementType = elementType
    self.dimensions = dimensions
    self.bytes = bytes
  }

  /// Reads a file of version 1.0, 2.0 or 3.0. Fortran order and big-endian elements are converted.
  ///
  /// - Throws: `fileNotFound`, `inputOutput`, `truncated`, `malformed`; `unsupportedType` for structured, object, string and
  ///   date types.
  public init(path: String) throws(ApusError) {
    let source = try FileBytes(path: path)
    do {
      self = try NpyArray(reading: source)
    } catch {
      throw error.inFile(path)
    }
  }

  /// Reads from memory.
  public init(parsing bytes: [UInt8]) throws(ApusError) { try self.init(reading: FileBytes(bytes)) }

  private init(reading source: FileBytes) throws(ApusError) {
    let header = try NpyHeader(reading: source)
    let type = header.type
    guard let count = elementCount(header.dimensions), let byteCount = type.elementType.byteCount(of: count) else {
      throw ApusError(
        .malformed, "the array's shape has too many elements", actual: Shape(header.dimensions).text(symbols: []))
    }
    let available = source.byteCount - header.byteCount
    guard UInt64(byteCount) == available else {
      throw ApusError(
        UInt64(byteCount) > available ? .truncated : .malformed, "the array's bytes do not fit its shape and type",
        expected: "\(byteCount) bytes for \(type.elementType.name.text) \(Shape(header.dimensions).text(symbols: []))",
        actual: "\(available)")
    }
    var bytes = try source.read(at: header.byteCount, count: byteCount)
    if type.isBigEndian { NpyArray.reverseBytes(&bytes, width: type.swapWidth) }
    if header.isFortranOrder {
      bytes = NpyArray.rowMajor(bytes, dimensions: header.dimensions, width: type.elementType.bitWidth / 8)
    }
    if type.elementType == .bool {
      for (index, byte) in bytes.enumerated() where byte > 1 {
        throw ApusError(
          .malformed, "a bool of the array is neither 0 nor 1", actual: "\(byte)",
          fileOffset: header.byteCount + UInt64(index))
      }
    }
    self.init(elementType: type.elementType, dimensions: header.dimensions, bytes: bytes)
  }

  private static func reverseBytes(_ bytes: inout [UInt8], width: Int) {
    var start = 0
    while start < bytes.count {
      bytes[start..<start + width].reverse()
      start += width
    }
  }

  /// The elements of a column-major array in row-major order.
  private static func rowMajor(_ bytes: [UInt8], dimensions: [Int], width: Int) -> [UInt8] {
    guard dimensions.count > 1, !bytes.isEmpty else { return bytes }
    // Column-major: the first axis is the densest.
    var strides: [Int] = []
    var stride = width
    for extent in dimensions {
      strides.append(stride)
      stride *= extent
    }
    var result: [UInt8] = []
    result.reserveCapacity(bytes.count)
    var index = Array(repeating: 0, count: dimensions.count)
    var offset = 0
    while result.count < bytes.count {
      result.append(contentsOf: bytes[offset..<offset + width])
      var axis = dimensions.count - 1
      while axis >= 0 {
        index[axis] += 1
        offset += strides[axis]
        if index[axis] < dimensions[axis] { break }
        offset -= strides[axis] * dimensions[axis]
        index[axis] = 0
        axis -= 1
      }
    }
    return result
  }

  /// Whether NumPy's files have the element type.
  public static func holds(_ type: ElementType) -> Bool { NpyType(type) != nil }

  /// The array as a file: version 1.0 where its header is short enough, else 2.0, little-endian, row-major.
  /// - Throws: `unsupportedType` for types that NumPy does not have, `invalidArgument` where the bytes do not fit the shape.
  public func serialized() throws(ApusError) -> [UInt8] {
    guard let type = NpyType(elementType) else {
      throw ApusError(.unsupportedType, "NumPy has no such element type", actual: elementType.name.text)
    }
    guard let count = elementCount(dimensions), elementType.byteCount(of: count) == bytes.count else {
      throw ApusError(
        .invalidArgument, "the array's bytes do not fit its shape", expected: Shape(dimensions).text(symbols: []),
        actual: "\(bytes.count) bytes")
    }
    return NpyHeader(type: type, dimensions: dimensions, isFortranOrder: false).serialized() + bytes
  }

  /// Writes the file in one step: nothing is left behind on failure.
  public func write(path: String) throws(ApusError) {
    let bytes: [UInt8]
    do {
      bytes = try serialized()
    } catch {
      throw error.inFile(path)
    }
    let file = try AtomicFile(path: path)
    try file.append(bytes)
    try file.commit()
  }
}
