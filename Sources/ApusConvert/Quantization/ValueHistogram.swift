import Foundation

/// How often values of a tensor lie where: bins of one width, a power of two, with edges at its multiples.
///
/// There are at most `maximumBins` bins. Where a value falls outside of what these can cover, the width doubles and pairs of bins
/// become one; no edge moves, so that the result depends on the values alone, not on the batches that they came in.
struct ValueHistogram: Equatable, Sendable {
  static let maximumBins = 2048

  /// Binary logarithm of the width of a bin.
  private(set) var exponent: Int
  /// The number of the first bin: it holds values from `first * width` on.
  private(set) var first = 0
  private(set) var counts: [UInt64] = []
  /// Exact zeros, which are in no bin: every quantization represents them.
  private(set) var zeros: UInt64 = 0

  var width: Double { Double(sign: .plus, exponent: exponent, significand: 1) }
  var total: UInt64 { counts.reduce(zeros, +) }

  init() { exponent = Self.smallestExponent }

  /// Width below which nothing is told apart: 2^-126 would not bear 2048 bins of normal numbers.
  private static let smallestExponent = -100

  /// The value in the middle of a bin.
  func center(_ bin: Int) -> Double { (Double(first + bin) + 0.5) * width }

  /// The lower edge of a bin; that of the bin after the last is the upper edge of the last.
  func edge(_ bin: Int) -> Double { Double(first + bin) * width }

  /// Adds finite values that lie in `minimum ... maximum`.
  mutating func add(_ values: UnsafeBufferPointer<Float>, minimum: Float, maximum: Float) {
    guard !values.isEmpty, minimum <= maximum else { return }
    cover(Double(minimum), Double(maximum))
    // A power of two: the product is exact but for subnormals, which the first bins take.
    let scale = Double(sign: .plus, exponent: -exponent, significand: 1)
    let base = Double(first)
    counts.withUnsafeMutableBufferPointer { counts in
      for value in values {
        if value == 0 {
          zeros += 1
        } else {
          counts[Int((Double(value) * scale).rounded(.down) - base)] += 1
        }
      }
    }
  }

  /// Makes room for values of a range.
  private mutating func cover(_ minimum: Double, _ maximum: Double) {
    func bins(_ exponent: Int) -> (low: Double, high: Double) {
      let scale = Double(sign: .plus, exponent: -exponent, significand: 1)
      return ((minimum * scale).rounded(.down), (maximum * scale).rounded(.down))
    }
    if counts.isEmpty {
      let largest = max(abs(minimum), abs(maximum))
      exponent = max(Self.smallestExponent, largest > 0 ? Int(Foundation.log2(largest)) - 12 : Self.smallestExponent)
      while bins(exponent).high - bins(exponent).low >= Double(Self.maximumBins) { exponent += 1 }
      let (low, high) = bins(exponent)
      first = Int(low)
      counts = Array(repeating: 0, count: Int(high - low) + 1)
      return
    }
    while true {
      let (low, high) = bins(exponent)
      let (newFirst, newLast) = (min(Double(first), low), max(Double(first + counts.count - 1), high))
      guard newLast - newFirst >= Double(Self.maximumBins) else {
        let before = first - Int(newFirst)
        let after = Int(newLast) - (first + counts.count - 1)
        if before > 0 { counts.insert(contentsOf: repeatElement(0, count: before), at: 0) }
        counts.append(contentsOf: repeatElement(0, count: after))
        first = Int(newFirst)
        return
      }
      halve()
    }
  }

  /// Doubles the width.
  private mutating func halve() {
    let newFirst = first >> 1
    var merged = [UInt64](repeating: 0, count: ((first + counts.count - 1) >> 1) - newFirst + 1)
    for (bin, count) in counts.enumerated() { merged[((first + bin) >> 1) - newFirst] += count }
    (first, counts, exponent) = (newFirst, merged, exponent + 1)
  }

  /// Counts of magnitudes: bin i holds those from `i * width` on. Zeros are left out.
  var magnitudes: [UInt64] {
    guard !counts.isEmpty else { return [] }
    let last = first + counts.count - 1
    var folded = [UInt64](repeating: 0, count: max(last, -first - 1, 0) + 1)
    for (bin, count) in counts.enumerated() {
      let number = first + bin
      folded[number >= 0 ? number : -number - 1] += count
    }
    return folded
  }
}
