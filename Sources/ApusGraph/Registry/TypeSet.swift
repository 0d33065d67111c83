/// A set of element types: what a type constraint of an operator allows.
public struct TypeSet: OptionSet, Sendable {
  public let rawValue: UInt32

  @inlinable
  public init(rawValue: UInt32) { self.rawValue = rawValue }

  /// The set of up to eight types. Not variadic: so the compiler folds each of some hundred sets to a number.
  @inlinable
  public init(
    _ a: ElementType, _ b: ElementType? = nil, _ c: ElementType? = nil, _ d: ElementType? = nil, _ e: ElementType? = nil,
    _ f: ElementType? = nil, _ g: ElementType? = nil, _ h: ElementType? = nil
  ) {
    rawValue =
      TypeSet.bit(a) | TypeSet.bit(b) | TypeSet.bit(c) | TypeSet.bit(d) | TypeSet.bit(e) | TypeSet.bit(f) | TypeSet.bit(g)
      | TypeSet.bit(h)
  }

  @inlinable
  static func bit(_ type: ElementType?) -> UInt32 {
    guard let type else { return 0 }
    return 1 &<< UInt32(truncatingIfNeeded: type.rawValue)
  }

  public func contains(_ type: ElementType) -> Bool { rawValue & TypeSet.bit(type) != 0 }

  /// The floating-point types that ONNX calls "all float types" in version 22.
  public static let floats = TypeSet(.float16, .float32, .float64, .bfloat16)
  public static let signedIntegers = TypeSet(.int8, .int16, .int32, .int64)
  public static let unsignedIntegers = TypeSet(.uint8, .uint16, .uint32, .uint64)
  public static let numeric: TypeSet = [.floats, .signedIntegers, .unsignedIntegers]
  public static let indices = TypeSet(.int32, .int64)
  public static let float8 = TypeSet(.float8e4m3fn, .float8e4m3fnuz, .float8e5m2, .float8e5m2fnuz, .float8e8m0)
  public static let packed = TypeSet(.uint4, .int4, .float4e2m1, .uint2, .int2)
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
