import Apus
import ApusFormat
import ApusFormatWriter
import ApusGraph
import Foundation

/// Makes a quantized model file of a float model: one with fewer bytes, whose products are sums of integers where the scheme says
/// so.
public struct Quantizer: Sendable {
  /// What a quantization is doing.
  public enum Stage: Sendable {
    case reading
    case calibrating(fraction: Double)
    case searching(String, fraction: Double)
    case comparing(fraction: Double)
    case measuring(fraction: Double)
    case writing
    case verifying(String)
  }

  public var options = QuantizationOptions()
  public var sampleOptions = SampleOptions()

  /// As many samples tell the ranges of most models.
  public static let usualSamples = 512

  public init() {}

  /// Quantizes a model.
  ///
  /// The file appears at `destination` only after it has been read back and verified; on any failure, and where the process is
  /// interrupted, nothing is left of it there. The same model, data and options give the same bytes.
  /// - Parameters:
  ///   - path: an .apus, .onnx or .safetensors file.
  ///   - data: samples, as `SampleSource` takes them; nil only for schemes that store weights, whose report then has no errors of
  ///     outputs.
  /// - Throws: what is wrong with the model, the data (naming file and tensor) or the disk; `unsupported` where nothing of the
  ///   model can be quantized.
  public func quantize(
    _ path: String, data: String?, to destination: String, progress: (Stage) -> Void = { _ in }
  ) throws(ApusError) -> QuantizationReport {
    progress(.reading)
    var source = try Self.read(path)
    let original = source.model
    let draft: ModelDraft
    let notes: [String]
    do throws(ApusError) {
      try Self.checkIsFloat(source.model.definition)
      (draft, notes) = try QuantizationPreparation.prepare(
        ModelDraft(original.definition, data: original.data), folds: options.scheme != .float16)
    } catch { throw error.inFile(path) }
    var samples: SampleSource?
    if let data { samples = try self.samples(data, draft) }
    var work = QuantizationWork(draft, options: options, samples: samples)
    work.notes = notes
    do throws(ApusError) {
      try work.run(progress)
      try work.measure(progress)
      let tolerance = TestVectorTolerance(original)
      let (definition, data) = work.quantized.finished()
      source.model.definition = definition
      source.model.data = data
      try tolerance.widen(&source.model, work.quantized, threads: options.threads)
    } catch { throw error.file.isEmpty ? error.inFile(path) : error }
    source.model.definition.metadata.quantizationMethod = Name(work.method)
    if let samples { source.model.definition.metadata.calibrationHash = try samples.hash() }
    var conversion = Conversion()
    conversion.codec = .auto
    let written = try conversion.write(source, to: destination) { stage in
      switch stage {
      case .verifying(let check): progress(.verifying(check))
      case .hashing, .importing, .writing: progress(.writing)
      }
    }
    return QuantizationReport(
      source: path, destination: destination, options: options, data: data, work: work,
      calibrationHash: source.model.definition.metadata.calibrationHash, file: written)
  }

  private func samples(_ data: String, _ draft: ModelDraft) throws(ApusError) -> SampleSource {
    let graph = draft.definition.calledGraph
    let states = Set(draft.definition.signatures.first?.states.map(\.input) ?? [])
    var inputs: [(name: Name, type: ValueType)] = []
    for id in graph.inputs where !states.contains(id) {
      let value = graph.values[Int(id)]
      inputs.append((value.name, value.type ?? .tensor(TensorType(.float32, nil))))
    }
    return try SampleSource(data, inputs: inputs, symbols: draft.definition.symbols, options: sampleOptions)
  }

  /// Reads a float model.
  static func read(_ path: String) throws(ApusError) -> Conversion.Source {
    guard case .apus = try SourceFormat(path: path) else {
      let source = try Conversion().read(path)
      if let problem = source.problems.first { throw problem.error.inFile(path) }
      return source
    }
    let file = try ModelFile(.path(path))
    var definition = file.definition
    definition.metadata.producer = Conversion.producer
    let size = (try? FileManager.default.attributesOfItem(atPath: path)[.size] as? UInt64) ?? 0
    return Conversion.Source(
      path: path, byteCount: size, hash: definition.metadata.sourceHash,
      model: ImportedModel(definition: definition, data: file.tensorData, leftOut: [], leftOutBytes: 0), problems: [])
  }

  private static func checkIsFloat(_ definition: ModelDefinition) throws(ApusError) {
    for graph in definition.graphs {
      for node in graph.nodes where node.operatorName == "DequantizeLinear" || node.operatorName == "DynamicQuantizeLinear" {
        throw ApusError(
          .unsupported, "the model is quantized already: quantize the float model that it was made of",
          operatorName: node.label)
      }
    }
  }
}

/// The tolerances of a file's test vectors. Their outputs are the float model's: a quantized one may differ from them by 1.5
/// times what it does differ by.
private struct TestVectorTolerance {
  let model: ImportedModel

  init(_ model: ImportedModel) { self.model = model }

  func widen(_ quantized: inout ImportedModel, _ draft: ModelDraft, threads: Int) throws(ApusError) {
    let vectors = model.definition.metadata.testVectors
    guard !vectors.isEmpty else { return }
    let outputs = draft.definition.calledGraph.outputs
    let runner = try SampleRunner(draft, wanted: outputs, threads: threads)
    var kept: [TestVector] = []
    for (index, var vector) in vectors.enumerated() {
      guard vector.outputs.allSatisfy({ $0.tensor.elementType == .float32 }) else { continue }
      var inputs: [(name: Name, value: NpyArray)] = []
      for (position, input) in vector.inputs.enumerated() {
        let bytes = try bytes(input.tensor, .testInput(vector: index, index: position))
        inputs.append(
          (input.name, NpyArray(elementType: input.tensor.elementType, dimensions: input.tensor.dimensions, bytes: bytes)))
      }
      var expected: [Name: [UInt8]] = [:]
      for (position, output) in vector.outputs.enumerated() {
        expected[output.name] = try bytes(output.tensor, .testOutput(vector: index, index: position))
      }
      var largest: Float = 0
      try runner.run(inputs) { (id, values, _) throws(ApusError) in
        expected[draft.graph.values[Int(id)].name]?.withUnsafeBytes { bytes in
          for position in 0..<min(values.count, bytes.count / 4) {
            let error = abs(bytes.loadUnaligned(fromByteOffset: 4 * position, as: Float.self) - values[position])
            if error.isFinite { largest = max(largest, error) }
          }
        }
      }
      vector.absoluteTolerance = max(vector.absoluteTolerance, 1.5 * largest)
      kept.append(vector)
    }
    // The data of kept vectors goes by their places: all or none.
    quantized.definition.metadata.testVectors = kept.count == vectors.count ? kept : []
  }

  private func bytes(_ tensor: ConstantTensor, _ reference: TensorReference) throws(ApusError) -> [UInt8] {
    switch tensor.storage {
    case .inline(let bytes): return bytes
    case .segment(_, _, let length):
      var bytes = [UInt8](repeating: 0, count: Int(clamping: length))
      try bytes.withUnsafeMutableBufferPointer { (target) throws(ApusError) in
        try model.data(reference, 0, UnsafeMutableRawBufferPointer(target))
      }
      return bytes
    }
  }
}
