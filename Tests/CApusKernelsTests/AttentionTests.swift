import CApusKernels
import Foundation
import Testing

/// One random attention, its operands `[batch, rows, heads, size]` in memory.
private struct AttentionCase: CustomStringConvertible {
  var batch = 1, heads = 1, group = 1, queries = 1, keys = 1, size = 1, valueSize = 1
  var isCausal = false, isBool = false, zeroEmptyRows = false
  var window = 0, offset = 0
  var softcap: Float = 0
  var maskKeys = 0
  /// By batch, head and query: whether the mask differs along the axis. nil: no mask.
  var maskAxes: [Bool]?
  var validKeys: [Int64] = []
  var offsets: [Int64] = []
  var q: [Float] = [], k: [Float] = [], v: [Float] = [], mask: [Float] = []

  var description: String {
    "batch \(batch) heads \(heads) group \(group) queries \(queries) keys \(keys) size \(size) value_size \(valueSize) causal "
      + "\(isCausal) offset \(offset) offsets \(offsets) window \(window) softcap \(softcap) zero \(zeroEmptyRows) mask "
      + "\(String(describing: maskAxes)) bool \(isBool) mask_keys \(maskKeys) valid \(validKeys)"
  }

  static func random(_ random: inout ProductRandom) -> AttentionCase {
    var c = AttentionCase()
    (c.batch, c.heads, c.group) = (random.int(1...2), random.int(1...2), random.int(1...3))
    c.queries = random.int(0...2) == 0 ? 1 : random.int(1...70)
    c.keys = random.bool() ? random.int(1...40) : random.int(100...300)
    (c.size, c.valueSize) = (random.bool() ? 32 : random.int(1...80), random.bool() ? 64 : random.int(1...100))
    c.isCausal = random.bool()
    c.offset = random.int(0...2) == 0 ? c.keys - c.queries : random.int(0...3)
    if random.int(0...2) == 0 { c.window = random.int(1...40) }
    if random.int(0...3) == 0 { c.softcap = 1.5 }
    c.zeroEmptyRows = random.bool()
    if random.int(0...2) == 0 { c.validKeys = (0..<c.batch).map { _ in Int64(random.int(-1...c.keys + 2)) } }
    if random.int(0...3) == 0 { c.offsets = (0..<c.batch).map { _ in Int64(random.int(-2...5)) } }
    c.q = random.floats(c.batch * c.queries * c.heads * c.group * c.size)
    c.k = random.floats(c.batch * c.keys * c.heads * c.size)
    c.v = random.floats(c.batch * c.keys * c.heads * c.valueSize)
    if random.bool() {
      c.maskAxes = (0..<3).map { _ in random.bool() }
      c.isBool = random.bool()
      c.maskKeys = random.int(0...3) == 0 ? random.int(0...c.keys) : c.keys
      let isBool = c.isBool
      c.mask = (0..<c.maskRows * c.maskKeys).map { _ in
        let value = Float.random(in: -3...3, using: &random)
        return isBool ? (value < 1 ? 1 : 0) : value > 2.5 ? -.infinity : value
      }
    }
    return c
  }

  var maskExtents: [Int] {
    guard let maskAxes else { return [1, 1, 1] }
    return zip(maskAxes, [batch, heads * group, queries]).map { $0 ? $1 : 1 }
  }
  var maskRows: Int { maskExtents.reduce(1, *) }

  func arguments() -> apusk_attention_f32_args {
    var a = apusk_attention_f32_args()
    (a.batch, a.heads, a.group) = (Int64(batch), Int64(heads), Int64(group))
    (a.queries, a.keys, a.size, a.value_size) = (Int64(queries), Int64(keys), Int64(size), Int64(valueSize))
    func strides(_ rows: Int, _ heads: Int, _ size: Int) -> (Int64, Int64, Int64) {
      (Int64(rows * heads * size), Int64(size), Int64(heads * size))
    }
    (a.q_batch, a.q_head, a.q_row) = strides(queries, heads * group, size)
    (a.k_batch, a.k_head, a.k_row) = strides(keys, heads, size)
    (a.v_batch, a.v_head, a.v_row) = strides(keys, heads, valueSize)
    (a.output_batch, a.output_head, a.output_row) = strides(queries, heads * group, valueSize)
    (a.scale, a.softcap, a.zero_empty_rows) = (0.7, softcap, zeroEmptyRows ? 1 : 0)
    (a.mask.is_causal, a.mask.causal_offset, a.mask.window) = (isCausal ? 1 : 0, Int64(offset), Int64(window))
    (a.mask.mask_is_bool, a.mask.mask_keys, a.mask.mask_key) = (isBool ? 1 : 0, Int64(maskKeys), 1)
    let extents = maskExtents
    if extents[2] > 1 { a.mask.mask_query = Int64(maskKeys) }
    if extents[1] > 1 { a.mask.mask_head = Int64(extents[2] * maskKeys) }
    if extents[0] > 1 { a.mask.mask_batch = Int64(extents[1] * extents[2] * maskKeys) }
    return a
  }

  /// The score of a key, or nil where it takes no part.
  private func score(_ b: Int, _ head: Int, _ query: Int, _ key: Int) -> Double? {
    let diagonal = query + (offsets.isEmpty ? offset : Int(offsets[b]))
    if isCausal, key > diagonal { return nil }
    if window > 0, key <= diagonal - window { return nil }
    if !validKeys.isEmpty, key >= Int(validKeys[b]) { return nil }
    var sum = 0.0
    for d in 0..<size {
      let own = q[((b * queries + query) * heads * group + head) * size + d]
      sum += Double(own) * Double(k[((b * keys + key) * heads + head / group) * size + d])
    }
    sum *= Double(Float(0.7))
    if softcap > 0 { sum = tanh(sum / Double(softcap)) * Double(softcap) }
    guard maskAxes != nil else { return sum }
    if key >= maskKeys { return nil }
    let extents = maskExtents
    let row = ((extents[0] > 1 ? b : 0) * extents[1] + (extents[1] > 1 ? head : 0)) * extents[2] + (extents[2] > 1 ? query : 0)
    let value = Double(mask[row * maskKeys + key])
    if isBool { return value == 0 ? nil : sum }
    return value == -.infinity ? nil : sum + value
  }

  func oracle() -> [Double] {
    var result: [Double] = []
    for b in 0..<batch {
      for query in 0..<queries {
        for head in 0..<heads * group {
          let scores = (0..<keys).map { score(b, head, query, $0) }
          let largest = scores.compactMap { $0 }.max() ?? 0
          let weights = scores.map { $0.map { exp($0 - largest) } ?? 0 }
          let sum = weights.reduce(0, +)
          for d in 0..<valueSize {
            var total = 0.0
            for key in 0..<keys where weights[key] > 0 {
              total += weights[key] * Double(v[((b * keys + key) * heads + head / group) * valueSize + d])
            }
            result.append(sum == 0 ? (zeroEmptyRows ? 0 : .nan) : total / sum)
          }
        }
      }
    }
    return result
  }
}

@Suite struct AttentionTests {
  @Test(arguments: 0..<120 as Range<UInt64>)
  func randomAttentionsAgreeWithDoublePrecisionAndAcrossLevels(seed: UInt64) {
    var random = ProductRandom(seed: seed &+ 3100)
    let attention = AttentionCase.random(&random)
    let label = "seed \(seed): \(attention)"
    let operands = [attention.q, attention.k, attention.v, attention.mask].map { ProductBuffer($0) }
    let flags = attention.mask.map { $0 == 0 ? UInt8(0) : UInt8(1) }
    let count = attention.batch * attention.queries * attention.heads * attention.group * attention.valueSize
    let output = KernelArray([Float](repeating: -7, count: count))
    let result = attention.validKeys.withUnsafeBufferPointer { valid in
      attention.offsets.withUnsafeBufferPointer { offsets in
        flags.withUnsafeBufferPointer { flags in
          var a = attention.arguments()
          (a.q, a.k, a.v) = (
            UnsafePointer(operands[0].floats), UnsafePointer(operands[1].floats), UnsafePointer(operands[2].floats)
          )
          a.output = output.elements
          if !attention.validKeys.isEmpty { a.mask.valid_keys = valid.baseAddress }
          if !attention.offsets.isEmpty { a.mask.offsets = offsets.baseAddress }
          if attention.maskAxes != nil {
            a.mask.mask =
              attention.isBool && !flags.isEmpty ? UnsafeRawPointer(flags.baseAddress) : UnsafeRawPointer(operands[3].floats)
          }
          return runEveryWay(output, a, &random, label) { level, arguments, plan in
            apusk_attention_f32_plan(level, &arguments, &plan)
          }
        }
      }
    }
    for (ours, theirs) in zip(result, attention.oracle()) {
      #expect(ours.isNaN == theirs.isNaN, "\(label)")
      if !theirs.isNaN { #expect(abs(Double(ours) - theirs) < 2e-6, "\(label)") }
    }
  }

  @Test(arguments: [1, 40])
  func keysThatLieBadlyInTheCacheAndValuesOutOfReach(queries: Int) {
    // Rows of keys 256 floats apart; what no row may read is NaN.
    let (keys, size, reach) = (200, 48, 130)
    var random = ProductRandom(seed: 5)
    let q = ProductBuffer(random.floats(queries * 256)), output = KernelArray([Float](repeating: -7, count: queries * size))
    func rows() -> ProductBuffer {
      ProductBuffer((0..<keys * 256).map { $0 / 256 < reach ? Float.random(in: -1...1, using: &random) : .nan })
    }
    let (k, v) = (rows(), rows())
    var a = apusk_attention_f32_args()
    (a.batch, a.heads, a.group, a.queries) = (1, 1, 1, Int64(queries))
    (a.keys, a.size, a.value_size) = (Int64(keys), Int64(size), Int64(size))
    (a.q_row, a.k_row, a.v_row, a.output_row) = (256, 256, 256, Int64(size))
    (a.q, a.k, a.v) = (UnsafePointer(q.floats), UnsafePointer(k.floats), UnsafePointer(v.floats))
    a.output = output.elements
    a.scale = 1
    var valid = Int64(reach)
    let result = withUnsafePointer(to: &valid) { valid in
      a.mask.valid_keys = valid
      return runEveryWay(output, a, &random, "queries \(queries)") { level, arguments, plan in
        apusk_attention_f32_plan(level, &arguments, &plan)
      }
    }
    #expect(result.allSatisfy { abs($0) <= 1 })
  }

  @Test func unknownLevelsAndSizesOutOfRange() {
    var a = apusk_attention_f32_args()
    (a.batch, a.heads, a.group, a.queries, a.keys, a.size, a.value_size) = (1, 1, 1, 40, 1, 1, 1)
    var plan = apusk_plan()
    #expect(apusk_attention_f32_plan(3, &a, &plan) == 100)
    #expect(apusk_attention_f32_plan(APUSK_LEVEL_PORTABLE, &a, &plan) == 0)
    #expect(plan.units == 2)
    a.size = 1 << 58
    #expect(apusk_attention_f32_plan(APUSK_LEVEL_PORTABLE, &a, &plan) == 301)
    (a.size, a.value_size) = (1, 0)
    #expect(apusk_attention_f32_plan(APUSK_LEVEL_PORTABLE, &a, &plan) == 0)
    #expect(plan.units == 0)
  }
}
