import CApusKernels
import Testing

/// One random product and everything around it.
private struct GemmCase: CustomStringConvertible {
  var m, n, k, batches: Int
  var transposedA, transposedB, packAtRunTime, offsets: Bool
  var aStride, cStride: Int
  var residualRowStride, residualColumnStride, residualBatchStride: Int
  var tail = apusk_tail_none()
  var a, b, bias, residual: [Float]

  var description: String {
    "m \(m) n \(n) k \(k) batches \(batches) A^T \(transposedA) B^T \(transposedB) run-time B \(packAtRunTime) "
      + "offsets \(offsets) lda \(aStride) ldc \(cStride) residual \(residual.isEmpty ? "no" : "yes") "
      + "(\(residualRowStride), \(residualColumnStride)) bias \(!bias.isEmpty) activation \(tail.activation)"
  }

  init(_ random: inout ProductRandom, m: Int, n: Int, k: Int, specials: Bool = false) {
    (self.m, self.n, self.k) = (m, n, k)
    batches = random.int(0...3) == 0 ? random.int(2...3) : 1
    transposedA = random.int(0...3) == 0
    transposedB = random.bool()
    packAtRunTime = random.int(0...2) == 0
    offsets = batches > 1 && random.bool()
    aStride = (transposedA ? m : k) + (random.bool() ? 0 : random.int(0...5))
    cStride = n + (random.bool() ? 0 : random.int(0...9))
    let make: (inout ProductRandom, Int) -> [Float] = { specials ? $0.specials($1) : $0.floats($1) }
    a = make(&random, batches * max(1, (transposedA ? k : m) * aStride))
    b = make(&random, batches * max(1, k * n))
    bias = random.bool() ? make(&random, n) : []
    switch random.int(0...4) {
    case 0: (residualRowStride, residualColumnStride) = (n, 1)
    case 1: (residualRowStride, residualColumnStride) = (0, 1)
    case 2: (residualRowStride, residualColumnStride) = (1, 0)
    case 3: (residualRowStride, residualColumnStride) = (3, m * 3)
    default: (residualRowStride, residualColumnStride) = (-1, 1)
    }
    if residualRowStride >= 0 {
      let last = max(0, m - 1) * residualRowStride + max(0, n - 1) * residualColumnStride
      residualBatchStride = random.bool() ? 0 : last + 1
      residual = make(&random, residualBatchStride * (batches - 1) + last + 1)
    } else {
      (residual, residualBatchStride) = ([], 0)
    }
    if random.bool() { (tail.scale, tail.residual_scale) = (0.75, -1.5) }
    tail.activation = Int32(random.int(0...Int(APUSK_ACTIVATION_COUNT) - 1))
    if specials && isTranscendental(tail.activation) { tail.activation = 0 }
    (tail.alpha, tail.beta) = tail.activation == APUSK_ACTIVATION_CLIP ? (-0.5, 0.75) : (0.1, 0.5)
  }

  func aAt(_ batch: Int, _ i: Int, _ p: Int) -> Float {
    let size = a.count / batches
    return a[(offsets ? batches - 1 - batch : batch) * size + (transposedA ? p * aStride + i : i * aStride + p)]
  }

  func bAt(_ batch: Int, _ p: Int, _ j: Int) -> Float {
    b[(offsets ? 0 : batch) * (b.count / batches) + (transposedB ? j * k + p : p * n + j)]
  }

  func residualAt(_ batch: Int, _ i: Int, _ j: Int) -> Float? {
    residual.isEmpty ? nil : residual[batch * residualBatchStride + i * residualRowStride + j * residualColumnStride]
  }

  /// C with its row gaps, which must keep the value they had.
  func run(level: Int32, _ random: inout ProductRandom, whole: Bool) throws -> [Float] {
    let kernels = try #require(apusk_gemm_kernels_for(level))
    let packedFloats = Int(apusk_gemm_packed_bytes(kernels, Int64(k), Int64(n))) / 4
    let packed = ProductBuffer(count: packedFloats * batches)
    let source = ProductBuffer(b), aBuffer = ProductBuffer(a)
    let strideK = Int64(transposedB ? 1 : n), strideN = Int64(transposedB ? k : 1)
    if packAtRunTime {
      var arguments = apusk_gemm_pack_b_f32_args(
        source: source.floats, packed: packed.floats, stride_k: strideK, stride_n: strideN, k: Int64(k), n: Int64(n),
        batches: Int64(batches), source_batch_stride: Int64(b.count / batches), source_offsets: nil, packed_batch_stride: 0)
      var plan = apusk_plan()
      #expect(apusk_gemm_pack_b_f32_plan(kernels, &arguments, &plan) == 0)
      #expect(runProduct(plan, arguments, split: &random).0 == 0)
    } else {
      for batch in 0..<batches {
        apusk_gemm_pack_b_f32(
          kernels, source.floats + batch * (b.count / batches), strideK, strideN, Int64(k), Int64(n),
          packed.floats + batch * packedFloats)
      }
    }
    #expect(packed.guardsIntact)
    let c = ProductBuffer(count: batches * m * cStride, filledWith: 77)
    let biasBuffer = ProductBuffer(bias), residualBuffer = ProductBuffer(residual)
    let aOffsets = (0..<batches).map { Int64((batches - 1 - $0) * (a.count / batches)) }
    let bOffsets = [Int64](repeating: 0, count: batches)
    return try aOffsets.withUnsafeBufferPointer { aOffsets in
      try bOffsets.withUnsafeBufferPointer { bOffsets in
        var arguments = apusk_gemm_f32_args()
        arguments.a = UnsafePointer(aBuffer.floats)
        arguments.b = UnsafePointer(packed.floats)
        arguments.c = c.floats
        (arguments.m, arguments.n, arguments.k) = (Int64(m), Int64(n), Int64(k))
        arguments.a_row_stride = transposedA ? 1 : Int64(aStride)
        arguments.a_k_stride = transposedA ? Int64(aStride) : 1
        arguments.c_row_stride = Int64(cStride)
        arguments.tail = tail
        if !bias.isEmpty { arguments.tail.bias = UnsafePointer(biasBuffer.floats) }
        if !residual.isEmpty {
          arguments.tail.residual = UnsafePointer(residualBuffer.floats)
          arguments.tail.residual_row_stride = Int64(residualRowStride)
          arguments.tail.residual_column_stride = Int64(residualColumnStride)
        }
        arguments.batches = Int64(batches)
        arguments.a_batch_stride = Int64(a.count / batches)
        arguments.b_batch_stride = Int64(packedFloats)
        arguments.c_batch_stride = Int64(m * cStride)
        arguments.residual_batch_stride = Int64(residualBatchStride)
        if offsets {
          arguments.a_offsets = aOffsets.baseAddress
          arguments.b_offsets = bOffsets.baseAddress
        }
        var plan = apusk_plan()
        try #require(apusk_gemm_f32_plan(kernels, &arguments, &plan) == 0)
        #expect((plan.units == 0) == (m == 0 || n == 0))
        #expect(runProduct(plan, arguments, split: &random, whole: whole).0 == 0)
        #expect(c.guardsIntact)
        return c.values
      }
    }
  }

  /// The outputs whose bits are not those of the stated order; for activations without an exponential.
  func countDifferences(_ c: [Float]) -> Int {
    var different = 0
    for batch in 0..<batches {
      for i in 0..<m {
        for j in 0..<n {
          var sum = ProductSum()
          for p in 0..<k { sum.add(aAt(batch, i, p), bAt(batch, p, j)) }
          let expected = productTailExactly(
            sum.value, bias: bias.isEmpty ? nil : bias[j], residual: residualAt(batch, i, j), tail)
          if productBits([c[(batch * m + i) * cStride + j]]) != productBits([expected]) { different += 1 }
        }
      }
    }
    return different
  }

  /// Compares with sums in double precision.
  func expectClose(_ c: [Float], _ label: String) {
    var worst = 0.0
    for batch in 0..<batches {
      for i in 0..<m {
        for j in 0..<cStride {
          let value = c[(batch * m + i) * cStride + j]
          guard j < n else {
            #expect(value == 77, "\(label): a gap between rows was written")
            continue
          }
          var sum = 0.0, size = 0.0
          for p in 0..<k {
            let product = Double(aAt(batch, i, p)) * Double(bAt(batch, p, j))
            sum += product
            size += abs(product)
          }
          let biasValue = bias.isEmpty ? nil : Double(bias[j]), residualValue = residualAt(batch, i, j).map(Double.init)
          let expected = productTail(sum, bias: biasValue, residual: residualValue, tail)
          size += abs(biasValue ?? 0) + abs(1.5 * (residualValue ?? 0)) + 1
          worst = max(worst, abs(expected - Double(value)) / (size * ProductSum.errorBound(terms: k, more: 8)))
        }
      }
    }
    #expect(worst <= 1, "\(label): error \(worst) of the bound")
  }
}

@Suite struct GemmTests {
  @Test(arguments: 0..<60 as Range<UInt64>)
  func randomProductsAgreeWithDoublePrecisionAndAcrossLevelsAndSplits(seed: UInt64) throws {
    var random = ProductRandom(seed: seed)
    // Rows around the micro-kernels' heights, columns around the panels' widths, depths around the blocks'.
    let m = [1, 2, 3, random.int(4...16), random.int(1...40)][random.int(0...4)]
    let n = [random.int(1...9), random.int(10...33), random.int(60...140)][random.int(0...2)]
    let k = [random.int(1...9), random.int(10...40), random.int(250...300), random.int(500...530)][random.int(0...3)]
    let product = GemmCase(&random, m: m, n: n, k: k)
    let label = "seed \(seed): \(product)"
    let reference = try product.run(level: APUSK_LEVEL_PORTABLE, &random, whole: true)
    product.expectClose(reference, label)
    for level in productLevels {
      let c = try product.run(level: level, &random, whole: false)
      #expect(productBits(c) == productBits(reference), "\(label): level \(level) differs")
    }
  }

  @Test(arguments: 100..<120 as Range<UInt64>)
  func infinitiesNaNsAndSignedZerosFollowTheStatedOrder(seed: UInt64) throws {
    var random = ProductRandom(seed: seed)
    let product = GemmCase(
      &random, m: random.int(1...17), n: random.int(1...70), k: random.int(0...6), specials: true)
    for level in productLevels {
      let c = try product.run(level: level, &random, whole: false)
      #expect(product.countDifferences(c) == 0, "seed \(seed), level \(level): \(product)")
    }
  }

  /// Depths around the ends of chains and of passes, on every path: few and many rows, A in any direction, narrow panels.
  @Test(arguments: 200..<260 as Range<UInt64>)
  func sumsAreChainsAddedInOrder(seed: UInt64) throws {
    var random = ProductRandom(seed: seed)
    let chain = Int(APUSK_GEMM_CHAIN)
    let k = random.int(1...9) * chain + [0, 1, -1, random.int(-chain + 1...chain)][random.int(0...3)]
    let m = [1, 2, 3, random.int(4...16), random.int(17...40)][random.int(0...4)]
    var product = GemmCase(&random, m: m, n: [random.int(1...9), random.int(10...100)][random.int(0...1)], k: k)
    if isTranscendental(product.tail.activation) { product.tail.activation = APUSK_ACTIVATION_NONE }
    for level in productLevels {
      let c = try product.run(level: level, &random, whole: random.bool())
      #expect(product.countDifferences(c) == 0, "seed \(seed), level \(level): \(product)")
    }
  }

  /// Equal terms round the same way again and again: in one chain their error grows with k and leaves this bound.
  @Test(arguments: [512, 2048, 8192, 8191])
  func theErrorOfLongSumsStaysInTheBoundOfShortOnes(k: Int) throws {
    var random = ProductRandom(seed: UInt64(k))
    var oneChain = 0.0
    for m in [1, 2, 5, 16] {
      var product = GemmCase(&random, m: m, n: 20, k: k)
      product.tail = apusk_tail_none()
      (product.bias, product.residual) = ([], [])
      for i in product.a.indices { product.a[i] = 0.1 }
      for i in product.b.indices { product.b[i] = 1 }
      let expected = Double(Float(0.1)) * Double(k), bound = expected * ProductSum.errorBound(terms: k, more: 1)
      for level in productLevels {
        let c = try product.run(level: level, &random, whole: false)
        for j in 0..<product.n { #expect(abs(Double(c[j]) - expected) <= bound, "m \(m), level \(level)") }
      }
      var chain: Float = 0
      for _ in 0..<k { chain = chain.addingProduct(0.1, 1) }
      oneChain = abs(Double(chain) - expected) / bound
    }
    #expect(k < 2048 || oneChain > 1, "the test is too weak to tell one chain from many")
  }

  @Test(arguments: [(0, 5, 7), (5, 0, 7), (5, 7, 0), (1, 40, 0), (0, 0, 0), (3, 100, 0)])
  func emptySizesGiveTheTailOfZeroOrNothing(m: Int, n: Int, k: Int) throws {
    var random = ProductRandom(seed: 7)
    let product = GemmCase(&random, m: m, n: n, k: k)
    for level in productLevels {
      let c = try product.run(level: level, &random, whole: true)
      product.expectClose(c, "level \(level)")
    }
  }

  @Test func aLargeProductIsTheSameForEverySplit() throws {
    var random = ProductRandom(seed: 11)
    var product = GemmCase(&random, m: 301, n: 203, k: 517)
    (product.batches, product.offsets, product.residualBatchStride) = (1, false, 0)
    let levels = productLevels.filter { $0 != APUSK_LEVEL_PORTABLE }
    guard let first = levels.first else { return }
    let reference = try product.run(level: first, &random, whole: true)
    product.expectClose(reference, "whole")
    for level in levels {
      #expect(try productBits(product.run(level: level, &random, whole: false)) == productBits(reference))
    }
  }

  @Test func sizesOutOfRangeAreStatuses() throws {
    #expect(apusk_gemm_kernels_for(-1) == nil)
    #expect(apusk_gemm_kernels_for(3) == nil)
    for level in productLevels {
      let kernels = try #require(apusk_gemm_kernels_for(level))
      #expect(apusk_gemm_packed_bytes(kernels, -1, 3) == -1)
      #expect(apusk_gemm_packed_bytes(kernels, 1 << 40, 1 << 40) == -1)
      #expect(apusk_gemm_packed_bytes(kernels, .max, 1) == -1)
      #expect(apusk_gemm_packed_bytes(kernels, 1, .max) == -1)
      #expect(apusk_gemm_packed_bytes(kernels, 0, 5) == 0)
      // 3 x 33: one or two full panels and 8 columns, rounded up to 64 bytes.
      #expect(apusk_gemm_packed_bytes(kernels, 3, 33) == 512)
      var plan = apusk_plan()
      var arguments = apusk_gemm_f32_args()
      arguments.tail = apusk_tail_none()
      (arguments.m, arguments.n, arguments.k, arguments.batches) = (-1, 1, 1, 1)
      #expect(apusk_gemm_f32_plan(kernels, &arguments, &plan) == 100)
      (arguments.m, arguments.n, arguments.k, arguments.batches) = (1 << 62, 1 << 20, 1, 1 << 62)
      #expect(apusk_gemm_f32_plan(kernels, &arguments, &plan) == 301)
      (arguments.m, arguments.n, arguments.k, arguments.batches) = (1, 1, 1, 1)
      arguments.tail.activation = APUSK_ACTIVATION_COUNT
      #expect(apusk_gemm_f32_plan(kernels, &arguments, &plan) == 100)
    }
  }
}
