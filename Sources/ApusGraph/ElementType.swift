/// Element types of tensors, with ONNX's numbers (TensorProto.DataType).
public enum ElementType: Int32, Sendable, CaseIterable {
  case float32 = 1
  case uint8 = 2
  case int8 = 3
  case uint16 = 4
  case int16 = 5
  case int32 = 6
  case int64 = 7
  case string = 8
  case bool = 9
  case float16 = 10
  case float64 = 11
  case uint32 = 12
  case uint64 = 13
  case complex64 = 14
  case complex128 = 15
  case bfloat16 = 16
  case float8e4m3fn = 17
  case float8e4m3fnuz = 18
  case float8e5m2 = 19
  case float8e5m2fnuz = 20
  case uint4 = 21
  case int4 = 22
  case float4e2m1 = 23
  case float8e8m0 = 24
  case uint2 = 25
  case int2 = 26

  /// Bits of one element in memory; 0 for strings, which have no fixed size. 4- and 2-bit elements are packed low bits first.
  public var bitWidth: Int {
    switch self {
    case .string: 0
    case .uint2, .int2: 2
    case .uint4, .int4, .float4e2m1: 4
    case .uint8, .int8, .bool, .float8e4m3fn, .float8e4m3fnuz, .float8e5m2, .float8e5m2fnuz, .float8e8m0: 8
    case .uint16, .int16, .float16, .bfloat16: 16
    case .float32, .uint32, .int32: 32
    case .float64, .uint64, .int64, .complex64: 64
    case .complex128: 128
    }
  }

  /// Bytes of one element for types of whole bytes; nil for packed types and strings.
  public var byteWidth: Int? { bitWidth >= 8 ? bitWidth / 8 : nil }

  /// Bytes of `count` elements, packed types rounded up to a whole byte; nil on overflow, a negative count, or strings.
  public func byteCount(of count: Int) -> Int? {
    guard count >= 0, self != .string else { return nil }
    let (bits, overflow) = count.multipliedReportingOverflow(by: bitWidth)
    guard !overflow else { return nil }
    let (padded, overflow2) = bits.addingReportingOverflow(7)
    return overflow2 ? nil : padded / 8
  }

  /// Whether it is a float of 16 bits.
  public var isHalf: Bool { self == .float16 || self == .bfloat16 }

  /// The name used in messages, metadata and on the command line.
  public var name: StaticString {
    switch self {
    case .float32: "float32"
    case .uint8: "uint8"
    case .int8: "int8"
    case .uint16: "uint16"
    case .int16: "int16"
    case .int32: "int32"
    case .int64: "int64"
    case .string: "string"
    case .bool: "bool"
    case .float16: "float16"
    case .float64: "float64"
    case .uint32: "uint32"
    case .uint64: "uint64"
    case .complex64: "complex64"
    case .complex128: "complex128"
    case .bfloat16: "bfloat16"
    case .float8e4m3fn: "float8e4m3fn"
    case .float8e4m3fnuz: "float8e4m3fnuz"
    case .float8e5m2: "float8e5m2"
    case .float8e5m2fnuz: "float8e5m2fnuz"
    case .uint4: "uint4"
    case .int4: "int4"
    case .float4e2m1: "float4e2m1"
    case .float8e8m0: "float8e8m0"
    case .uint2: "uint2"
    case .int2: "int2"
    }
  }
}

extension StaticString {
  /// The text as a `String`, for messages.
  public var text: String {
    @inline(never) get { String(decoding: UnsafeBufferPointer(start: utf8Start, count: utf8CodeUnitCount), as: UTF8.self) }
  }
}
