import ApusGraph

/// A range of real values that 8 bits are to represent. It always holds 0.
struct ValueRange: Equatable, Sendable {
  var low: Double
  var high: Double

  init(_ low: Double, _ high: Double) {
    self.low = min(low, 0)
    self.high = max(high, 0)
  }

  var width: Double { high - low }

  func union(_ other: ValueRange) -> ValueRange { ValueRange(min(low, other.low), max(high, other.high)) }
}

/// Scale and zero point of uint8: a code q stands for `(q - zero) scale`.
struct UInt8Parameters: Equatable, Sendable {
  let scale: Float
  let zero: UInt8

  /// The parameters whose 256 codes cover a range: scale `width / 255`, 0 exactly a code. A range without width gets the scale 1.
  init(_ range: ValueRange) {
    let step = Float(range.width / 255)
    guard step.isNormal else {
      (scale, zero) = (1, 0)
      return
    }
    scale = step
    zero = UInt8(min(max((-range.low / Double(step)).rounded(.toNearestOrEven), 0), 255))
  }

  /// What a value becomes: `clamp(roundTiesToEven(value / scale) + zero)`.
  func code(_ value: Float) -> UInt8 {
    UInt8(min(max((value / scale).rounded(.toNearestOrEven) + Float(zero), 0), 255))
  }

  func value(_ code: UInt8) -> Float { Float(Int32(code) - Int32(zero)) * scale }

  /// The smallest and the largest value that has a code of its own.
  var range: (low: Double, high: Double) {
    (Double(-Int(zero)) * Double(scale), Double(255 - Int(zero)) * Double(scale))
  }
}

/// Weights as int8, symmetric, with one scale for each output channel. -128 is no code: negation keeps a weight representable.
struct ChannelWeights: Sendable {
  private(set) var codes: [Int8]
  private(set) var scales: [Float]
  let axis: Int
  private let inner: Int

  /// - Parameters:
  ///   - weights: row-major.
  ///   - axis: the axis of output channels.
  ///   - leastScales: for each channel a scale that it has at least: what the bias needs to fit int32; nil for none.
  init(_ weights: [Float], dimensions: [Int], axis: Int, leastScales: [Float]? = nil) {
    let channels = dimensions[axis]
    let inner = dimensions[(axis + 1)...].reduce(1, *)
    var largest = [Float](repeating: 0, count: channels)
    for (index, weight) in weights.enumerated() {
      let channel = index / inner % channels
      largest[channel] = max(largest[channel], abs(weight))
    }
    scales = largest.enumerated().map { channel, largest in
      let scale = max(largest / 127, leastScales?[channel] ?? 0)
      return scale.isNormal ? scale : 1
    }
    codes = []
    codes.reserveCapacity(weights.count)
    for (index, weight) in weights.enumerated() {
      let code = (weight / scales[index / inner % channels]).rounded(.toNearestOrEven)
      codes.append(Int8(min(max(code, -127), 127)))
    }
    (self.axis, self.inner) = (axis, inner)
  }

  /// The weights that the codes stand for.
  var values: [Float] {
    codes.enumerated().map { Float($0.element) * scales[$0.offset / inner % scales.count] }
  }
}
