import CApusKernels
import CApusPlatform
import Testing

/// Cast against Swift's own conversions.
@Suite struct CastTests {
  func cast<From: BitwiseCopyable, To: BitwiseCopyable>(
    _ values: [From], _ from: Int32, to: Int32, as: To.Type, saturate: Int32 = 0, count: Int? = nil, bytes: Int? = nil
  ) -> [To] {
    var args = apusk_cast_args()
    args.count = Int64(count ?? values.count)
    args.saturate = saturate
    args.from = from
    args.to = to
    var plan = apusk_plan()
    #expect(apusk_cast_plan(APUSK_LEVEL_PORTABLE, &args, &plan) == 0)
    return values.withUnsafeBytes { source in
      withUnsafeTemporaryAllocation(of: To.self, capacity: bytes ?? count ?? values.count) { target in
        args.input = source.baseAddress
        args.output = UnsafeMutableRawPointer(target.baseAddress)
        var random = ProductRandom(seed: UInt64(values.count))
        #expect(runProduct(plan, args, split: &random).0 == 0)
        return Array(target)
      }
    }
  }

  /// Every 16-bit float and back.
  @Test func halfPrecisionIsExact() {
    let all = (0...UInt16.max).map { $0 }
    let floats = cast(all, APUSK_FLOAT16, to: APUSK_FLOAT32, as: Float.self)
    for (bits, value) in zip(all, floats) {
      let expected = Float(Float16(bitPattern: bits))
      #expect(value == expected || (value.isNaN && expected.isNaN))
    }
    let back = cast(floats, APUSK_FLOAT32, to: APUSK_FLOAT16, as: UInt16.self)
    for (bits, other) in zip(all, back) where !Float16(bitPattern: bits).isNaN { #expect(bits == other) }
    let brain = cast(all, APUSK_BFLOAT16, to: APUSK_FLOAT32, as: Float.self)
    for (bits, value) in zip(all, brain) {
      let expected = Float(bitPattern: UInt32(bits) << 16)
      #expect(value == expected || (value.isNaN && expected.isNaN))
    }
  }

  @Test func floatsAreRoundedOnce() {
    var random = ProductRandom(seed: 1)
    let floats =
      (0..<50_000).map { _ in Float(bitPattern: UInt32(truncatingIfNeeded: random.next())) }
      + (0..<50_000).map { _ in Float.random(in: -70000...70000, using: &random) }
      + (0..<50_000).map { _ in Float.random(in: -1e-4...1e-4, using: &random) }
    for (value, bits) in zip(floats, cast(floats, APUSK_FLOAT32, to: APUSK_FLOAT16, as: UInt16.self)) {
      let expected = Float16(value)
      #expect(expected.bitPattern == bits || (expected.isNaN && Float16(bitPattern: bits).isNaN), "\(value)")
    }
    for (value, bits) in zip(floats, cast(floats, APUSK_FLOAT32, to: APUSK_BFLOAT16, as: UInt16.self)) where !value.isNaN {
      let pattern = value.bitPattern
      #expect(UInt16(truncatingIfNeeded: (pattern &+ 0x7FFF &+ (pattern >> 16 & 1)) >> 16) == bits, "\(value)")
    }
    let doubles = (0..<50_000).map { _ in Double(bitPattern: random.next()) }
    for (value, result) in zip(doubles, cast(doubles, APUSK_FLOAT64, to: APUSK_FLOAT32, as: Float.self)) {
      #expect(Float(value) == result || (value.isNaN && result.isNaN))
    }
  }

  @Test func integersAreRoundedOnce() {
    // Just above the middle of two bfloat16 numbers: rounding to double first would fall back onto it.
    let value: Int64 = (1 << 62) + (1 << 54) + 1
    #expect(cast([value, -value], APUSK_INT64, to: APUSK_BFLOAT16, as: UInt16.self) == [0x5E81, 0xDE81])
    #expect(cast([UInt64.max], APUSK_UINT64, to: APUSK_FLOAT32, as: Float.self) == [0x1p64])
    #expect(cast([Int64.min], APUSK_INT64, to: APUSK_FLOAT64, as: Double.self) == [-0x1p63])
    var random = ProductRandom(seed: 2)
    let values = (0..<20_000).map { _ in Int64(bitPattern: random.next()) }
    #expect(cast(values, APUSK_INT64, to: APUSK_FLOAT32, as: Float.self) == values.map { Float($0) })
    #expect(cast(values, APUSK_INT64, to: APUSK_FLOAT16, as: UInt16.self) == values.map { Float16($0).bitPattern })
  }

  @Test func floatsToIntegersTruncateAndSaturate() {
    let values: [Float] = [0, -0.9, 0.9, 1.5, -1.5, 127.9, 128, -129, 255, 256, 1e10, -1e10, .infinity, -.infinity, .nan]
    #expect(
      cast(values, APUSK_FLOAT32, to: APUSK_INT8, as: Int8.self)
        == [0, 0, 0, 1, -1, 127, 127, -128, 127, 127, 127, -128, 127, -128, 0])
    #expect(
      cast(values, APUSK_FLOAT32, to: APUSK_UINT8, as: UInt8.self)
        == [0, 0, 0, 1, 0, 127, 128, 0, 255, 255, 255, 0, 255, 0, 0])
    #expect(
      cast([1e19, -1e19, 9.3e18, .nan] as [Double], APUSK_FLOAT64, to: APUSK_INT64, as: Int64.self) == [.max, .min, .max, 0])
    #expect(
      cast([1e20, 1.5e19, -1] as [Double], APUSK_FLOAT64, to: APUSK_UINT64, as: UInt64.self)
        == [.max, 15_000_000_000_000_000_000, 0])
  }

  @Test func integersKeepTheirLowBits() {
    let values: [Int32] = [0, 1, -1, 127, 128, 255, 256, -32769, .max, .min]
    #expect(cast(values, APUSK_INT32, to: APUSK_INT8, as: Int8.self) == values.map { Int8(truncatingIfNeeded: $0) })
    #expect(cast(values, APUSK_INT32, to: APUSK_UINT64, as: UInt64.self) == values.map { UInt64(truncatingIfNeeded: $0) })
    #expect(cast(values, APUSK_INT32, to: APUSK_BOOL, as: UInt8.self) == values.map { $0 == 0 ? 0 : 1 })
    #expect(cast([0, 1, 7] as [UInt8], APUSK_BOOL, to: APUSK_FLOAT32, as: Float.self) == [0, 1, 1])
    #expect(cast([0, -0.0, .nan, 1e-45] as [Float], APUSK_FLOAT32, to: APUSK_BOOL, as: UInt8.self) == [0, 0, 1, 1])
  }

  @Test func smallFloatsRoundToEvenAndSaturateOrNot() {
    // 464 lies midway between 448, the largest, and what would be 480.
    let values: [Float] = [464, 465, -1e9, .infinity, 0x1p-10, 0x1.8p-9, -0.0]
    #expect(cast(values, APUSK_FLOAT32, to: APUSK_FLOAT8E4M3FN, as: UInt8.self) == [0x7E, 0x7F, 0xFF, 0x7F, 0, 2, 0x80])
    #expect(
      cast(values, APUSK_FLOAT32, to: APUSK_FLOAT8E4M3FN, as: UInt8.self, saturate: 1)
        == [0x7E, 0x7E, 0xFE, 0x7E, 0, 2, 0x80])
    #expect(cast(values, APUSK_FLOAT32, to: APUSK_FLOAT8E4M3FNUZ, as: UInt8.self)[5...] == [3, 0])
    #expect(cast([1e6, .infinity] as [Float], APUSK_FLOAT32, to: APUSK_FLOAT8E5M2, as: UInt8.self) == [0x7C, 0x7C])
    #expect(cast([3, 0.3] as [Float], APUSK_FLOAT32, to: APUSK_FLOAT8E8M0, as: UInt8.self) == [129, 126])
    let codes = (0...UInt8.max).map { $0 }
    for type in [APUSK_FLOAT8E4M3FN, APUSK_FLOAT8E4M3FNUZ, APUSK_FLOAT8E5M2, APUSK_FLOAT8E5M2FNUZ, APUSK_FLOAT8E8M0] {
      let floats = cast(codes, type, to: APUSK_FLOAT32, as: Float.self)
      let back = cast(floats, APUSK_FLOAT32, to: type, as: UInt8.self)
      for code in 0...255 where !floats[code].isNaN { #expect(back[code] == codes[code], "type \(type)") }
    }
  }

  @Test func packedElementsStandLowBitsFirst() {
    #expect(cast([1, -2, 7, -8, 9] as [Int8], APUSK_INT8, to: APUSK_INT4, as: UInt8.self, bytes: 3) == [0xE1, 0x87, 0x09])
    #expect(cast([1, -2, 0, -1, 1] as [Int8], APUSK_INT8, to: APUSK_INT2, as: UInt8.self, bytes: 2) == [0b1100_1001, 1])
    let packed: [UInt8] = [0xE1, 0x87, 0x09]
    #expect(cast(packed, APUSK_INT4, to: APUSK_INT8, as: Int8.self, count: 5) == [1, -2, 7, -8, -7])
    #expect(cast(packed, APUSK_FLOAT4E2M1, to: APUSK_FLOAT32, as: Float.self, count: 5) == [0.5, -4, 6, -0.0, -0.5])
  }

  @Test func refusesOtherTypes() {
    var args = apusk_cast_args()
    var plan = apusk_plan()
    for (from, to) in [(8, 1), (1, 8), (1, 14), (15, 1), (0, 1), (1, 99)] as [(Int32, Int32)] {
      args.from = from
      args.to = to
      #expect(apusk_cast_plan(APUSK_LEVEL_PORTABLE, &args, &plan) == 502)
    }
  }
}
