import Apus
import ApusGraph

extension QuantizationWork {
  /// A float model, its equalized form perhaps, with what samples tell of it.
  private struct Candidate {
    let draft: ModelDraft
    let plan: QuantizationPlan
    let calibration: Calibration
    let correctsBias: Bool
    /// The relative error of the outputs.
    var error = Double.infinity

    /// - Parameter returned: layers that compute in float with weights of 8 bits: places among those that the plan leaves float.
    func quantized(
      _ plan: QuantizationPlan, _ options: QuantizationOptions, storing returned: Set<Int> = []
    ) throws(ApusError) -> (result: StaticQuantization, weights: [WeightQuantization.Layer]) {
      let ranges = calibration.ranges(options.ranges).filter { plan.quantized.contains($0.key) }
      let means = correctsBias ? calibration.observers.mapValues(\.channelMeans) : [:]
      var result = try StaticQuantization(
        draft, plan, parameters: plan.sharedRanges(ranges).mapValues { UInt8Parameters($0) }, channelMeans: means)
      guard !returned.isEmpty else { return (result, []) }
      let outputs = Set(returned.flatMap { draft.graph.nodes[$0].outputs })
      var storing = options
      storing.excluded = []
      let stored = try WeightQuantization(result.draft, options: storing, .writing(outputs))
      result.take(stored.draft)
      return (result, stored.layers)
    }
  }

  mutating func quantizeActivations(_ progress: (Quantizer.Stage) -> Void) throws(ApusError) {
    guard let samples else {
      throw ApusError(.invalidArgument, "the scheme '\(options.scheme.rawValue)' takes ranges from samples", expected: "--data")
    }
    let plan = try QuantizationPlan(draft, excluding: options.excluded)
    try check(plan)
    let candidates = try candidates(plan, samples, progress)
    noteConstants(candidates[0].calibration)
    calibrationSamples = candidates[0].calibration.samples
    let comparison = try OutputComparison(
      draft, samples: samples, count: options.errorSamples, options: options
    ) { progress(.comparing(fraction: $0)) }
    var best = candidates[0]
    for (index, var candidate) in candidates.enumerated() {
      let draft = try candidate.quantized(plan, options).result.draft
      candidate.error = try comparison.compare(draft).relative
      if index == 0 || candidate.error < best.error { best = candidate }
      progress(.searching("trying equalization and bias correction", fraction: Double(index + 1) / Double(candidates.count)))
    }
    isEqualized = best.draft.graph.values.count != draft.graph.values.count
    isBiasCorrected = best.correctsBias
    let (returned, form) = try mixedPrecision(best, comparison, progress)
    let floats = Set(returned.map(\.position))
    let final = try QuantizationPlan(best.draft, excluding: options.excluded, returning: floats)
    let (result, weights) = try best.quantized(final, options, storing: form == .weights ? floats : [])
    quantized = result.draft
    layers = result.layers
    weightLayers = weights
    tellFloats(final, returned)
    try tellCompiledFloats()
    accuracy = (try comparison.compare(quantized)).accuracy
    try measureErrors(best, final, result, samples, progress)
  }

  /// The model as it is and equalized, each with and without corrected biases, as far as these are asked for.
  private func candidates(
    _ plan: QuantizationPlan, _ samples: SampleSource, _ progress: (Quantizer.Stage) -> Void
  ) throws(ApusError) -> [Candidate] {
    func calibration(_ draft: ModelDraft) throws(ApusError) -> Calibration {
      try Calibration(
        draft, wanted: plan.quantized, channelAxes: channelAxes(plan), samples: samples, options: options
      ) { progress(.calibrating(fraction: $0)) }
    }
    let first = try calibration(draft)
    var calibrated = [(draft, first)]
    if options.equalizes {
      var equalization = Equalization(draft, plan)
      if !equalization.isEmpty {
        try equalization.apply(first.observers.mapValues(\.channelMagnitudes))
        calibrated.append((equalization.draft, try calibration(equalization.draft)))
      }
    }
    var candidates: [Candidate] = []
    for corrects in options.correctsBias ? [true, false] : [false] {
      for (draft, calibration) in calibrated {
        candidates.append(Candidate(draft: draft, plan: plan, calibration: calibration, correctsBias: corrects))
      }
    }
    return candidates
  }

  /// The layers that compute in float for the sake of the accuracy that is asked for.
  private func mixedPrecision(
    _ best: Candidate, _ comparison: OutputComparison, _ progress: (Quantizer.Stage) -> Void
  ) throws(ApusError) -> (layers: [MixedPrecision.Step], form: MixedPrecision.Form) {
    guard options.targetError != nil || options.targetAccuracy != nil else { return ([], .float) }
    if options.targetAccuracy != nil, samples?.labels == nil {
      throw ApusError(
        .invalidArgument, "an accuracy can only be reached on samples with labels", file: samples?.path ?? "",
        expected: "--labels, or data that has labels")
    }
    let (options, draft) = (options, best.draft)
    let search = try MixedPrecision(
      layers: best.plan.layers, comparison: comparison,
      quantize: { (floats, form) throws(ApusError) in
        let plan = try QuantizationPlan(draft, excluding: options.excluded, returning: floats)
        return try best.quantized(plan, options, storing: form == .weights ? floats : []).result.draft
      },
      isEnough: { result in
        result.relative <= options.targetError ?? .infinity && (result.accuracy ?? 1) >= options.targetAccuracy ?? 0
      }, progress: { progress(.searching("measuring layers one by one", fraction: $0)) }
    )
    return (search.returned, search.form)
  }

  // MARK: Report

  private mutating func check(_ plan: QuantizationPlan) throws(ApusError) {
    if let unknown = plan.unknownExclusions.first { throw Self.unknownNode(unknown) }
    guard !plan.quantized.isEmpty, !plan.layers.isEmpty else {
      throw ApusError(
        .unsupported, "the model has no layer that can be quantized",
        expected: "convolutions or matrix products with constant float32 weights")
    }
  }

  /// Says which nodes stay float.
  private mutating func tellFloats(_ plan: QuantizationPlan, _ returned: [MixedPrecision.Step]) {
    var reasons = plan.reasons
    for step in returned {
      let isStored = weightLayers.contains { $0.node == draft.graph.nodes[step.position].title }
      reasons[step.position] =
        "for accuracy\(isStored ? ", with 8-bit weights" : ""): alone it makes a relative error of "
        + "\(Quantity.error(step.alone)) of the outputs"
    }
    floats = reasons.sorted { $0.key < $1.key }.map { position, reason in
      (draft.graph.nodes[position].title, draft.graph.nodes[position].operatorName.string, reason)
    }
  }

  /// Says what else computes in float between integers once the model is compiled.
  private mutating func tellCompiledFloats() throws(ApusError) {
    let (definition, data) = quantized.finished()
    let known = Set(floats.map(\.node))
    let compiled = try Model.made(of: definition, data: data, level: nil)
    for line in FloatNodes(compiled.program).lines where !known.contains(line.node) {
      floats.append((line.node, line.operatorName, line.reason))
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

  private mutating func measureErrors(
    _ best: Candidate, _ plan: QuantizationPlan, _ result: StaticQuantization, _ samples: SampleSource,
    _ progress: (Quantizer.Stage) -> Void
  ) throws(ApusError) {
    let pairs = plan.quantized.compactMap { id in result.replacements[id].map { (exact: id, approximate: $0) } }
    let errors = try QuantizationError(
      best.draft, quantized, pairs: pairs, samples: samples, count: options.errorSamples, options: options
    ) { progress(.comparing(fraction: $0)) }
    for (pair, error) in zip(pairs, errors.values) {
      guard let parameters = result.parameters[pair.exact], let observer = best.calibration.observers[pair.exact] else {
        continue
      }
      places[pair.exact] = tensors.count
      tensors.append(
        QuantizedTensor(
          name: draft.name(pair.exact), observed: (Double(observer.minimum), Double(observer.maximum)),
          parameters: parameters, histogram: observer.histogram, error: error))
    }
    outputErrors = zip(draft.definition.calledGraph.outputs, errors.outputs).map { (draft.name($0), $1) }
  }
}
