import Apus
import ApusGraph

/// A tensor that became codes, for the report.
struct QuantizedTensor: Sendable {
  let name: String
  let observed: (low: Double, high: Double)
  let parameters: UInt8Parameters
  let histogram: ValueHistogram?
  var error: ErrorSums
}

/// The steps from a float model to a quantized one, and what they find on the way.
struct QuantizationWork {
  let options: QuantizationOptions
  let draft: ModelDraft
  var quantized: ModelDraft
  let samples: SampleSource?
  var layers: [StaticQuantization.Layer] = []
  var weightLayers: [WeightQuantization.Layer] = []
  var tensors: [QuantizedTensor] = []
  /// By the value of the float model: a place in `tensors`.
  var places: [ValueID: Int] = [:]
  /// Nodes that stay float where one might expect integers, and why.
  var floats: [(node: String, operatorName: String, reason: String)] = []
  var outputErrors: [(name: String, error: ErrorSums)] = []
  var calibrationSamples = 0
  var notes: [String] = []
  var isEqualized = false
  var isBiasCorrected = false
  /// The part of the labelled samples that the quantized model tells right; nil without labels.
  var accuracy: Double?
  var measurement: QuantizationMeasurement?

  init(_ draft: ModelDraft, options: QuantizationOptions, samples: SampleSource?) {
    self.draft = draft
    quantized = draft
    self.options = options
    self.samples = samples
  }

  /// What the file says of how it was made.
  var method: String {
    var parts = [options.scheme.rawValue]
    if options.scheme.needsRanges {
      parts.append("ranges \(options.ranges.rawValue) of \(calibrationSamples) samples")
      if isEqualized { parts.append("cross-layer equalization") }
      if isBiasCorrected { parts.append("bias correction") }
    }
    if options.scheme == .weightsInt8 || options.scheme == .weightsInt4 {
      let blocks = Set(weightLayers.map(\.block)).sorted().map { "\($0)" }.joined(separator: " and ")
      parts.append("blocks of \(blocks)" + (options.isAsymmetric ? " with zero points" : ""))
    }
    for (name, error) in outputErrors {
      parts.append("relative error of \(name) \(Quantity.error(error.relative)) (\(Quantity.decibels(error.decibels)))")
    }
    return parts.joined(separator: "; ")
  }

  mutating func run(_ progress: (Quantizer.Stage) -> Void) throws(ApusError) {
    switch options.scheme {
    case .static: try quantizeActivations(progress)
    case .dynamic:
      let result = try DynamicQuantization(draft, options: options)
      (quantized, weightLayers, floats) = (result.draft, result.layers, result.floats)
      try compareOutputs(progress)
    case .weightsInt8, .weightsInt4:
      let result = try WeightQuantization(draft, options: options)
      if let unknown = result.unknownExclusions.first { throw Self.unknownNode(unknown) }
      (quantized, weightLayers, floats) = (result.draft, result.layers, result.floats)
      try compareOutputs(progress)
    case .float16:
      try roundWeights()
      try compareOutputs(progress)
    }
  }

  /// Measures the float model and the quantized one.
  mutating func measure(_ progress: (Quantizer.Stage) -> Void) throws(ApusError) {
    guard options.measures else { return }
    var shapes: [Name: [Int]] = [:]
    if draft.definition.smallestInputShapes() == nil, let samples {
      for (name, value) in try samples.batch(from: 0, atMost: 1).inputs { shapes[name] = value.dimensions }
    }
    measurement = try QuantizationMeasurement(
      draft, quantized, shapes: shapes, threads: options.threads, seconds: options.measuredSeconds
    ) { progress(.measuring(fraction: $0)) }
  }

  // MARK: Weights

  private mutating func roundWeights() throws(ApusError) {
    var model = ImportedModel(definition: draft.definition, data: draft.tensorData, leftOut: [], leftOutBytes: 0)
    let summary = try WeightRounding.round(&model, to: .float16, cast: 25)
    guard summary.tensors > 0 else { throw nothingToStore }
    notes.append(summary.text)
    quantized = ModelDraft(model.definition, data: model.data)
  }

  private var nothingToStore: ApusError {
    ApusError(
      .unsupported, "the model has no weights that the scheme '\(options.scheme.rawValue)' stores",
      expected: "products and convolutions with float32 constants")
  }

  private mutating func compareOutputs(_ progress: (Quantizer.Stage) -> Void) throws(ApusError) {
    guard !weightLayers.isEmpty || options.scheme == .float16 else { throw nothingToStore }
    guard let samples else { return }
    let errors = try QuantizationError(
      draft, quantized, samples: samples, count: options.errorSamples, options: options
    ) { progress(.comparing(fraction: $0)) }
    outputErrors = zip(draft.definition.calledGraph.outputs, errors.outputs).map { (draft.name($0), $1) }
  }

  static func unknownNode(_ name: String) -> ApusError {
    ApusError(.unknownName, "no node has the name that is to be excluded", actual: name)
  }
}
