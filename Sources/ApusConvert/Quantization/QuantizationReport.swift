import ApusGraph
import ApusSafetensors
import Foundation

/// What a quantization did, layer by layer.
public struct QuantizationReport {
  public let source: String
  public let destination: String
  public let options: QuantizationOptions
  /// The samples' path.
  public let data: String?
  public let calibrationHash: [UInt8]
  /// How the file was written and verified.
  public let file: ConversionReport
  let layers: [StaticQuantization.Layer]
  let weightLayers: [WeightQuantization.Layer]
  let tensors: [QuantizedTensor]
  let places: [ValueID: Int]
  let floats: [(node: String, operatorName: String, reason: String)]
  let outputs: [(name: String, error: ErrorSums)]
  public let method: String
  public let notes: [String]
  /// Times on this machine; nil where they were not asked for.
  public let measurement: QuantizationMeasurement?
  /// The part of the labelled samples that the quantized model tells right; nil without labels.
  public let accuracy: Double?
  /// Samples that ranges were taken from.
  public let samples: Int

  init(
    source: String, destination: String, options: QuantizationOptions, data: String?, work: QuantizationWork,
    calibrationHash: [UInt8], file: ConversionReport
  ) {
    self.source = source
    self.destination = destination
    self.options = options
    self.data = data
    self.calibrationHash = calibrationHash
    self.file = file
    layers = work.layers
    weightLayers = work.weightLayers
    tensors = work.tensors
    places = work.places
    floats = work.floats
    outputs = work.outputErrors
    method = work.method
    notes = work.notes
    accuracy = work.accuracy
    measurement = work.measurement
    samples = work.calibrationSamples
  }

  /// The largest relative error of an output; nil where none was measured.
  public var outputError: Double? { outputs.map(\.error.relative).max() }

  func tensor(_ id: ValueID?) -> QuantizedTensor? { id.flatMap { places[$0] }.map { tensors[$0] } }

  /// The report for people.
  public var text: String {
    var text = "\(source) -> \(destination)\n"
    var summary = TextTable(.init(title: ""), .init(title: ""))
    summary.rows.append(["method", method])
    if let data { summary.rows.append(["samples", samples > 0 ? "\(Quantity.count(samples)) of \(data)" : data]) }
    summary.rows.append(["size", Quantity.bytes(file.summary.fileLength) + " (of \(Quantity.bytes(file.sourceBytes)))"])
    for (name, error) in outputs {
      summary.rows.append([
        "output \(name)",
        "SNR \(Quantity.decibels(error.decibels)), cosine \(Quantity.cosine(error.cosine)), relative error "
          + Quantity.error(error.relative),
      ])
    }
    if let accuracy {
      summary.rows.append(["top-1", Quantity.percent(accuracy) + " of the samples that errors are measured on"])
    }
    for item in floats { summary.rows.append(["stays float", "\(item.node) (\(item.operatorName)): \(item.reason)"]) }
    for note in notes { summary.rows.append(["note", note]) }
    summary.rows.append(["self test", file.verification.selfTestText])
    text += summary.text()
    var table = TextTable(
      .init(title: "layer"), .init(title: "operator"), .init(title: "weights SNR", alignment: .right),
      .init(title: "input range"), .init(title: "output SNR", alignment: .right), .init(title: "cosine", alignment: .right))
    table.rows = layers.map { layer in
      let output = tensor(layer.output)
      return [
        layer.node, layer.operatorName, Quantity.decibels(layer.weights.decibels),
        tensor(layer.input).map { String(format: "%.4g ... %.4g", $0.parameters.range.low, $0.parameters.range.high) } ?? "-",
        output.map { Quantity.decibels($0.error.decibels) } ?? "float", output.map { Quantity.cosine($0.error.cosine) } ?? "",
      ]
    }
    if !table.rows.isEmpty { text += "\n" + table.text() }
    var weights = TextTable(
      .init(title: "weights of"), .init(title: "operator"), .init(title: "elements", alignment: .right),
      .init(title: "bits", alignment: .right), .init(title: "SNR", alignment: .right), .init(title: "cosine", alignment: .right))
    weights.rows = weightLayers.map { layer in
      [
        layer.node, layer.operatorName, Quantity.count(layer.elements), "\(layer.bits)",
        Quantity.decibels(layer.error.decibels), Quantity.cosine(layer.error.cosine),
      ]
    }
    if !weights.rows.isEmpty { text += "\n" + weights.text() }
    return text + (measurement?.text ?? "")
  }

  /// The report as a page for a browser.
  public var html: String {
    QuantizationPage(self).text
  }

  /// The document that Sources/modelconv/JSON.md describes under `apus.quantize`.
  public var json: JSONValue {
    [
      "format": "apus.quantize", "version": 1, "source": .string(source), "source_bytes": JSONValue(file.sourceBytes),
      "file": .string(destination), "bytes": JSONValue(file.summary.fileLength),
      "model_id": .string(Quantity.hexadecimal(file.summary.modelID)), "method": .string(method),
      "scheme": .string(options.scheme.rawValue),
      "ranges": options.scheme.needsRanges ? .string(options.ranges.rawValue) : .null,
      "data": data.map { .string($0) } ?? .null, "samples": JSONValue(samples),
      "calibration_sha256": .string(Quantity.hexadecimal(calibrationHash)),
      "outputs": .array(outputs.map { ["name": .string($0.name), "error": $0.error.json] }),
      "accuracy": accuracy.map { .float($0) } ?? .null,
      "layers": .array(
        layers.map { layer in
          [
            "node": .string(layer.node), "operator": .string(layer.operatorName), "elements": JSONValue(layer.elements),
            "weights": layer.weights.json, "input": tensor(layer.input).map { .string($0.name) } ?? .null,
            "output": tensor(layer.output).map { .string($0.name) } ?? .null,
          ]
        }),
      "weights": .array(
        weightLayers.map { layer in
          [
            "node": .string(layer.node), "operator": .string(layer.operatorName), "elements": JSONValue(layer.elements),
            "bits": JSONValue(layer.bits), "block": JSONValue(layer.block), "error": layer.error.json,
          ]
        }),
      "tensors": .array(
        tensors.map { tensor in
          [
            "name": .string(tensor.name), "minimum": .float(tensor.observed.low), "maximum": .float(tensor.observed.high),
            "low": .float(tensor.parameters.range.low), "high": .float(tensor.parameters.range.high),
            "scale": .float(Double(tensor.parameters.scale)), "zero_point": JSONValue(tensor.parameters.zero),
            "error": tensor.error.json,
          ]
        }),
      "floats": .array(
        floats.map { ["node": .string($0.node), "operator": .string($0.operatorName), "reason": .string($0.reason)] }),
      "times": measurement?.json ?? .null,
      "notes": .array(notes.map { .string($0) }),
    ]
  }
}

extension Quantity {
  /// `31.4 dB`; `exact` without error.
  static func decibels(_ value: Double) -> String { value == .infinity ? "exact" : String(format: "%.1f dB", value) }
}
