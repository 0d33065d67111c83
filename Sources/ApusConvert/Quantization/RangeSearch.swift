import Foundation

/// Ranges that leave rare values out, found in histograms. `within` is the range of all values, which no result exceeds.
enum RangeSearch {
  /// The part of the values that may lie beyond each end.
  static let tail = 1e-4

  /// The smallest range of bins that leaves at most `tail` of all values out at each end.
  static func percentile(_ histogram: ValueHistogram, within whole: ValueRange, tail: Double = tail) -> ValueRange {
    let allowed = UInt64(Double(histogram.total) * tail)
    // Zeros lie below the bin that begins at 0.
    let origin = -histogram.first
    func cut(_ order: [Int], zerosBefore: (Int) -> Bool) -> Int? {
      var passed: UInt64 = 0
      var zerosPassed = false
      for bin in order {
        if !zerosPassed, zerosBefore(bin) {
          passed += histogram.zeros
          zerosPassed = true
          if passed > allowed { return nil }
        }
        passed += histogram.counts[bin]
        if passed > allowed { return bin }
      }
      return nil
    }
    let bins = Array(histogram.counts.indices)
    let low = cut(bins) { $0 >= origin }.map { histogram.edge($0) } ?? 0
    let high = cut(bins.reversed()) { $0 < origin }.map { histogram.edge($0 + 1) } ?? 0
    return ValueRange(max(low, whole.low), min(high, whole.high))
  }

  /// The threshold T for which the distribution of magnitudes up to T, with all beyond it in its last bin, diverges least
  /// (Kullback-Leibler) from what as many levels as there are codes make of it; as published, candidates are whole bins and zeros
  /// do not count. Tensors without negative values have 256 levels, others 128 on each side.
  static func entropy(_ histogram: ValueHistogram, within whole: ValueRange) -> ValueRange {
    let magnitudes = histogram.magnitudes
    let levels = whole.low < 0 && whole.high > 0 ? 128 : 256
    guard magnitudes.count > levels else { return whole }
    var best = (divergence: Double.infinity, bins: magnitudes.count)
    var beyond = magnitudes[levels...].reduce(0, +)
    for bins in levels...magnitudes.count {
      let divergence = divergence(magnitudes[..<bins], beyond: beyond, levels: levels)
      if divergence < best.divergence { best = (divergence, bins) }
      if bins < magnitudes.count { beyond -= magnitudes[bins] }
    }
    let threshold = Double(best.bins) * histogram.width
    return ValueRange(max(whole.low, -threshold), min(whole.high, threshold))
  }

  /// KL(P || Q): P is the bins with `beyond` added to the last; Q spreads the count of each level evenly over those of its bins
  /// that are not empty. Infinite where P has what Q has not.
  private static func divergence(_ bins: ArraySlice<UInt64>, beyond: UInt64, levels: Int) -> Double {
    let count = bins.count
    let kept = Double(bins.reduce(0, +))
    let total = kept + Double(beyond)
    guard kept > 0 else { return .infinity }
    var divergence = 0.0
    for level in 0..<levels {
      let range = (level * count / levels)..<((level + 1) * count / levels)
      var sum = 0.0
      var filled = 0.0
      for bin in range where bins[bin] > 0 {
        sum += Double(bins[bin])
        filled += 1
      }
      let share = filled > 0 ? sum / filled / kept : 0
      for bin in range {
        var p = Double(bins[bin])
        if bin == count - 1 { p += Double(beyond) }
        guard p > 0 else { continue }
        guard share > 0, bins[bin] > 0 else { return .infinity }
        divergence += p / total * Foundation.log(p / total / share)
      }
    }
    return divergence
  }

  /// The range with the least sum of square errors of the histogram's values, each taken to lie in the middle of its bin: first
  /// both ends move together, then each by itself.
  static func meanSquareError(_ histogram: ValueHistogram, within whole: ValueRange) -> ValueRange {
    let steps = 64
    var best = (error: squareError(histogram, whole), low: steps, high: steps)
    func range(_ low: Int, _ high: Int) -> ValueRange {
      ValueRange(whole.low * Double(low) / Double(steps), whole.high * Double(high) / Double(steps))
    }
    func consider(_ low: Int, _ high: Int) {
      let error = squareError(histogram, range(low, high))
      if error < best.error { best = (error, low, high) }
    }
    for step in stride(from: steps - 1, to: 3, by: -1) { consider(step, step) }
    for _ in 0..<2 {
      if whole.low < 0 { for step in stride(from: steps, to: 3, by: -1) { consider(step, best.high) } }
      if whole.high > 0 { for step in stride(from: steps, to: 3, by: -1) { consider(best.low, step) } }
    }
    return range(best.low, best.high)
  }

  /// The sum of square errors where the values of a histogram are stored as codes of a range.
  static func squareError(_ histogram: ValueHistogram, _ range: ValueRange) -> Double {
    let parameters = UInt8Parameters(range)
    let scale = Double(parameters.scale)
    let (low, high) = parameters.range
    var error = 0.0
    for (bin, count) in histogram.counts.enumerated() where count > 0 {
      let value = histogram.center(bin)
      let code = min(max((value / scale).rounded(.toNearestOrEven) * scale, low), high)
      error += Double(count) * (value - code) * (value - code)
    }
    return error
  }
}
