import ApusGraph

extension NpyArray {
  /// The elements as doubles, for comparisons: exact but for 64-bit integers beyond 2^53. A complex number is two of them.
  /// - Throws: `unsupportedType` for strings.
  func doubles() throws(ApusError) -> [Double] {
    switch elementType {
    case .float32, .float64, .float16, .bfloat16: return elementType.floats(bytes) ?? []
    case .bool, .int8, .int16, .int32, .int64, .uint8, .uint16, .uint32:
      return (elementType.integers(bytes) ?? []).map { Double($0) }
    case .uint64: return (elementType.integers(bytes) ?? []).map { Double(UInt64(bitPattern: $0)) }
    case .complex64: return ElementType.float32.floats(bytes) ?? []
    case .complex128: return ElementType.float64.floats(bytes) ?? []
    case .uint4, .int4, .uint2, .int2: return packedIntegers()
    case .float4e2m1: return packed(4).map { NpyArray.float($0, exponentBits: 2, mantissaBits: 1, bias: 1, .none) }
    case .float8e4m3fn: return bytes.map { NpyArray.float($0, exponentBits: 4, mantissaBits: 3, bias: 7, .allOnes) }
    case .float8e4m3fnuz: return bytes.map { NpyArray.float($0, exponentBits: 4, mantissaBits: 3, bias: 8, .negativeZero) }
    case .float8e5m2: return bytes.map { NpyArray.float($0, exponentBits: 5, mantissaBits: 2, bias: 15, .ieee) }
    case .float8e5m2fnuz: return bytes.map { NpyArray.float($0, exponentBits: 5, mantissaBits: 2, bias: 16, .negativeZero) }
    case .float8e8m0: return bytes.map { $0 == 0xff ? .nan : Double(sign: .plus, exponent: Int($0) - 127, significand: 1) }
    case .string: throw ApusError(.unsupportedType, "strings are no numbers")
    }
  }

  /// The codes of packed elements.
  private func packed(_ width: Int) -> [UInt8] {
    let perByte = 8 / width
    return (0..<(elementCount(dimensions) ?? 0)).map { index in
      bytes[index / perByte] >> UInt8(index % perByte * width) & UInt8((1 << width) - 1)
    }
  }

  private func packedIntegers() -> [Double] {
    let width = elementType.bitWidth
    let isSigned = elementType == .int4 || elementType == .int2
    return packed(width).map { code in
      let value = Int(code)
      return Double(isSigned && value >= 1 << (width - 1) ? value - (1 << width) : value)
    }
  }

  /// Which codes are not finite.
  private enum NotFinite { case none, allOnes, negativeZero, ieee }

  /// A small float: sign, exponent, mantissa from the highest of its bits down.
  private static func float(
    _ code: UInt8, exponentBits: Int, mantissaBits: Int, bias: Int, _ notFinite: NotFinite
  ) -> Double {
    let width = 1 + exponentBits + mantissaBits
    let sign: Double = code >> UInt8(width - 1) & 1 == 0 ? 1 : -1
    let exponent = Int(code >> UInt8(mantissaBits)) & ((1 << exponentBits) - 1)
    let mantissa = Int(code) & ((1 << mantissaBits) - 1)
    let highest = exponent == (1 << exponentBits) - 1
    switch notFinite {
    case .none: break
    case .allOnes: if highest && mantissa == (1 << mantissaBits) - 1 { return .nan }
    case .negativeZero: if code == 0x80 { return .nan }
    case .ieee: if highest { return mantissa == 0 ? sign * .infinity : .nan }
    }
    let fraction = Double(mantissa) / Double(1 << mantissaBits)
    if exponent == 0 { return sign * fraction * Double(sign: .plus, exponent: 1 - bias, significand: 1) }
    return sign * (1 + fraction) * Double(sign: .plus, exponent: exponent - bias, significand: 1)
  }
}
