import ApusGraph
import Foundation
import Testing

import ApusRuntime

/// Attention, recurrent and signal operators.
@Suite struct SequenceOperatorTests {
  /// softmax(Q K^T / sqrt(D)) V of one head in double precision; `allows` says which keys a query sees.
  private func attend(
    _ q: [Float], _ k: [Float], _ v: [Float], _ sizes: (queries: Int, keys: Int, size: Int), _ allows: (Int, Int) -> Bool
  ) -> [Double] {
    var result: [Double] = []
    for i in 0..<sizes.queries {
      let scores = (0..<sizes.keys).map { j -> Double in
        guard allows(i, j) else { return -.infinity }
        let sum = (0..<sizes.size).map { Double(q[i * sizes.size + $0]) * Double(k[j * sizes.size + $0]) }.reduce(0, +)
        return sum / Double(sizes.size).squareRoot()
      }
      let total = scores.map { exp($0) }.reduce(0, +)
      for d in 0..<sizes.size {
        result.append((0..<sizes.keys).map { exp(scores[$0]) / total * Double(v[$0 * sizes.size + d]) }.reduce(0, +))
      }
    }
    return result
  }

  private func expect(
    _ actual: [Float], _ expected: [Double], _ tolerance: Double = 1e-5, location: SourceLocation = #_sourceLocation
  ) {
    #expect(actual.count == expected.count, sourceLocation: location)
    for (a, b) in zip(actual, expected) where !(abs(Double(a) - b) <= tolerance) {
      Issue.record("\(a) is not \(b)", sourceLocation: location)
    }
  }

  @Test func attentionWithCacheAndCausalMask() throws {
    var random = SeededGenerator(seed: 5)
    let (past, new, queries, size) = (3, 2, 2, 4)
    let q = random.floats(queries * size)
    let (k, v) = (random.floats((past + new) * size), random.floats((past + new) * size))
    let cut = past * size
    let causal = [Attribute("is_causal", .int(1))]
    let results = try runNode(
      "Attention", version: 24,
      [
        Fed(q, [1, 1, queries, size]), Fed(Array(k[cut...]), [1, 1, new, size]), Fed(Array(v[cut...]), [1, 1, new, size]), nil,
        Fed(Array(k[..<cut]), [1, 1, past, size]), Fed(Array(v[..<cut]), [1, 1, past, size]),
      ], outputs: 3, causal)
    expect(results[0].floats, attend(q, k, v, (queries, past + new, size)) { $1 <= past + $0 })
    #expect(results[1].floats == k)
    #expect(results[2] == TestTensor(v, [1, 1, past + new, size]))
  }

  /// The rows of one of two heads that stand side by side.
  private func rows(of head: Int, _ values: [Float], _ size: Int) -> [Float] {
    var result: [Float] = []
    for start in stride(from: head * size, to: values.count, by: 2 * size) { result += values[start..<start + size] }
    return result
  }

  @Test func attentionSharesHeadsAndTakesBoolMasks() throws {
    var random = SeededGenerator(seed: 6)
    let (queries, keys, size) = (3, 5, 4)
    // Two query heads on one head of keys, heads inside the last axis.
    let q = random.floats(queries * 2 * size)
    let (k, v) = (random.floats(keys * size), random.floats(keys * size))
    let mask = (0..<queries * keys).map { $0 % keys != $0 / keys }
    let heads = [Attribute("q_num_heads", .int(2)), Attribute("kv_num_heads", .int(1))]
    func run(_ convert: ([Float], [Int]) -> Fed) throws -> TestTensor {
      try runNode(
        "Attention", version: 23,
        [
          convert(q, [1, queries, 2 * size]), convert(k, [1, keys, size]), convert(v, [1, keys, size]),
          Fed(mask, [queries, keys]),
        ], outputs: 1, heads)[0]
    }
    let float = try run { Fed($0, $1) }
    let double = try run { Fed($0.map { Double($0) }, $1) }
    for head in 0..<2 {
      let own = rows(of: head, q, size)
      let expected = attend(own, k, v, (queries, keys, size)) { mask[$0 * keys + $1] }
      expect(rows(of: head, float.floats, size), expected)
    }
    for (a, b) in zip(float.floats, double.values(Double.self)) { #expect(abs(Double(a) - b) < 1e-5) }
  }

  @Test func rotaryEmbeddingChecksPositions() throws {
    let x: [Float] = [1, 2, 3, 4]
    func run(_ position: Int64) throws -> [Float] {
      try runNode(
        "RotaryEmbedding", version: 23,
        [Fed(x, [1, 1, 1, 4]), Fed([Float(1), 1, 0, 0], [2, 2]), Fed([Float(0), 0, 1, 1], [2, 2]), Fed([position], [1, 1])])[0]
        .floats
    }
    #expect(try run(0) == x)
    #expect(try run(1) == [-3, -4, 1, 2])
    #expect(throws: ApusError.self) { try run(2) }
    #expect(throws: ApusError.self) { try run(-1) }
  }

  /// A GRU of one unit in double precision.
  private func gru(_ x: [Double], linear: Bool) -> [Double] {
    func sigmoid(_ v: Double) -> Double { 1 / (1 + exp(-v)) }
    var h = 0.5
    return x.map { x in
      let z = sigmoid(0.1 * x + 0.4 * h + 0.7)
      let r = sigmoid(0.2 * x + 0.5 * h + 0.8)
      let n = linear ? tanh(0.3 * x + 0.9 + r * (0.6 * h + 1)) : tanh(0.3 * x + 0.9 + 0.6 * (r * h) + 1)
      h = (1 - z) * n + z * h
      return h
    }
  }

  @Test(arguments: [false, true]) func gatedRecurrentUnit(linear: Bool) throws {
    let x = [0.3, -1.2, 2.5]
    let attributes = [Attribute("hidden_size", .int(1)), Attribute("linear_before_reset", .int(linear ? 1 : 0))]
    func run(_ convert: ([Double], [Int]) -> Fed) throws -> [TestTensor] {
      try runNode(
        "GRU", version: 22,
        [
          convert(x, [3, 1, 1]), convert([0.1, 0.2, 0.3], [1, 3, 1]), convert([0.4, 0.5, 0.6], [1, 3, 1]),
          convert([0.7, 0.8, 0.9, 0, 0, 1], [1, 6]), nil, convert([0.5], [1, 1, 1]),
        ], outputs: 2, attributes)
    }
    let expected = gru(x, linear: linear)
    let doubles = try run { Fed($0, $1) }
    for (a, b) in zip(doubles[0].values(Double.self), expected) { #expect(abs(a - b) < 1e-12) }
    #expect(doubles[1].values(Double.self) == [doubles[0].values(Double.self)[2]])
    expect(try run { Fed($0.map { Float($0) }, $1) }[0].floats, expected, 1e-6)
  }

  @Test func recurrentLayersOfBothDirectionsEndEarly() throws {
    // h' = x + h: sums from the left and, from each item's own end, from the right.
    let results = try runNode(
      "RNN", version: 22,
      [
        Fed([1, 10, 2, 20, 3, 30].map { Float($0) }, [3, 2, 1]), Fed([Float(1), 1], [2, 1, 1]), Fed([Float(1), 1], [2, 1, 1]),
        nil,
        Fed([Int32(3), 2], [2]),
      ], outputs: 2,
      [
        Attribute("hidden_size", .int(1)), Attribute("direction", .string("bidirectional")),
        Attribute("activations", .strings(["Affine", "Affine"])), Attribute("activation_alpha", .floats([1, 1])),
      ])
    #expect(results[0].floats == [1, 10, 6, 30, 3, 30, 5, 20, 6, 0, 3, 0])
    #expect(results[1].floats == [6, 30, 6, 30])
  }

  @Test(arguments: [1, 2, 3, 8, 12, 17, 100]) func fourierTransform(points: Int) throws {
    var random = SeededGenerator(seed: UInt64(points))
    let x = random.floats(points)
    let axis = Fed([Int64(0)], []).constant
    let bins = try runNode(
      "DFT", version: 20, [Fed(x, [points, 1]), nil, axis], outputs: 1, [Attribute("onesided", .int(1))])[0]
    #expect(bins.shape == [points / 2 + 1, 2])
    for k in 0...points / 2 {
      let angles = (0..<points).map { 2 * Double.pi * Double($0 * k % points) / Double(points) }
      let re = zip(x, angles).map { Double($0) * cos($1) }.reduce(0, +)
      let im = zip(x, angles).map { -Double($0) * sin($1) }.reduce(0, +)
      expect(Array(bins.floats[2 * k..<2 * k + 2]), [re, im])
    }
    guard points > 1 else { return }
    // And back, to the signal.
    let length = Fed([Int64(points)], []).constant
    let back = try runNode(
      "DFT", version: 20, [Fed(bins.floats, [points / 2 + 1, 2]), length, axis], outputs: 1,
      [Attribute("onesided", .int(1)), Attribute("inverse", .int(1))])[0]
    #expect(back.shape == [points, 1])
    expect(back.floats, x.map { Double($0) })
  }
}
