import ApusGraph
import ApusSafetensors

/// How far a value is from the expected one.
public struct Comparison: Sendable {
  public let name: String
  public let elements: Int
  /// Largest |actual - expected|.
  public let absoluteError: Double
  /// Largest |actual - expected| / |expected|, over elements whose expected value is not 0.
  public let relativeError: Double
  /// The largest absolute error, divided by the largest finite magnitude that is expected; the error itself where that is 0.
  public let errorOfRange: Double
  /// The cosine of the angle between both values as vectors; 1 where both are zero.
  public let cosine: Double
  /// Elements outside of the tolerance.
  public let failures: Int
  /// What keeps the values from being compared, such as another shape; empty where they can be.
  public let mismatch: String

  public var agrees: Bool { failures == 0 && mismatch.isEmpty }

  /// An element agrees if |actual - expected| <= absolute + relative * |expected|.
  public struct Tolerance: Sendable {
    public var absolute: Double
    public var relative: Double

    public init(absolute: Double, relative: Double) {
      self.absolute = absolute
      self.relative = relative
    }
  }

  /// A NaN agrees with a NaN, an infinity with the same one.
  public init(name: String, expected: StoredValue, actual: StoredValue, tolerance: Tolerance) {
    self.name = name
    var sums = Sums(tolerance)
    mismatch = sums.add(expected, actual)
    elements = sums.elements
    absoluteError = sums.absolute
    relativeError = sums.relative
    errorOfRange = sums.largest > 0 ? sums.absolute / sums.largest : sums.absolute
    cosine = sums.cosine
    failures = sums.failures
  }

  private struct Sums {
    let tolerance: Tolerance
    var elements = 0
    var absolute = 0.0
    var relative = 0.0
    var largest = 0.0
    var failures = 0
    private var product = 0.0
    private var expectedSquares = 0.0
    private var actualSquares = 0.0

    init(_ tolerance: Tolerance) { self.tolerance = tolerance }

    var cosine: Double {
      if expectedSquares == 0 && actualSquares == 0 { return 1 }
      return product / (expectedSquares.squareRoot() * actualSquares.squareRoot())
    }

    /// What keeps the two from being compared.
    mutating func add(_ expected: StoredValue, _ actual: StoredValue) -> String {
      switch (expected, actual) {
      case (.absent, .absent): return ""
      case (.sequence(let expected, _), .sequence(let actual, _)) where expected.count == actual.count:
        for (expected, actual) in zip(expected, actual) {
          let mismatch = add(expected, actual)
          if !mismatch.isEmpty { return mismatch }
        }
        return ""
      case (.tensor(let expected), .tensor(let actual))
      where expected.elementType == actual.elementType && expected.dimensions == actual.dimensions:
        return add(expected, actual)
      default: return "\(actual.text) in place of \(expected.text)"
      }
    }

    private mutating func add(_ expected: NpyArray, _ actual: NpyArray) -> String {
      guard expected.elementType != .string, let expectedNumbers = try? expected.doubles(),
        let actualNumbers = try? actual.doubles()
      else {
        let pairs = zip(expected.strings, actual.strings)
        elements += expected.strings.count
        failures += pairs.count { $0 != $1 }
        return ""
      }
      elements += expectedNumbers.count
      for (a, b) in zip(actualNumbers, expectedNumbers) {
        if a.isFinite && b.isFinite {
          product += a * b
          expectedSquares += b * b
          actualSquares += a * a
        }
        if b.isFinite { largest = max(largest, b.magnitude) }
        if a == b || (a.isNaN && b.isNaN) { continue }
        let difference = (a - b).magnitude
        if !(difference <= tolerance.absolute + tolerance.relative * b.magnitude) { failures += 1 }
        absolute = difference.isNaN ? .infinity : max(absolute, difference)
        if b != 0 { relative = difference.isNaN ? .infinity : max(relative, difference / b.magnitude) }
      }
      return ""
    }
  }

  static func table(_ comparisons: [Comparison], first: String) -> String {
    var table = TextTable(
      .init(title: first), .init(title: "elements", alignment: .right), .init(title: "absolute error", alignment: .right),
      .init(title: "relative error", alignment: .right), .init(title: "of range", alignment: .right),
      .init(title: "cosine", alignment: .right), .init(title: "outside tolerance", alignment: .right))
    table.rows = comparisons.map { item in
      guard item.mismatch.isEmpty else { return [item.name, "-", "-", "-", "-", "-", item.mismatch] }
      return [
        item.name, Quantity.count(item.elements), Quantity.error(item.absoluteError), Quantity.error(item.relativeError),
        Quantity.error(item.errorOfRange), Quantity.cosine(item.cosine), Quantity.count(item.failures),
      ]
    }
    return table.text()
  }

  var json: JSONValue {
    [
      "name": .string(name), "elements": JSONValue(elements), "maximum_absolute_error": .float(absoluteError),
      "maximum_relative_error": .float(relativeError), "error_of_range": .float(errorOfRange), "cosine": .float(cosine),
      "failures": JSONValue(failures), "mismatch": .string(mismatch),
    ]
  }
}
