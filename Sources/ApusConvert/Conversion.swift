import Apus
import ApusFormat
import ApusFormatWriter
import ApusGraph
import ApusSafetensors
import Crypto
import Foundation

/// Turns a checkpoint or an ONNX model into a model file and proves that the file is right.
public struct Conversion: Sendable {
  /// How segments are stored, as the command line spells it.
  public enum Codec: String, CaseIterable, Sendable {
    /// For each segment the smallest; raw where compression saves less than 5 %.
    case auto
    case raw
    case zstd
    case zstdPlanes = "zstd-planes"

    var segmentCodec: WriterOptions.SegmentCodec {
      switch self {
      case .auto: .automatic
      case .raw: .raw
      case .zstd: .zstd
      case .zstdPlanes: .bytePlanesZstd
      }
    }
  }

  /// What a conversion is doing.
  public enum Stage: Sendable {
    case hashing(fraction: Double)
    case importing
    case writing
    case verifying(String)
  }

  /// A source that was read, before anything is written.
  public struct Source {
    public let path: String
    public let byteCount: UInt64
    /// SHA-256 of the file.
    public let hash: [UInt8]
    public internal(set) var model: ImportedModel
    /// What keeps the model from being converted, all of it; empty where nothing does.
    public let problems: [ImportProblem]
    /// What became of the weights; nil where they stay as they are.
    public internal(set) var weights: WeightSummary?
  }

  public var codec: Codec = .auto
  /// Whether a checkpoint's test vectors go into the file.
  public var testVectors = true
  /// Shapes of an ONNX model's inputs that the file is to have in place of the declared ones, by name.
  public var fixedShapes: [Name: [Int]] = [:]
  /// What is done to an ONNX model's graph.
  public var optimization: Optimization = .safe
  /// How float32 weights are stored. Test vectors then may differ from the outputs by 16 of a weight's errors, as a part of the
  /// largest element.
  public var weights: WeightType = .float32
  /// A folder of test data (see `DataSet`) that goes into the file as its test vectors.
  public var embeddedData: String?
  /// Tolerances of those vectors.
  public var tolerance = Comparison.Tolerance(absolute: 1e-5, relative: 1e-3)

  /// Written into each file; with the source's hash it says where the model comes from.
  public static let producer = Name("modelconv " + version)
  /// Of this release.
  public static let version = "0.1.0"

  public init() {}

  /// Converts a checkpoint of ApusTraining or an ONNX model.
  ///
  /// The file appears at `destination` only after it has been read back and verified: every checksum, the model id, and its
  /// test vectors through the runtime. On any failure nothing is left behind and what stood there stays. The same source
  /// and options give the same bytes.
  ///
  /// - Throws: what is wrong with the source, the model or the disk, the first of `Source.problems` where there are some;
  ///   `selfTestFailed` where the runtime does not reproduce the test vectors.
  public func convert(
    _ source: String, to destination: String, progress: (Stage) -> Void = { _ in }
  ) throws(ApusError) -> ConversionReport {
    let source = try read(source, progress: progress)
    if let problem = source.problems.first { throw problem.error.inFile(source.path) }
    return try write(source, to: destination, progress: progress)
  }

  // MARK: Reading

  /// Reads a source and imports its graph.
  /// - Throws: where the file can't be read or is no model of its format; what a model lacks is in `Source.problems`.
  public func read(_ path: String, progress: (Stage) -> Void = { _ in }) throws(ApusError) -> Source {
    var source: Source
    switch try SourceFormat(path: path) {
    case .checkpoint:
      let checkpoint = try SafetensorsFile(path: path)
      let hash = try Self.hash(checkpoint, progress)
      progress(.importing)
      source = Source(
        path: path, byteCount: checkpoint.fileBytes, hash: hash,
        model: try CheckpointImporter(checkpoint).model(testVectors: testVectors), problems: [])
    case .onnx:
      let file = try FileBytes(path: path)
      let hash = try Self.hash(file, progress)
      progress(.importing)
      let (model, problems) = try ONNXImporter(path: path, options: importOptions).survey()
      source = Source(
        path: path, byteCount: file.byteCount, hash: hash, model: model, problems: problems + Self.missingKernels(model, problems)
      )
    case .apus:
      throw ApusError(
        .invalidArgument, "this is a model file already", file: path, expected: "*.onnx or *.safetensors")
    }
    if source.problems.isEmpty, let embeddedData { try embed(embeddedData, &source.model) }
    if source.problems.isEmpty, weights != .float32 {
      let cast = OperatorRegistry.full.schemas(domain: .onnx, name: "Cast").last?.versions.last ?? 0
      do throws(ApusError) {
        source.weights = try WeightRounding.round(&source.model, to: weights, cast: cast)
      } catch { throw error.inFile(path) }
    }
    source.model.definition.metadata.producer = Self.producer
    source.model.definition.metadata.sourceHash = source.hash
    return source
  }

  private var importOptions: ONNXImporter.Options {
    var options = ONNXImporter.Options()
    options.fixedShapes = fixedShapes
    options.optimization = optimization
    return options
  }

  /// Nodes that the importer knows but the runtime can't run.
  private static func missingKernels(_ model: ImportedModel, _ problems: [ImportProblem]) -> [ImportProblem] {
    var missing: [ImportProblem] = []
    for graph in model.definition.graphs {
      for node in graph.nodes {
        guard (try? OperatorRegistry.full.schema(of: node)) != nil, !LoadOptions.full.bindings.canRun(node),
          // The compiler takes these away.
          node.domain != .onnx || !["Identity", "Dropout", "Constant"].contains(node.operatorName)
        else { continue }
        missing.append(
          ImportProblem(node: node, error: ApusError(.unsupportedOperator, "the runtime has no kernel for the operator")))
      }
    }
    return missing
  }

  private static func hash(_ file: SafetensorsFile, _ progress: (Stage) -> Void) throws(ApusError) -> [UInt8] {
    var hash = SHA256()
    var done: UInt64 = 0
    try file.forEachPart { part in
      hash.update(data: part)
      done += UInt64(part.count)
      progress(.hashing(fraction: Double(done) / Double(max(file.fileBytes, 1))))
    }
    return Array(hash.finalize())
  }

  static func hash(_ file: FileBytes, _ progress: (Stage) -> Void) throws(ApusError) -> [UInt8] {
    var hash = SHA256()
    var done: UInt64 = 0
    while done < file.byteCount {
      let part = try file.read(at: done, count: Int(min(file.byteCount - done, 1 << 20)))
      hash.update(data: part)
      done += UInt64(part.count)
      progress(.hashing(fraction: Double(done) / Double(file.byteCount)))
    }
    return Array(hash.finalize())
  }

  /// Makes the data sets of a folder the model's test vectors.
  private func embed(_ folder: String, _ model: inout ImportedModel) throws(ApusError) {
    let graph = model.definition.calledGraph
    func ports(_ ids: [ValueID]) -> [(name: Name, type: ValueType)] {
      ids.map { id in
        let value = graph.values[Int(id)]
        return (value.name, value.type ?? .tensor(TensorType(.float32, nil)))
      }
    }
    func tensors(_ values: [(name: Name, value: StoredValue)]) throws(ApusError) -> [TestVector.Tensor] {
      var tensors: [TestVector.Tensor] = []
      for (name, value) in values {
        guard let array = value.array else {
          throw ApusError(
            .unsupportedType, "a test vector holds tensors only", file: folder, tensorName: name.string, actual: value.text)
        }
        tensors.append(
          TestVector.Tensor(
            name: name,
            tensor: ConstantTensor(
              elementType: array.elementType, dimensions: array.dimensions, storage: .inline(array.bytes))))
      }
      return tensors
    }
    let sets = try DataSet.read(folder, inputs: ports(graph.inputs), outputs: ports(graph.outputs))
    var vectors: [TestVector] = []
    for set in sets {
      vectors.append(
        TestVector(
          name: Name(set.name), inputs: try tensors(set.inputs), outputs: try tensors(set.outputs),
          absoluteTolerance: Float(tolerance.absolute), relativeTolerance: Float(tolerance.relative)))
    }
    model.definition.metadata.testVectors = vectors
  }

  // MARK: Writing

  /// The bytes of the model file.
  public func encode(_ source: Source) throws(ApusError) -> [UInt8] {
    do {
      return try ModelWriter(options: writerOptions).encode(
        source.model.definition, needs: needs(source).needs, data: source.model.data)
    } catch { throw error.inFile(source.path) }
  }

  private var writerOptions: WriterOptions {
    var options = WriterOptions()
    options.segmentCodec = codec.segmentCodec
    return options
  }

  /// Costs at the smallest shapes; nil for a model whose shapes are open, or that does not take the smallest ones.
  private func needs(_ source: Source) -> (needs: Needs, cost: ModelCost?) {
    let definition = source.model.definition
    let cost = definition.smallestInputShapes().flatMap { shapes in
      try? ModelCost(definition, inputShapes: shapes, registry: .full) { id in definition.tensors[Int(id)].inlineBytes }
    }
    let needs = Needs(
      operators: definition.usedOperators(), flops: cost?.operations ?? 0, liveBytes: cost?.liveBytes ?? 0)
    return (needs, cost)
  }

  /// Writes the file of a source without problems; see `convert`.
  public func write(
    _ source: Source, to destination: String, progress: (Stage) -> Void = { _ in }
  ) throws(ApusError) -> ConversionReport {
    let definition = source.model.definition
    let (needs, cost) = needs(source)
    progress(.writing)
    let temporary = destination + ".\(getpid()).unverified"
    defer { unlink(temporary) }
    let summary: ModelWriter.Summary
    do {
      summary = try ModelWriter(options: writerOptions).write(
        definition, needs: needs, to: temporary, data: source.model.data)
    } catch {
      var error = error
      if error.file == temporary { error.file = destination }
      throw error.inFile(destination)
    }
    let verification = Verification(path: temporary) { progress(.verifying($0)) }
    if let failed = verification.checks.first(where: { !$0.passed }), var error = failed.error {
      error.file = source.path
      error.message = "the converted model fails its check '\(failed.name)': " + error.message
      throw error
    }
    guard rename(temporary, destination) == 0 else {
      throw ApusError(
        .inputOutput, "can't move the file into place: " + String(cString: strerror(errno)), file: destination)
    }
    return ConversionReport(
      source: source.path, sourceBytes: source.byteCount, sourceHash: source.hash, destination: destination, summary: summary,
      definition: definition, parameters: cost?.parameters ?? definition.parameters, needs: needs,
      leftOut: source.model.leftOut, leftOutBytes: source.model.leftOutBytes, notes: source.model.notes,
      weights: source.weights, verification: verification)
  }
}

extension ModelDefinition {
  /// Elements of floating-point constants.
  var parameters: UInt64 {
    tensors.reduce(0) { sum, tensor in
      switch tensor.elementType {
      case .float16, .bfloat16, .float32, .float64: sum + UInt64(elementCount(tensor.dimensions) ?? 0)
      default: sum
      }
    }
  }
}
