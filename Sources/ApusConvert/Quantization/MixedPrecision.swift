import ApusGraph

/// Finds layers to compute in float so that the outputs come as close to the float model's as is asked for.
///
/// Each layer's share is measured by quantizing it alone; layers return to float in the order of the error that they make, as
/// many as it takes. Their weights stay 8-bit integers, which cost a file least and make little error, where that is enough.
struct MixedPrecision {
  /// What a layer returns to.
  enum Form: Sendable {
    /// Float sums of weights that are stored as int8 in blocks.
    case weights
    case float
  }

  /// A layer that computes in float for the sake of accuracy.
  struct Step: Sendable {
    /// Its place among the nodes of the float model.
    let position: Int
    /// The relative error of the outputs where only this layer is quantized.
    let alone: Double
  }

  private(set) var returned: [Step] = []
  private(set) var form = Form.float

  /// - Parameters:
  ///   - layers: places of the layers that are quantized.
  ///   - quantize: the model with some layers in another form.
  ///   - isEnough: whether a result is close enough.
  ///   - progress: called with the part of the layers that were measured.
  /// - Throws: `unsupported` where the aim is missed with any layer quantized.
  init(
    layers: [Int], comparison: OutputComparison, quantize: (Set<Int>, Form) throws(ApusError) -> ModelDraft,
    isEnough: (OutputComparison.Result) -> Bool, progress: (Double) -> Void
  ) throws(ApusError) {
    if isEnough(try comparison.compare(try quantize([], .float))) { return }
    var shares: [Step] = []
    for (index, position) in layers.enumerated() {
      let others = Set(layers).subtracting([position])
      shares.append(Step(position: position, alone: try comparison.compare(try quantize(others, .float)).relative))
      progress(Double(index + 1) / Double(layers.count))
    }
    // Equal shares: the earlier layer first, so that the result is the same each time.
    shares.sort { ($0.alone, -$0.position) > ($1.alone, -$1.position) }
    for form in [Form.weights, .float] {
      func reaches(_ count: Int) throws(ApusError) -> Bool {
        isEnough(try comparison.compare(try quantize(Set(shares[..<count].map(\.position)), form)))
      }
      var (tooFew, enough) = (0, 1)
      while enough < layers.count, try !reaches(enough) { (tooFew, enough) = (enough, min(2 * enough, layers.count)) }
      while enough - tooFew > 1 {
        let middle = (enough + tooFew) / 2
        if try reaches(middle) { enough = middle } else { tooFew = middle }
      }
      if enough < layers.count {
        (returned, self.form) = (Array(shares[..<enough]), form)
        return
      }
    }
    throw ApusError(
      .unsupported, "the accuracy that is asked for is missed with any layer quantized",
      expected: "another aim, other ranges, or the scheme weights-int8")
  }
}
