import ApusGraph
import Foundation

/// How one output of a model agrees with that of another model, over all samples.
public struct OutputAgreement: Sendable {
  public let name: String
  public private(set) var samples = 0
  /// Rows (along the last axis) with the largest element at the same place in both.
  public private(set) var agreeing = 0
  public private(set) var rows = 0
  /// The smallest cosine of a sample's output and the other model's, and the mean over samples.
  public private(set) var smallestCosine = Double.infinity
  private var cosines = 0.0
  private var signal = 0.0
  private var noise = 0.0
  /// Largest absolute difference.
  public private(set) var largestError = 0.0

  init(name: String) { self.name = name }

  public var meanCosine: Double { cosines / Double(max(samples, 1)) }
  public var argmaxAgreement: Double { Double(agreeing) / Double(max(rows, 1)) }
  /// 10 log10 of the other model's sum of squares over that of the differences, in decibels; infinite where all is the same.
  public var signalToNoise: Double { noise == 0 ? .infinity : 10 * log10(signal / noise) }

  /// - Parameter count: samples of the batch that are counted, the first ones.
  /// - Throws: `shapeMismatch` where the outputs can't be compared.
  mutating func add(_ array: NpyArray, reference: NpyArray, count: Int) throws(ApusError) {
    guard array.dimensions == reference.dimensions, let batch = array.dimensions.first, batch >= count, batch > 0 else {
      throw ApusError(
        .shapeMismatch, "the output has another shape than that of the other model", tensorName: name,
        expected: Shape(reference.dimensions).text(symbols: []), actual: Shape(array.dimensions).text(symbols: []))
    }
    let (values, wanted) = (try array.doubles(), try reference.doubles())
    let size = values.count / batch
    let row = max(array.dimensions.count > 1 ? array.dimensions[array.dimensions.count - 1] : 1, 1)
    for sample in 0..<count {
      let range = sample * size..<(sample + 1) * size
      add(values[range], wanted[range], row)
    }
  }

  private mutating func add(_ values: ArraySlice<Double>, _ wanted: ArraySlice<Double>, _ row: Int) {
    var (product, squares, wantedSquares) = (0.0, 0.0, 0.0)
    for (value, wanted) in zip(values, wanted) {
      product += value * wanted
      squares += value * value
      wantedSquares += wanted * wanted
      let difference = value - wanted
      // Equal infinities differ by no number.
      if value == wanted || (value.isNaN && wanted.isNaN) { continue }
      noise += difference * difference
      largestError = difference.isNaN ? .infinity : max(largestError, difference.magnitude)
    }
    signal += wantedSquares
    let length = (squares * wantedSquares).squareRoot()
    // Both zero: the same direction; one zero: none in common.
    let cosine = length > 0 ? min(product / length, 1) : squares == wantedSquares ? 1 : 0
    samples += 1
    cosines += cosine
    smallestCosine = cosine.isNaN ? -1 : min(smallestCosine, cosine)
    for start in stride(from: values.startIndex, to: values.endIndex, by: row) {
      rows += 1
      let end = min(start + row, values.endIndex)
      if values[start..<end].indexOfLargest == wanted[start..<end].indexOfLargest { agreeing += 1 }
    }
  }
}
