import ApusGraph

/// Weights as small integers in blocks of one row, each with a float16 scale and, where asked for, a zero point.
struct BlockWeights: Sendable {
  let bits: Int
  let isAsymmetric: Bool
  /// Row-major like the weights, one code an element: two's complement of 4 or 8 bits, unsigned where asymmetric.
  private(set) var codes: [UInt8]
  /// `[rows, blocks]`.
  private(set) var scales: [Float16] = []
  /// Like `scales`; empty where symmetric.
  private(set) var zeros: [UInt8] = []
  /// What the codes stand for.
  private(set) var values: [Float]
  let blocks: Int

  /// Parts of the largest magnitude that a block's range is tried with: with few codes the least square error lies below 1.
  private static let shrinkings: [Float] = [1, 0.96, 0.92, 0.88, 0.84, 0.8]

  /// - Parameters:
  ///   - weights: `[rows, columns]`.
  ///   - block: columns that share a scale; the last block of a row may be shorter.
  init(_ weights: [Float], rows: Int, columns: Int, block: Int, bits: Int, isAsymmetric: Bool) {
    (self.bits, self.isAsymmetric) = (bits, isAsymmetric)
    blocks = (columns + block - 1) / max(block, 1)
    codes = Array(repeating: 0, count: weights.count)
    values = Array(repeating: 0, count: weights.count)
    scales.reserveCapacity(rows * blocks)
    for row in 0..<rows {
      for start in stride(from: 0, to: columns, by: block) {
        quantize(weights, (row * columns + start)..<(row * columns + min(start + block, columns)))
      }
    }
  }

  private mutating func quantize(_ weights: [Float], _ range: Range<Int>) {
    var (low, high): (Float, Float) = (0, 0)
    for weight in weights[range] { (low, high) = (min(low, weight), max(high, weight)) }
    var best = (error: Float.infinity, scale: Float16(1), zero: Int32(0))
    // 8 bits have codes enough: the whole range is best.
    for shrinking in bits == 8 ? [1] : Self.shrinkings {
      for candidate in candidates(low * shrinking, high * shrinking) {
        let error = squareError(weights, range, Float(candidate.scale), candidate.zero, best.error)
        if error < best.error { best = (error, candidate.scale, candidate.zero) }
      }
    }
    scales.append(best.scale)
    if isAsymmetric { zeros.append(UInt8(best.zero)) }
    for index in range {
      let code = self.code(weights[index], Float(best.scale), best.zero)
      codes[index] = UInt8(truncatingIfNeeded: code) & UInt8(truncatingIfNeeded: (1 << bits) - 1)
      values[index] = Float(code - best.zero) * Float(best.scale)
    }
  }

  private var limits: (low: Int32, high: Int32) {
    // int8 leaves -128 out, as weights of integer products do; int4 has no code to spare.
    if isAsymmetric { return (0, (1 << Int32(bits)) - 1) }
    return bits == 8 ? (-127, 127) : (-(1 << Int32(bits - 1)), (1 << Int32(bits - 1)) - 1)
  }

  /// Scales, rounded to float16, with which a range fits the codes.
  private func candidates(_ low: Float, _ high: Float) -> [(scale: Float16, zero: Int32)] {
    func rounded(_ scale: Float) -> Float16? {
      let half = Float16(scale)
      return half.isFinite && half > 0 ? half : nil
    }
    let top = limits.high
    if isAsymmetric {
      guard let scale = rounded((high - low) / Float(top)) else { return [] }
      let zero = Int32(min(max((-low / Float(scale)).rounded(.toNearestOrEven), 0), Float(top)))
      return [(scale, zero)]
    }
    let largest = max(-low, high)
    var result: [(scale: Float16, zero: Int32)] = []
    if let scale = rounded(largest / Float(top)) { result.append((scale, 0)) }
    // Where the largest is negative, the code below the negative of the highest one serves.
    if bits < 8, -low >= high, let scale = rounded(largest / Float(top + 1)) { result.append((scale, 0)) }
    return result
  }

  private func code(_ weight: Float, _ scale: Float, _ zero: Int32) -> Int32 {
    let (low, high) = limits
    let code = (weight / scale).rounded(.toNearestOrEven) + Float(zero)
    return Int32(min(max(code, Float(low)), Float(high)))
  }

  /// - Parameter bound: sums beyond it need not be finished.
  private func squareError(
    _ weights: [Float], _ range: Range<Int>, _ scale: Float, _ zero: Int32, _ bound: Float
  ) -> Float {
    var error: Float = 0
    for index in range {
      let difference = Float(code(weights[index], scale, zero) - zero) * scale - weights[index]
      error += difference * difference
    }
    return error
  }

  /// Codes as a tensor stores them: 4-bit ones in pairs, the first in the low bits.
  static func packed(_ codes: [UInt8], bits: Int) -> [UInt8] {
    guard bits == 4 else { return codes }
    return stride(from: 0, to: codes.count, by: 2).map { index in
      codes[index] | (index + 1 < codes.count ? codes[index + 1] << 4 : 0)
    }
  }
}
