import CApusKernels
import Testing

/// A quantized matrix in its tensors, packed, and its values as doubles.
private final class BlockMatrix {
  var form = apusk_block_weights()
  let values: [Double]
  /// Elements less their zero points, `[k, n]`; the scales of the first block.
  let numbers: [Int]
  let scales: [Float]
  private let q: UnsafeMutableRawBufferPointer
  private let scaleTable: UnsafeMutableRawBufferPointer
  private let zeros: UnsafeMutableRawBufferPointer

  init(
    _ random: inout ProductRandom, k: Int, n: Int, block: Int, bits: Int, isHalf: Bool, isSigned: Bool, hasZeros: Bool,
    isDynamic: Bool = false, isExtreme: Bool = false
  ) {
    let blocks = block >= k ? 1 : (k + block - 1) / block
    (form.k, form.n, form.block, form.bits) = (Int64(k), Int64(n), Int64(block), Int32(bits))
    form.scale_type = isHalf ? APUSK_FLOAT16 : APUSK_FLOAT32
    let half = 1 << (bits - 1)
    form.zero = Int32(hasZeros || !isSigned ? 0 : half)
    form.is_dynamic = isDynamic ? 1 : 0
    let isTurned = random.bool()
    let elements = (0..<k * n).map { _ in UInt8(isExtreme ? isSigned ? half : 2 * half - 1 : random.int(0...(2 * half - 1))) }
    let zeroElements = (0..<blocks * n).map { _ in UInt8(random.int(0...(2 * half - 1))) }
    let scaleFloats = (0..<blocks * n).map { _ in Float16(Float.random(in: -1...1, using: &random)) }
    func number(_ element: UInt8) -> Int { isSigned && Int(element) >= half ? Int(element) - 2 * half : Int(element) }
    var numbers = [Int](repeating: 0, count: k * n)
    var values = [Double](repeating: 0, count: k * n)
    for p in 0..<k {
      for j in 0..<n {
        let b = blocks == 1 ? 0 : p / block
        let entry = isTurned ? j * blocks + b : b * n + j
        let zero = hasZeros ? number(zeroElements[entry]) : 0
        numbers[p * n + j] = number(elements[isTurned ? j * k + p : p * n + j]) - zero
        values[p * n + j] = Double(numbers[p * n + j]) * Double(scaleFloats[entry])
      }
    }
    (self.values, self.numbers, scales) = (values, numbers, scaleFloats.map { Float($0) })
    func stored(_ elements: [UInt8]) -> [UInt8] {
      if bits == 8 { return elements }
      return stride(from: 0, to: elements.count, by: 2).map { index in
        elements[index] | (index + 1 < elements.count ? elements[index + 1] << 4 : 0)
      }
    }
    func allocated(_ count: Int64) -> UnsafeMutableRawBufferPointer {
      let made = UnsafeMutableRawBufferPointer.allocate(byteCount: Int(count), alignment: 64)
      for index in made.indices { made[index] = 0xa5 }
      return made
    }
    q = allocated(apusk_block_q_bytes(&form))
    scaleTable = allocated(apusk_block_scale_bytes(&form))
    zeros = allocated(apusk_block_zero_bytes(&form))
    var source = apusk_block_source()
    (source.bits, source.is_signed) = (Int32(bits), isSigned ? 1 : 0)
    (source.stride_k, source.stride_n) = isTurned ? (1, Int64(k)) : (Int64(n), 1)
    stored(elements).withUnsafeBytes {
      source.data = $0.baseAddress
      apusk_block_pack_q(&form, &source, q.assumingMemoryBound(to: UInt8.self).baseAddress)
    }
    (source.stride_k, source.stride_n) = isTurned ? (1, Int64(blocks)) : (Int64(n), 1)
    stored(zeroElements).withUnsafeBytes {
      source.data = $0.baseAddress
      apusk_block_pack_zeros(&form, &source, zeros.assumingMemoryBound(to: UInt8.self).baseAddress)
    }
    let wide = scaleFloats.map { Float($0) }
    let scaleBytes = isHalf ? scaleFloats.withUnsafeBytes { Array($0) } : wide.withUnsafeBytes { Array($0) }
    scaleBytes.withUnsafeBytes {
      source.data = $0.baseAddress
      apusk_block_pack_scales(&form, &source, scaleTable.baseAddress)
    }
    form.q = UnsafePointer(q.assumingMemoryBound(to: UInt8.self).baseAddress)
    form.scales = UnsafeRawPointer(scaleTable.baseAddress)
    if hasZeros { form.zeros = UnsafePointer(zeros.assumingMemoryBound(to: UInt8.self).baseAddress) }
  }

  deinit {
    q.deallocate()
    scaleTable.deallocate()
    zeros.deallocate()
  }
}

@Suite struct BlockWeightsTests {
  private func matrix(_ random: inout ProductRandom, _ number: Int) -> BlockMatrix {
    let block = [32, 64, 96, 128, 160, 256, Int(Int32.max)][random.int(0...6)]
    let k = random.bool() ? random.int(1...20) * 32 : random.int(1...600)
    let n = random.int(1...(number % 3 == 0 ? 100 : 40))
    return BlockMatrix(
      &random, k: k, n: n, block: block, bits: number % 2 == 0 ? 4 : 8, isHalf: random.bool(), isSigned: random.bool(),
      hasZeros: random.bool())
  }

  private func products(
    _ matrix: BlockMatrix, _ a: ProductBuffer, rows: Int, _ tail: apusk_tail, _ random: inout ProductRandom
  ) -> [[Float]] {
    productLevels.map { level in
      var digits = apusk_block_digits_args()
      var plan = apusk_plan()
      (digits.a, digits.a_row_stride, digits.rows) = (UnsafePointer(a.floats), matrix.form.k, Int64(rows))
      digits.weights = matrix.form
      let words = ProductBuffer(count: rows * Int(apusk_block_digits_bytes(&digits.weights)) / 4)
      digits.digits = UnsafeMutableRawPointer(words.floats)
      #expect(apusk_block_digits_plan(level, &digits, &plan) == 0)
      #expect(runProduct(plan, digits, split: &random).0 == 0)
      let c = ProductBuffer(count: rows * Int(matrix.form.n))
      var product = apusk_block_product_args()
      (product.digits, product.rows, product.c) = (UnsafeRawPointer(words.floats), Int64(rows), c.floats)
      (product.c_row_stride, product.tail, product.weights) = (matrix.form.n, tail, matrix.form)
      #expect(apusk_block_product_plan(level, &product, &plan) == 0)
      #expect(runProduct(plan, product, split: &random).0 == 0)
      #expect(words.guardsIntact && c.guardsIntact)
      return c.values
    }
  }

  /// Against sums of doubles: an element of A keeps an error of 2^-22 of its chunk's largest, a sum those of its roundings.
  @Test func fewRows() {
    var random = ProductRandom(seed: 51)
    for number in 0..<120 {
      let matrix = matrix(&random, number)
      let (rows, k, n) = (random.int(1...Int(APUSK_BLOCK_MAX_ROWS)), Int(matrix.form.k), Int(matrix.form.n))
      var numbers = random.floats(rows * k)
      if number % 4 == 1 { numbers = numbers.map { abs($0) } }
      let a = ProductBuffer(numbers), bias = ProductBuffer(random.floats(n))
      var tail = apusk_tail_none()
      tail.bias = UnsafePointer(bias.floats)
      if random.bool() { tail.activation = APUSK_ACTIVATION_RELU }
      let results = products(matrix, a, rows: rows, tail, &random)
      for result in results { #expect(productBits(result) == productBits(results[0])) }
      for i in 0..<rows {
        for j in 0..<n {
          var (sum, size) = (Double(numbers[i * k]) * matrix.values[j], abs(matrix.values[j]))
          for p in 1..<max(k, 1) {
            sum += Double(numbers[i * k + p]) * matrix.values[p * n + j]
            size += abs(matrix.values[p * n + j])
          }
          sum += Double(bias.values[j])
          if tail.activation == APUSK_ACTIVATION_RELU { sum = max(0, sum) }
          #expect(abs(Double(results[0][i * n + j]) - sum) <= (size + 1) * 0x1p-21)
        }
      }
    }
  }

  /// Rows quantized by their range: one exact sum, its scales rounded once each.
  @Test func dynamicRows() {
    var random = ProductRandom(seed: 54)
    for number in 0..<60 {
      let k = number < 2 ? Int(APUSK_BLOCK_MAX_DYNAMIC) : random.int(1...600), isExtreme = number < 12
      let matrix = BlockMatrix(
        &random, k: k, n: number < 2 ? 2 : random.int(1...100), block: Int(Int32.max), bits: 8, isHalf: random.bool(),
        isSigned: random.bool(), hasZeros: random.bool(), isDynamic: true, isExtreme: isExtreme)
      let (rows, n) = (number < 2 ? 1 : random.int(1...5), Int(matrix.form.n))
      var numbers = random.floats(rows * k)
      if isExtreme { numbers = numbers.indices.map { $0 == 0 ? -1e-3 : 1 } }
      if number % 5 == 4 { numbers = numbers.map { abs($0) } }
      let results = products(matrix, ProductBuffer(numbers), rows: rows, apusk_tail_none(), &random)
      for result in results { #expect(productBits(result) == productBits(results[0])) }
      for i in 0..<rows {
        let row = numbers[i * k..<(i + 1) * k]
        let (low, high) = (min(0, row.min() ?? 0), max(0, row.max() ?? 0))
        let scale = (low == high ? 1 : high - low) / 255
        let zero = (-low / scale).rounded(.toNearestOrEven)
        let bytes = row.map { min(255, max(0, ($0 / scale).rounded(.toNearestOrEven) + zero)) - zero }
        for j in 0..<n {
          let sum = (0..<k).reduce(0) { $0 + Int(bytes[$1]) * matrix.numbers[$1 * n + j] }
          #expect(results[0][i * n + j] == Float(sum) * (matrix.scales[j] * scale))
        }
      }
    }
  }

  /// Numbers far apart, subnormal, infinite or NaN: the same bits everywhere, and NaN for a row with one that is not finite.
  @Test func extremes() {
    var random = ProductRandom(seed: 52)
    for number in 0..<60 {
      let matrix = matrix(&random, number)
      let (k, n) = (Int(matrix.form.k), Int(matrix.form.n))
      var numbers = random.floats(3 * k)
      for index in numbers.indices { numbers[index] *= Float(sign: .plus, exponent: random.int(-150...100), significand: 1) }
      numbers[random.int(0...(k - 1))] = [Float.infinity, -.infinity, .nan][number % 3]
      for index in k..<(2 * k) { numbers[index] = 0 }
      let results = products(matrix, ProductBuffer(numbers), rows: 3, apusk_tail_none(), &random)
      for result in results {
        #expect(productBits(result) == productBits(results[0]))
        #expect(result[0..<n].allSatisfy { $0.isNaN })
        #expect(result[n..<(2 * n)].allSatisfy { $0 == 0 })
        #expect(result[(2 * n)...].allSatisfy { !$0.isNaN })
      }
    }
  }

  /// Products of many rows have the bits of those with the float32 values of the weights.
  @Test func manyRows() throws {
    var random = ProductRandom(seed: 53)
    for number in 0..<60 {
      let matrix = matrix(&random, number)
      let (m, k, n) = (random.int(1...40), Int(matrix.form.k), Int(matrix.form.n))
      let values = ProductBuffer(matrix.values.map { Float($0) }), a = ProductBuffer(random.floats(m * k))
      var base = apusk_gemm_f32_args()
      (base.m, base.n, base.k, base.batches) = (Int64(m), Int64(n), Int64(k), 1)
      (base.a, base.c_row_stride, base.tail) = (UnsafePointer(a.floats), Int64(n), apusk_tail_none())
      (base.a_row_stride, base.a_k_stride) = random.bool() ? (1, Int64(m)) : (Int64(k), 1)
      var expected: [UInt32] = []
      for level in productLevels {
        let kernels = try #require(apusk_gemm_kernels_for(level))
        let packed = ProductBuffer(count: Int(apusk_gemm_packed_bytes(kernels, base.k, base.n)) / 4)
        apusk_gemm_pack_b_f32(kernels, values.floats, Int64(n), 1, base.k, base.n, packed.floats)
        for isQuantized in [false, true] {
          var arguments = base
          var plan = apusk_plan()
          let c = ProductBuffer(count: m * n)
          arguments.c = c.floats
          if isQuantized { arguments.weights = matrix.form } else { arguments.b = UnsafePointer(packed.floats) }
          #expect(apusk_gemm_f32_plan(kernels, &arguments, &plan) == 0)
          #expect(runProduct(plan, arguments, split: &random).0 == 0)
          if expected.isEmpty { expected = productBits(c.values) }
          #expect(productBits(c.values) == expected, "level \(level) m \(m) n \(n) k \(k) bits \(matrix.form.bits)")
          #expect(c.guardsIntact)
        }
      }
    }
  }

  @Test func refusals() {
    var form = apusk_block_weights()
    (form.k, form.n, form.block, form.bits, form.scale_type) = (64, 8, 32, 4, APUSK_FLOAT16)
    #expect(apusk_block_is_supported(&form))
    let others: [(Int64, Int32, Int32)] = [
      (16, 4, APUSK_FLOAT16), (0, 8, APUSK_FLOAT32), (32, 2, APUSK_FLOAT16), (32, 4, APUSK_INT8),
    ]
    for (k, block, bits, isDynamic) in [(64, 64, 4, 1), (64, 32, 8, 1), (32769, 32769, 8, 1), (32768, 32768, 8, 0)] {
      var other = form
      (other.k, other.block, other.bits, other.is_dynamic) = (Int64(k), Int64(block), Int32(bits), Int32(isDynamic))
      #expect(apusk_block_is_supported(&other) == (isDynamic == 0))
    }
    for (block, bits, type) in others {
      var other = form
      (other.block, other.bits, other.scale_type) = (block, bits, type)
      #expect(!apusk_block_is_supported(&other))
      var product = apusk_block_product_args()
      var plan = apusk_plan()
      (product.rows, product.weights, product.tail) = (1, other, apusk_tail_none())
      #expect(apusk_block_product_plan(APUSK_LEVEL_PORTABLE, &product, &plan) == 100)
    }
    (form.k, form.n) = (.max / 2, .max / 2)
    #expect(apusk_block_q_bytes(&form) == -1)
  }
}
