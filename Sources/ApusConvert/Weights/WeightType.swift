import ApusGraph

/// How a conversion stores the float32 weights of matrix products, convolutions, recurrent layers and tables. Inputs, outputs
/// and activations stay float32.
public enum WeightType: String, CaseIterable, Sendable {
  case float32 = "fp32"
  /// Rounded to 11 significant bits: at most 2^-11 of a weight (2^-25 of one below 2^-14); none beyond 65504.
  case float16 = "fp16"
  /// Rounded to 8 significant bits: at most 2^-8 of a weight, float32's range.
  case bfloat16 = "bf16"

  var elementType: ElementType {
    switch self {
    case .float32: .float32
    case .float16: .float16
    case .bfloat16: .bfloat16
    }
  }

  /// The largest error of a rounded weight, as a part of it.
  public var unitRoundoff: Double {
    switch self {
    case .float32: 0
    case .float16: 0x1p-11
    case .bfloat16: 0x1p-8
    }
  }

  /// The 16 bits nearest to a value, to even where two are as near; infinite where there is none.
  func rounded(_ value: Float) -> UInt16 {
    if self == .float16 { return Float16(value).bitPattern }
    let bits = value.bitPattern
    if value.isNaN { return UInt16(truncatingIfNeeded: bits >> 16) | 0x40 }
    return UInt16(truncatingIfNeeded: (bits &+ 0x7fff &+ (bits >> 16 & 1)) >> 16)
  }

  /// The value of 16 bits.
  func value(_ bits: UInt16) -> Float {
    self == .float16 ? Float(Float16(bitPattern: bits)) : Float(bitPattern: UInt32(bits) << 16)
  }
}
