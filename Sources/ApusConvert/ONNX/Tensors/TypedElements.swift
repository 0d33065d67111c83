import ApusGraph

/// Elements that stand in one of a TensorProto's typed fields instead of its raw bytes.
struct TypedElements {
  private let type: ElementType
  private let count: Int
  private var result: [UInt8] = []

  init(_ type: ElementType, count: Int) {
    self.type = type
    self.count = count
  }

  /// - Parameter size: the bytes that type and extents ask for.
  /// - Throws: `truncated` or `malformed` where there are fewer or more elements; `malformed` for numbers out of range.
  mutating func bytes(_ proto: ONNXTensorProto, _ size: Int) throws(ApusError) -> [UInt8] {
    switch type {
    case .float32: try append(proto.floatData.lazy.map(\.bitPattern), times: 1)
    case .complex64: try append(proto.floatData.lazy.map(\.bitPattern), times: 2)
    case .float64: try append(proto.doubleData.lazy.map(\.bitPattern), times: 1)
    case .complex128: try append(proto.doubleData.lazy.map(\.bitPattern), times: 2)
    case .int64: try append(proto.int64Data, times: 1)
    case .uint64: try append(proto.uint64Data, times: 1)
    case .uint32: try narrow(proto.uint64Data, UInt32.self)
    case .int32: try append(proto.int32Data, times: 1)
    case .int16: try narrow(proto.int32Data, Int16.self)
    case .int8: try narrow(proto.int32Data, Int8.self)
    case .uint16, .float16, .bfloat16: try narrow(proto.int32Data, UInt16.self)
    case .uint8, .bool, .float8e4m3fn, .float8e4m3fnuz, .float8e5m2, .float8e5m2fnuz, .float8e8m0:
      try narrow(proto.int32Data, UInt8.self)
      if type == .bool {
        for byte in result where byte > 1 {
          throw ApusError(.malformed, "a bool is neither 0 nor 1", actual: "\(byte)")
        }
      }
    case .uint4, .int4, .float4e2m1, .uint2, .int2:
      // Each entry is one byte of packed elements; writers differ in whether it has a sign.
      try require(proto.int32Data.count, size)
      for value in proto.int32Data {
        guard value >= -128, value <= 255 else { throw outOfRange("\(value)") }
        result.append(UInt8(truncatingIfNeeded: value))
      }
      clearUnusedBits(&result, type, count: count)
    case .string: break
    }
    return result
  }

  private func require(_ actual: Int, _ expected: Int) throws(ApusError) {
    guard actual == expected else {
      throw ApusError(
        actual < expected ? .truncated : .malformed, "the tensor's elements do not fit its extents",
        expected: "\(expected) entries for \(count) elements of \(type.name.text)", actual: "\(actual)")
    }
  }

  private func outOfRange(_ value: String) -> ApusError {
    ApusError(.malformed, "an element is out of its type's range", expected: type.name.text, actual: value)
  }

  private mutating func append<Values: Collection>(_ values: Values, times: Int) throws(ApusError)
  where Values.Element: FixedWidthInteger {
    // `count` elements fit memory-size arithmetic: their byte count has been computed.
    try require(values.count, count * times)
    result.reserveCapacity(values.count * MemoryLayout<Values.Element>.size)
    for value in values { withUnsafeBytes(of: value.littleEndian) { result.append(contentsOf: $0) } }
  }

  private mutating func narrow<Wide: FixedWidthInteger, Narrow: FixedWidthInteger>(
    _ values: [Wide], _: Narrow.Type
  ) throws(ApusError) {
    try require(values.count, count)
    result.reserveCapacity(values.count * MemoryLayout<Narrow>.size)
    for value in values {
      guard let narrow = Narrow(exactly: value) else { throw outOfRange("\(value)") }
      withUnsafeBytes(of: narrow.littleEndian) { result.append(contentsOf: $0) }
    }
  }
}
