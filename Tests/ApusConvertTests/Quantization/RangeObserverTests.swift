import ApusGraph
import Testing

@testable import ApusConvert

/// What observers see of known values, beside the definitions computed from the sorted values themselves.
@Suite struct RangeObserverTests {
  /// Values whose distribution has tails, from a fixed sequence.
  static func values(_ count: Int, seed: UInt64, shift: Float = 0) -> [Float] {
    var state = seed
    func uniform() -> Float {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Float(state >> 40) / 0x1p24
    }
    return (0..<count).map { _ in
      let u = uniform() * 2 - 1
      // A cube root of 1 - |u| would be flat: this has many small and few large values.
      return u * u * u / (1.02 - abs(u)) + shift
    }
  }

  private func observe(_ values: [Float], batches: Int = 1, channels: Int? = nil) -> RangeObserver {
    var observer = RangeObserver(histogram: true, channelAxis: channels == nil ? nil : 1)
    let size = values.count / batches
    for batch in 0..<batches {
      let part = Array(values[(batch * size)..<((batch + 1) * size)])
      let extents = channels.map { [2, $0, part.count / 2 / $0] } ?? [part.count]
      #expect(part.withUnsafeBufferPointer { observer.add($0, extents: extents) } == nil)
    }
    return observer
  }

  @Test(arguments: [1 as UInt64, 2, 3]) func extremesAndAveragesFollowTheirDefinition(_ seed: UInt64) throws {
    let values = Self.values(4000, seed: seed, shift: 0.3)
    let observer = observe(values, batches: 4)
    #expect(observer.range(.minMax) == ValueRange(Double(values.min() ?? 0), Double(values.max() ?? 0)), "seed \(seed)")
    var (low, high) = (0.0, 0.0)
    for batch in 0..<4 {
      let part = values[(batch * 1000)..<((batch + 1) * 1000)]
      let (least, most) = (Double(part.min() ?? 0), Double(part.max() ?? 0))
      (low, high) = batch == 0 ? (least, most) : (0.99 * low + 0.01 * least, 0.99 * high + 0.01 * most)
    }
    let range = try #require(observer.range(.movingAverage))
    #expect(abs(range.low - low) < 1e-9 && abs(range.high - high) < 1e-9, "seed \(seed)")
  }

  @Test func aHistogramDoesNotDependOnBatches() {
    // Each part lies further out than the one before it: bins have to be joined again and again.
    var values = Self.values(1024, seed: 5)
    for index in values.indices { values[index] *= Float(1 << (index / 128)) }
    let whole = observe(values).histogram, parts = observe(values, batches: 32).histogram
    #expect(whole == parts)
    #expect(whole?.total == 1024)
    #expect((whole?.counts.count ?? 0) <= ValueHistogram.maximumBins && (whole?.counts.count ?? 0) > 1000)
  }

  @Test(arguments: [7 as UInt64, 8]) func histogramsCountWhatLiesInTheirBins(_ seed: UInt64) throws {
    let values = Self.values(3000, seed: seed) + [0, 0, -0.0]
    let histogram = try #require(observe(values).histogram)
    #expect(histogram.zeros == 3)
    for bin in histogram.counts.indices {
      let (low, high) = (histogram.edge(bin), histogram.edge(bin + 1))
      let expected = values.filter { $0 != 0 && Double($0) >= low && Double($0) < high }
      #expect(Int(histogram.counts[bin]) == expected.count, "seed \(seed), bin \(bin)")
    }
    let folded = histogram.magnitudes
    #expect(folded.reduce(0, +) == 3000)
  }

  @Test(arguments: [11 as UInt64, 12, 13], [0.0 as Float, 5]) func percentilesAreThoseOfTheSortedValues(
    _ seed: UInt64, _ shift: Float
  ) throws {
    let values = Self.values(50_000, seed: seed, shift: shift)
    let observer = observe(values)
    let histogram = try #require(observer.histogram)
    let sorted = values.sorted()
    let range = try #require(observer.range(.percentile))
    // Five values may lie beyond each end: the sixth is within the bin that ends the range.
    let (low, high) = (min(Double(sorted[5]), 0), max(Double(sorted[sorted.count - 6]), 0))
    #expect(abs(range.low - low) <= histogram.width && range.low <= low, "seed \(seed)")
    #expect(abs(range.high - high) <= histogram.width && range.high >= high, "seed \(seed)")
  }

  /// Kullback-Leibler as the publication defines it, computed bin by bin from vectors P and Q.
  private func divergence(_ magnitudes: [UInt64], _ bins: Int, _ levels: Int) -> Double {
    var p = magnitudes[..<bins].map { Double($0) }
    var q = [Double](repeating: 0, count: bins)
    for level in 0..<levels {
      let members = (level * bins / levels)..<((level + 1) * bins / levels)
      let filled = members.filter { p[$0] > 0 }
      for bin in filled { q[bin] = members.reduce(0.0) { $0 + p[$1] } / Double(filled.count) }
    }
    p[bins - 1] += magnitudes[bins...].reduce(0.0) { $0 + Double($1) }
    let (sumP, sumQ) = (p.reduce(0, +), q.reduce(0, +))
    return zip(p, q).reduce(0.0) { sum, pair in
      guard pair.0 > 0 else { return sum }
      return pair.1 > 0 ? sum + pair.0 / sumP * logarithm((pair.0 / sumP) / (pair.1 / sumQ)) : .infinity
    }
  }

  /// ln, by a series: an oracle of its own.
  private func logarithm(_ x: Double) -> Double {
    let exponent = Double(x.exponent)
    let ratio = (x.significand - 1) / (x.significand + 1)
    var (sum, power) = (0.0, ratio)
    for step in 0..<40 {
      sum += power / Double(2 * step + 1)
      power *= ratio * ratio
    }
    return 2 * sum + exponent * 0.693_147_180_559_945_309
  }

  @Test(arguments: [21 as UInt64, 22], [false, true]) func entropyPicksTheLeastDivergence(
    _ seed: UInt64, _ positive: Bool
  ) throws {
    let values = Self.values(20_000, seed: seed).map { positive ? abs($0) : $0 }
    let observer = observe(values)
    let histogram = try #require(observer.histogram)
    let magnitudes = histogram.magnitudes
    let levels = positive ? 256 : 128
    let best = (levels...magnitudes.count).map { (bins: $0, value: divergence(magnitudes, $0, levels)) }
      .min { $0.value < $1.value }
    let threshold = Double(try #require(best).bins) * histogram.width
    let range = try #require(observer.range(.entropy))
    #expect(range.high == min(threshold, Double(values.max() ?? 0)), "seed \(seed)")
    #expect(range.low == (positive ? 0 : max(-threshold, Double(values.min() ?? 0))), "seed \(seed)")
  }

  @Test(arguments: [31 as UInt64, 32]) func meanSquareErrorBeatsEveryCommonShrinking(_ seed: UInt64) throws {
    let values = Self.values(20_000, seed: seed)
    let observer = observe(values)
    func error(_ range: ValueRange) -> Double {
      let parameters = UInt8Parameters(range)
      return values.reduce(0.0) { sum, value in
        let difference = Double(parameters.value(parameters.code(value))) - Double(value)
        return sum + difference * difference
      }
    }
    let whole = try #require(observer.range(.minMax))
    let found = error(try #require(observer.range(.meanSquareError)))
    #expect(found < error(whole), "seed \(seed)")
    for step in 1...20 {
      let shrunk = ValueRange(whole.low * Double(step) / 20, whole.high * Double(step) / 20)
      // The search sees bins, not values.
      #expect(found <= error(shrunk) * 1.02, "seed \(seed), step \(step)")
    }
  }

  @Test func channelsAreWatchedOneByOne() {
    let values = Self.values(2 * 3 * 10 * 2, seed: 41)
    let observer = observe(values, batches: 2, channels: 3)
    for channel in 0..<3 {
      let own = values.indices.filter { $0 / 10 % 3 == channel }.map { values[$0] }
      #expect(observer.channelMagnitudes[channel] == own.map(abs).max())
      let mean = own.reduce(0.0) { $0 + Double($1) } / Double(own.count)
      #expect(abs(observer.channelMeans[channel] - mean) < 1e-12)
    }
  }

  @Test func whatIsNotFiniteIsFound() {
    for (bad, position) in [(Float.nan, 3), (.infinity, 40), (-.infinity, 16)] {
      var values = Self.values(50, seed: 51)
      values[position] = bad
      var observer = RangeObserver(histogram: true)
      let found = values.withUnsafeBufferPointer { observer.add($0, extents: [50]) }
      #expect(found?.isNaN == bad.isNaN)
      #expect(bad.isNaN || found == bad)
      #expect(observer.range(.minMax) == nil)
    }
  }

  @Test func parametersHoldZeroAndCoverTheirRange() {
    for (low, high) in [(-1.0, 3.0), (0.0, 6.0), (2.0, 5.0), (-7.0, -1.0), (0.0, 0.0), (-1e-30, 1e30)] {
      let parameters = UInt8Parameters(ValueRange(low, high))
      #expect(parameters.value(parameters.zero) == 0)
      #expect(parameters.code(0) == parameters.zero)
      let step = Double(parameters.scale)
      #expect(parameters.range.low <= min(low, 0) + step / 2)
      #expect(parameters.range.high >= max(high, 0) - step / 2 - 1e-6)
    }
    // Halves go to even.
    let unit = UInt8Parameters(ValueRange(0, 255))
    #expect(unit.scale == 1)
    let codes: [UInt8] = [0.5, 1.5, 300, -3].map { unit.code($0) }
    #expect(codes == [0, 2, 255, 0])
  }

  @Test func weightsAreRoundedChannelByChannel() {
    let weights: [Float] = [1, -2, 0.5, 127, 0, 63.5, 0, 0, 0]
    let quantized = ChannelWeights(weights, dimensions: [3, 3], axis: 0)
    let (scales, codes): ([Float], [Int8]) = ([2 / 127, 1, 1], [64, -127, 32, 127, 0, 64, 0, 0, 0])
    #expect(quantized.scales == scales)
    #expect(quantized.codes == codes)
    let columns = ChannelWeights([1, 10, -2, 5], dimensions: [2, 2], axis: 1, leastScales: [0, 1])
    let (columnScales, columnCodes): ([Float], [Int8]) = ([2 / 127, 1], [64, 10, -127, 5])
    #expect(columns.scales == columnScales)
    #expect(columns.codes == columnCodes)
    let step: Float = 2 / 127
    let expected: [Float] = [64 * step, 10, -127 * step, 5]
    #expect(columns.values == expected)
  }
}
