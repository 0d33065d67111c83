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
  private(set) var draft: ModelDraft
  private(set) var quantized: ModelDraft
  private let samples: SampleSource?
  private(set) var layers: [StaticQuantization.Layer] = []
  private(set) var weightLayers: [WeightQuantization.Layer] = []
  private(set) var tensors: [QuantizedTensor] = []
  /// By the value of the float model: a place in `tensors`.
  private(set) var places: [ValueID: Int] = [:]
  /// Nodes that stay float where one might expect integers, and why.
  private(set) var floats: [(node: String, operatorName: String, reason: String)] = []
  private(set) var outputErrors: [(name: String, error: ErrorSums)] = []
  private(set) var calibrationSamples = 0
  var notes: [String] = []

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
      if options.correctsBias { parts.append("bias correction") }
    }
    if options.scheme == .weightsInt8 || options.scheme == .weightsInt4 {
      parts.append("blocks of \(options.block)" + (options.isAsymmetric ? " with zero points" : ""))
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

  private static func unknownNode(_ name: String) -> ApusError {
    ApusError(.unknownName, "no node has the name that is to be excluded", actual: name)
  }

  // MARK: Static

  private mutating func quantizeActivations(_ progress: (Quantizer.Stage) -> Void) throws(ApusError) {
    guard let samples else {
      throw ApusError(.invalidArgument, "the scheme '\(options.scheme.rawValue)' takes ranges from samples", expected: "--data")
    }
    let plan = try QuantizationPlan(draft, excluding: options.excluded)
    try check(plan)
    let calibration = try Calibration(
      draft, wanted: plan.quantized, channelAxes: channelAxes(plan), samples: samples, options: options,
      histograms: true
    ) { progress(.calibrating(fraction: $0)) }
    calibrationSamples = calibration.samples
    let ranges = plan.sharedRanges(calibration.ranges(options.ranges))
    let parameters = ranges.mapValues { UInt8Parameters($0) }
    noteConstants(calibration)
    let means = options.correctsBias ? calibration.observers.mapValues(\.channelMeans) : [:]
    let result = try StaticQuantization(draft, plan, parameters: parameters, channelMeans: means)
    quantized = result.draft
    layers = result.layers
    let pairs = plan.quantized.compactMap { id in result.replacements[id].map { (exact: id, approximate: $0) } }
    let errors = try QuantizationError(
      draft, quantized, pairs: pairs, samples: samples, count: options.errorSamples, options: options
    ) { progress(.comparing(fraction: $0)) }
    for (pair, error) in zip(pairs, errors.values) {
      guard let parameters = parameters[pair.exact], let observer = calibration.observers[pair.exact] else { continue }
      places[pair.exact] = tensors.count
      tensors.append(
        QuantizedTensor(
          name: draft.name(pair.exact), observed: (Double(observer.minimum), Double(observer.maximum)),
          parameters: parameters, histogram: observer.histogram, error: error))
    }
    outputErrors = zip(draft.definition.calledGraph.outputs, errors.outputs).map { (draft.name($0), $1) }
  }

  /// Says which nodes stay float.
  private mutating func check(_ plan: QuantizationPlan) throws(ApusError) {
    if let unknown = plan.unknownExclusions.first { throw Self.unknownNode(unknown) }
    floats = plan.reasons.sorted { $0.key < $1.key }.map { position, reason in
      (draft.graph.nodes[position].title, draft.graph.nodes[position].operatorName.string, reason)
    }
    guard !plan.quantized.isEmpty, !plan.layers.isEmpty else {
      throw ApusError(
        .unsupported, "the model has no layer that can be quantized",
        expected: "convolutions or matrix products with constant float32 weights")
    }
  }

  /// The axes of the channels that products sum over.
  private func channelAxes(_ plan: QuantizationPlan) -> [ValueID: Int] {
    var axes: [ValueID: Int] = [:]
    for position in plan.layers {
      let node = draft.graph.nodes[position]
      axes[node.inputs[0]] = node.isStandard("Conv") ? 1 : -1
    }
    return axes
  }

  private mutating func noteConstants(_ calibration: Calibration) {
    let constant = calibration.observers.filter { $0.value.isConstant }.keys.sorted().map { draft.name($0) }
    guard !constant.isEmpty else { return }
    notes.append("the samples leave \(constant.count) activations constant: " + constant.joined(separator: ", "))
  }
}
