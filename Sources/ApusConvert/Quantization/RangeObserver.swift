import ApusGraph

/// What is seen of one tensor while samples run.
struct RangeObserver: Sendable {
  private(set) var minimum = Float.infinity
  private(set) var maximum = -Float.infinity
  private(set) var count: UInt64 = 0
  /// Moving averages of the batches' extremes.
  private(set) var averages: (low: Double, high: Double)?
  private(set) var histogram: ValueHistogram?
  /// For each channel of `channelAxis`: the sum of its values and their largest magnitude.
  private(set) var channelSums: [Double] = []
  private(set) var channelMagnitudes: [Float] = []
  /// Values that a channel has had.
  private var channelCount: UInt64 = 0
  private let channelAxis: Int?

  /// What a batch adds to a moving average.
  static let averagingConstant = 0.01

  /// - Parameter channelAxis: an axis whose channels are watched one by one; counts from the end where it is negative.
  init(histogram: Bool, channelAxis: Int? = nil) {
    self.histogram = histogram ? ValueHistogram() : nil
    self.channelAxis = channelAxis
  }

  /// Adds the values of a batch.
  /// - Returns: the first value that is not finite; nothing is added then.
  mutating func add(_ values: UnsafeBufferPointer<Float>, extents: [Int]) -> Float? {
    guard !values.isEmpty else { return nil }
    let (low, high) = Self.extremes(values)
    guard low.isFinite, high.isFinite, !low.isNaN else { return values.first { !$0.isFinite } }
    (minimum, maximum) = (min(minimum, low), max(maximum, high))
    count += UInt64(values.count)
    if let (oldLow, oldHigh) = averages {
      averages = (
        oldLow + Self.averagingConstant * (Double(low) - oldLow), oldHigh + Self.averagingConstant * (Double(high) - oldHigh)
      )
    } else {
      averages = (Double(low), Double(high))
    }
    histogram?.add(values, minimum: low, maximum: high)
    addChannels(values, extents)
    return nil
  }

  /// The smallest and the largest value; NaN or an infinity where one is among them.
  private static func extremes(_ values: UnsafeBufferPointer<Float>) -> (low: Float, high: Float) {
    var low = SIMD16<Float>(repeating: .infinity), high = -low
    // x - x is NaN for what is not finite, and stays in a sum.
    var spoiled = SIMD16<Float>(repeating: 0)
    let raw = UnsafeRawBufferPointer(values)
    var index = 0
    while index + 16 <= values.count {
      let part = raw.loadUnaligned(fromByteOffset: 4 * index, as: SIMD16<Float>.self)
      low.replace(with: part, where: part .< low)
      high.replace(with: part, where: part .> high)
      spoiled += part - part
      index += 16
    }
    var (least, greatest, sum) = (low.min(), high.max(), spoiled.sum())
    for value in values[index...] {
      (least, greatest, sum) = (min(least, value), max(greatest, value), sum + (value - value))
    }
    return sum == 0 ? (least, greatest) : (.nan, .nan)
  }

  private mutating func addChannels(_ values: UnsafeBufferPointer<Float>, _ extents: [Int]) {
    guard let channelAxis else { return }
    let axis = channelAxis < 0 ? extents.count + channelAxis : channelAxis
    guard extents.indices.contains(axis) else { return }
    let channels = extents[axis]
    let inner = extents[(axis + 1)...].reduce(1, *)
    if channelSums.isEmpty {
      channelSums = Array(repeating: 0, count: channels)
      channelMagnitudes = Array(repeating: 0, count: channels)
    }
    guard channels == channelSums.count, channels > 0 else { return }
    channelCount += UInt64(values.count / channels)
    var start = 0
    while start < values.count {
      for channel in 0..<channels {
        var sum = 0.0
        var largest: Float = 0
        for value in values[(start + channel * inner)..<(start + (channel + 1) * inner)] {
          sum += Double(value)
          largest = max(largest, abs(value))
        }
        channelSums[channel] += sum
        channelMagnitudes[channel] = max(channelMagnitudes[channel], largest)
      }
      start += channels * inner
    }
  }

  /// The mean of each channel; empty where channels were not watched.
  var channelMeans: [Double] { channelSums.map { channelCount > 0 ? $0 / Double(channelCount) : 0 } }

  /// Whether every value was the same.
  var isConstant: Bool { count > 0 && minimum == maximum }

  /// The range that a method takes; nil where nothing was seen.
  func range(_ method: RangeMethod) -> ValueRange? {
    guard count > 0 else { return nil }
    let whole = ValueRange(Double(minimum), Double(maximum))
    switch method {
    case .minMax: return whole
    case .movingAverage: return averages.map { ValueRange($0.low, $0.high) } ?? whole
    case .percentile: return histogram.map { RangeSearch.percentile($0, within: whole) } ?? whole
    case .entropy: return histogram.map { RangeSearch.entropy($0, within: whole) } ?? whole
    case .meanSquareError: return histogram.map { RangeSearch.meanSquareError($0, within: whole) } ?? whole
    }
  }
}
