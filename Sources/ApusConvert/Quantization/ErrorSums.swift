import ApusSafetensors
import Foundation

/// How far approximate numbers are from the exact ones, as sums over all of them.
struct ErrorSums: Sendable {
  private(set) var signal = 0.0
  private(set) var noise = 0.0
  private var product = 0.0
  private var approximate = 0.0

  init() {}

  init(_ exact: [Float], _ approximate: [Float]) {
    exact.withUnsafeBufferPointer { exact in approximate.withUnsafeBufferPointer { add(exact, $0) } }
  }

  mutating func add(_ exact: UnsafeBufferPointer<Float>, _ approximate: UnsafeBufferPointer<Float>) {
    var (signal, noise, product, square) = (0.0, 0.0, 0.0, 0.0)
    for index in 0..<min(exact.count, approximate.count) {
      let (a, b) = (Double(exact[index]), Double(approximate[index]))
      signal += a * a
      noise += (a - b) * (a - b)
      product += a * b
      square += b * b
    }
    self.signal += signal
    self.noise += noise
    self.product += product
    self.approximate += square
  }

  /// Signal-to-noise ratio, `10 log10(sum exact^2 / sum error^2)`, in dB; infinite without error.
  var decibels: Double {
    guard noise > 0 else { return .infinity }
    return signal > 0 ? 10 * Foundation.log10(signal / noise) : -.infinity
  }

  /// The cosine of the angle between both as vectors; 1 where both are zero.
  var cosine: Double {
    let norms = (signal * approximate).squareRoot()
    guard norms > 0 else { return signal == approximate ? 1 : 0 }
    return min(max(product / norms, -1), 1)
  }

  /// `sqrt(sum error^2 / sum exact^2)`.
  var relative: Double {
    guard noise > 0 else { return 0 }
    return signal > 0 ? (noise / signal).squareRoot() : .infinity
  }

  var json: JSONValue { ["snr_db": .float(decibels), "cosine": .float(cosine), "relative_error": .float(relative)] }
}
