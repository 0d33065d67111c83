import ApusGraph

extension ElementType {
  /// The safetensors name of this type (`F32`, `I64`, ...); nil for types that the format does not have.
  public var safetensorsName: String? {
    switch self {
    case .float32: "F32"
    case .float64: "F64"
    case .float16: "F16"
    case .bfloat16: "BF16"
    case .uint8: "U8"
    case .int8: "I8"
    case .uint16: "U16"
    case .int16: "I16"
    case .uint32: "U32"
    case .int32: "I32"
    case .uint64: "U64"
    case .int64: "I64"
    case .bool: "BOOL"
    case .complex64: "C64"
    case .float8e4m3fn: "F8_E4M3"
    case .float8e5m2: "F8_E5M2"
    case .float8e4m3fnuz: "F8_E4M3FNUZ"
    case .float8e5m2fnuz: "F8_E5M2FNUZ"
    case .float8e8m0: "F8_E8M0"
    case .float4e2m1: "F4"
    case .string, .complex128, .uint4, .int4, .uint2, .int2: nil
    }
  }

  /// The type with this safetensors name; nil for names that are unknown.
  public init?(safetensorsName name: String) {
    guard let type = ElementType.allCases.first(where: { $0.safetensorsName == name }) else { return nil }
    self = type
  }
}
