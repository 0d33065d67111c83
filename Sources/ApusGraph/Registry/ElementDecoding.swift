extension ElementType {
  /// The integers (or truth values, 0 and 1) that `bytes` hold; nil for other types. Those over Int64's range wrap around.
  public func integers(_ bytes: [UInt8]) -> [Int64]? {
    switch self {
    case .int64, .uint64: decoded(bytes) { Int64(bitPattern: $0) }
    case .int32: decoded(bytes) { Int64(Int32(truncatingIfNeeded: $0)) }
    case .uint32, .uint16, .uint8, .bool: decoded(bytes) { Int64(bitPattern: $0) }
    case .int16: decoded(bytes) { Int64(Int16(truncatingIfNeeded: $0)) }
    case .int8: decoded(bytes) { Int64(Int8(truncatingIfNeeded: $0)) }
    default: nil
    }
  }

  /// The numbers that `bytes` hold; nil for types other than the floats of IEEE 754 and bfloat16.
  public func floats(_ bytes: [UInt8]) -> [Double]? {
    switch self {
    case .float64: decoded(bytes) { Double(bitPattern: $0) }
    case .float32: decoded(bytes) { Double(Float(bitPattern: UInt32(truncatingIfNeeded: $0))) }
    case .bfloat16: decoded(bytes) { Double(Float(bitPattern: UInt32(truncatingIfNeeded: $0) << 16)) }
    case .float16: decoded(bytes) { ElementType.half(UInt16(truncatingIfNeeded: $0)) }
    default: nil
    }
  }

  /// The bytes of elements given as integers; nil for types that are none.
  public func bytes(of integers: [Int64]) -> [UInt8]? {
    guard self.integers([]) != nil, let width = byteWidth else { return nil }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(integers.count * width)
    for integer in integers {
      let bits = UInt64(bitPattern: integer)
      for byte in 0..<width { bytes.append(UInt8(truncatingIfNeeded: bits >> UInt64(8 * byte))) }
    }
    return bytes
  }

  private func decoded<Element>(_ bytes: [UInt8], _ element: (UInt64) -> Element) -> [Element]? {
    guard let width = byteWidth else { return nil }
    var result: [Element] = []
    result.reserveCapacity(bytes.count / width)
    for start in stride(from: 0, to: bytes.count - bytes.count % width, by: width) {
      var bits: UInt64 = 0
      for byte in 0..<width { bits |= UInt64(bytes[start + byte]) << UInt64(8 * byte) }
      result.append(element(bits))
    }
    return result
  }

  /// IEEE 754 binary16.
  private static func half(_ bits: UInt16) -> Double {
    let sign: Double = bits & 0x8000 == 0 ? 1 : -1
    let exponent = Int(bits >> 10 & 0x1f)
    let fraction = Double(bits & 0x3ff)
    if exponent == 0x1f { return fraction == 0 ? sign * .infinity : .nan }
    if exponent == 0 { return sign * fraction * 0x1p-24 }
    return sign * (1 + fraction * 0x1p-10) * Double(sign: .plus, exponent: exponent - 15, significand: 1)
  }
}
