/// A set of element types: what a type constraint of an operator allows.
public struct TypeSet: OptionSet, Sendable {
  public let rawValue: UInt32

  public init(rawValue: UInt32) { self.rawValue = rawValue }

  public init(_ types: ElementType...) {
    var bits: UInt32 = 0
    for type in types { bits |= 1 << UInt32(type.rawValue) }
    rawValue = bits
  }

  public func contains(_ type: ElementType) -> Bool { rawValue & (1 << UInt32(type.rawValue)) != 0 }

  /// The floating-point types that ONNX calls "all float types" in version 22.
  public static let floats = TypeSet(.float16, .float32, .float64, .bfloat16)
  public static let signedIntegers = TypeSet(.int8, .int16, .int32, .int64)
  public static let unsignedIntegers = TypeSet(.uint8, .uint16, .uint32, .uint64)
  public static let numeric: TypeSet = [.floats, .signedIntegers, .unsignedIntegers]
  public static let indices = TypeSet(.int32, .int64)
  public static let float8: TypeSet = TypeSet(.float8e4m3fn, .float8e4m3fnuz, .float8e5m2, .float8e5m2fnuz, .float8e8m0)
  public static let packed: TypeSet = TypeSet(.uint4, .int4, .float4e2m1, .uint2, .int2)
  public static let complex = TypeSet(.complex64, .complex128)
  public static let all = TypeSet(rawValue: (1 << 27) - 2)

  /// Types whose elements are whole bytes: what kernels that move data by width take.
  public static let wholeBytes = TypeSet(
    rawValue: TypeSet.all.rawValue & ~(TypeSet.packed.rawValue | TypeSet(.string).rawValue))

  /// `float32, float64`, for messages.
  public var text: String {
    var text = ""
    for type in ElementType.allCases where contains(type) {
      if !text.utf8.isEmpty { text += ", " }
      text += type.name.text
    }
    return text
  }
}
