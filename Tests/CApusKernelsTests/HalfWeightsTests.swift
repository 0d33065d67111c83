import CApusKernels
import Testing

private let halfTypes: [Int32] = [APUSK_FLOAT16, APUSK_BFLOAT16]

/// The value of 16 bits, by Swift's own conversion.
private func value(_ bits: UInt16, _ type: Int32) -> Float {
  type == APUSK_FLOAT16 ? Float(Float16(bitPattern: bits)) : Float(bitPattern: UInt32(bits) << 16)
}

/// 16-bit words at a fixed, 64-byte aligned address.
private final class HalfBuffer {
  let words: UnsafeMutableBufferPointer<UInt16>

  init(_ values: [UInt16]) {
    let raw = UnsafeMutableRawBufferPointer.allocate(byteCount: 2 * values.count + 64, alignment: 64)
    words = raw.bindMemory(to: UInt16.self)
    for (index, value) in values.enumerated() { words[index] = value }
  }

  deinit { words.deallocate() }

  var pointer: UnsafeMutablePointer<UInt16> { words.baseAddress.unsafelyUnwrapped }
}

@Suite struct HalfWeightsTests {
  @Test func everyElementHasItsValue() throws {
    let all = HalfBuffer((0...UInt16.max).map { $0 })
    for level in productLevels {
      let kernels = try #require(apusk_gemm_kernels_for(level))
      for type in halfTypes {
        for count in [65536, 1, 7, 8, 15, 31] {
          let first = 65536 - count
          let target = ProductBuffer(count: count)
          apusk_half_widen(kernels, type, all.pointer + first, Int64(count), target.floats)
          #expect(
            productBits(target.values) == productBits((first..<65536).map { value(UInt16($0), type) }), "level \(level)")
          #expect(target.guardsIntact)
        }
      }
    }
  }

  @Test func badTypesAreRefused() throws {
    let kernels = try #require(apusk_gemm_kernels_for(APUSK_LEVEL_PORTABLE))
    var arguments = apusk_gemm_f32_args()
    (arguments.m, arguments.n, arguments.k, arguments.batches) = (1, 1, 1, 1)
    arguments.tail = apusk_tail_none()
    arguments.half_type = APUSK_INT16
    var plan = apusk_plan()
    #expect(apusk_gemm_f32_plan(kernels, &arguments, &plan) == 502)
    #expect(apusk_gemm_half_packed_bytes(kernels, -1, 2) == -1)
    #expect(apusk_gemm_half_packed_bytes(kernels, .max, 2) == -1)
  }

  /// Products of 16-bit weights have the bits of products of the same values in float32.
  @Test func productsAreThoseOfFloat32() throws {
    var random = ProductRandom(seed: 16)
    let rows = [1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 15, 30]
    for number in 0..<160 {
      let (m, n) = (rows[random.int(0...(rows.count - 1))], random.int(1...(number % 4 == 0 ? 200 : 70)))
      let k = [0, random.int(1...40), random.int(1...700), 1024][random.int(0...3)]
      let type = halfTypes[number % 2]
      let (turnedA, turnedB, batches) = (random.int(0...3) == 0, random.bool(), random.int(0...4) == 0 ? 2 : 1)
      // Small enough that sums stay finite; subnormals and zeros among them.
      let words = (0..<batches * k * n).map { _ -> UInt16 in
        let word = UInt16(truncatingIfNeeded: random.next())
        if type == APUSK_BFLOAT16 { return word & 0x8000 | (word & 0x7fff) % 0x4080 }
        return word & 0x8000 | (word & 0x7fff) % 0x4000
      }
      let source = HalfBuffer(words), values = ProductBuffer(words.map { value($0, type) })
      let a = ProductBuffer(random.floats(batches * m * k)), bias = ProductBuffer(random.floats(n))
      let residual = ProductBuffer(random.floats(m * n))
      var base = apusk_gemm_f32_args()
      (base.m, base.n, base.k, base.batches) = (Int64(m), Int64(n), Int64(k), Int64(batches))
      (base.a_row_stride, base.a_k_stride) = turnedA ? (1, Int64(m)) : (Int64(k), 1)
      (base.c_row_stride, base.a_batch_stride, base.c_batch_stride) = (Int64(n), Int64(m * k), Int64(m * n))
      base.tail = apusk_tail_none()
      base.tail.activation = Int32(random.int(0...4))
      if random.bool() { base.tail.scale = 0.75 }
      if random.bool() { base.tail.bias = UnsafePointer(bias.floats) }
      if random.bool() {
        base.tail.residual = UnsafePointer(residual.floats)
        base.tail.residual_row_stride = Int64(n)
      }
      base.a = UnsafePointer(a.floats)
      let (strideK, strideN) = turnedB ? (Int64(1), Int64(k)) : (Int64(n), Int64(1))
      var expected: [UInt32] = []
      for level in productLevels {
        let kernels = try #require(apusk_gemm_kernels_for(level))
        var wide = base, half = base
        var plan = apusk_plan()
        let floats = apusk_gemm_packed_bytes(kernels, base.k, base.n) / 4
        let elements = apusk_gemm_half_packed_bytes(kernels, base.k, base.n) / 2
        let packed = ProductBuffer(count: max(1, batches * Int(floats)))
        let packedHalf = HalfBuffer([UInt16](repeating: 0x7fff, count: max(1, batches * Int(elements))))
        for batch in 0..<batches {
          apusk_gemm_pack_b_f32(
            kernels, values.floats + batch * k * n, strideK, strideN, base.k, base.n, packed.floats + batch * Int(floats))
          apusk_gemm_pack_b_half(
            kernels, type, source.pointer + batch * k * n, strideK, strideN, base.k, base.n,
            packedHalf.pointer + batch * Int(elements))
        }
        let c = ProductBuffer(count: batches * m * n)
        wide.b = UnsafePointer(packed.floats)
        wide.b_batch_stride = floats
        wide.c = c.floats
        #expect(apusk_gemm_f32_plan(kernels, &wide, &plan) == 0)
        #expect(runProduct(plan, wide, split: &random).0 == 0)
        if expected.isEmpty { expected = productBits(c.values) }
        #expect(productBits(c.values) == expected)
        for whole in [true, false] {
          let c = ProductBuffer(count: batches * m * n)
          half.half_type = type
          half.half = UnsafePointer(packedHalf.pointer)
          half.b_batch_stride = elements
          half.c = c.floats
          #expect(apusk_gemm_f32_plan(kernels, &half, &plan) == 0)
          #expect(runProduct(plan, half, split: &random, whole: whole).0 == 0)
          #expect(productBits(c.values) == expected, "level \(level) type \(type) m \(m) n \(n) k \(k)")
          #expect(c.guardsIntact)
        }
      }
    }
  }
}
