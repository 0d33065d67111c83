import ApusFormatWriter
import ApusGraph
import ApusSafetensors
import Foundation

/// Reads ONNX models (https://onnx.ai): operator sets 1 to 27, files with external data, functions, nested graphs.
///
/// Nodes come out in the registry's vocabulary: older forms of operators are rewritten to those of operator set 22 and later,
/// the model's functions are inlined, and operators that stand for a group of standard ones are taken apart.
public struct ONNXImporter {
  /// The newest operator set of ONNX that this release knows.
  public static let newestOperatorSet: Int32 = 27
  /// The oldest one.
  public static let oldestOperatorSet: Int32 = 1
  /// Nodes of older operator sets are rewritten to the forms that this one has.
  static let adaptedOperatorSet: Int32 = 22

  /// What a caller chooses.
  public struct Options: Sendable {
    /// The operators that the model may use; each node is checked, and types and shapes inferred.
    public var registry: OperatorRegistry = .full
    /// Extents of inputs of the main graph, by name, in place of those that the file leaves open.
    public var fixedShapes: [Name: [Int]] = [:]
    public var optimization: Optimization = .none
    /// Tensors up to this size are read into the definition; `ImportedModel.data` reads larger ones.
    public var inlineBytes = 1 << 20
    /// Inlining functions can multiply a small file's nodes beyond all bounds.
    public var maximumNodes = 500_000

    public init() {}
  }

  private let path: String
  private let options: Options

  public init(path: String, options: Options = Options()) {
    self.path = path
    self.options = options
  }

  /// The model of the file.
  ///
  /// - Throws: `fileNotFound`, `inputOutput`, `truncated`, `malformed`, `invalidModel` where the file is wrong; `unknownName` or
  ///   `shapeMismatch` where `fixedShapes` do not fit it; else the first problem.
  public func model() throws(ApusError) -> ImportedModel {
    let (model, problems) = try survey()
    if let problem = problems.first { throw problem.error.inFile(path) }
    return model
  }

  /// The model as far as it can be imported, with everything that keeps it from being converted, in the order of the nodes.
  ///
  /// - Throws: where the file can't be read or breaks ONNX's rules.
  public func survey() throws(ApusError) -> (model: ImportedModel, problems: [ImportProblem]) {
    do {
      let proto = try ONNXFile.read(ONNXModelProto.self, path: path)
      return try ONNXImporter.survey(proto, folder: try ModelFolder(ofModel: path), options)
    } catch {
      throw error.inFile(path)
    }
  }

  /// The model of a message in memory, which has no external data.
  public static func survey(
    parsing bytes: [UInt8], options: Options = Options()
  ) throws(ApusError) -> (model: ImportedModel, problems: [ImportProblem]) {
    try survey(try ONNXFile.parse(ONNXModelProto.self, bytes), folder: nil, options)
  }

  static func survey(
    _ proto: ONNXModelProto, folder: ModelFolder?, _ options: Options
  ) throws(ApusError) -> (model: ImportedModel, problems: [ImportProblem]) {
    let builder = ModelBuilder(options)
    let importer = try ModelImport(proto, builder, folder: folder)
    try importer.fixShapes(options.fixedShapes, of: proto.graph)
    try importer.run(proto.graph)
    var metadata = Metadata()
    metadata.entries = ONNXImporter.metadata(proto, builder.entries)
    builder.setMetadata(metadata)
    var optimizer = ModelOptimizer(builder.finish(), sources: builder.sources, registry: options.registry)
    if builder.problems.isEmpty { optimizer.run(options.optimization, inference: builder.inference[0]) }
    let definition = optimizer.definition
    let model = ImportedModel(
      definition: definition, data: data(definition, optimizer.sources), leftOut: [], leftOutBytes: 0, notes: builder.notes)
    return (model, builder.problems)
  }

  private static func data(_ definition: ModelDefinition, _ sources: [TensorContents?]) -> TensorData {
    { (reference, offset, target) throws(ApusError) in
      guard case .model(let id) = reference, let source = sources[Int(id)] else {
        throw ApusError(.internal, "a tensor has no bytes")
      }
      guard let start = Int(exactly: offset), start <= source.byteCount, target.count <= source.byteCount - start else {
        throw ApusError(.indexOutOfRange, "bytes outside of a tensor", actual: "\(target.count) from \(offset)")
      }
      switch source {
      case .bytes(let bytes): target.copyBytes(from: bytes[start..<start + target.count])
      case .raw(let data):
        let first = data.startIndex + start
        data.copyBytes(to: target, from: first..<first + target.count)
      case .external(let tensor): target.copyBytes(from: try tensor.read(from: offset, count: target.count))
      }
    }
  }

  /// What the file says of itself, under keys that start with `onnx.`, and its own key-values.
  private static func metadata(_ proto: ONNXModelProto, _ added: [Metadata.Entry]) -> [Metadata.Entry] {
    var entries = added
    func add(_ key: String, _ value: String) {
      guard !key.isEmpty, !value.isEmpty, !key.utf8.contains(0), !entries.contains(where: { $0.key == Name(key) }) else { return }
      entries.append(Metadata.Entry(key: Name(key), value: Name(value)))
    }
    for entry in proto.metadataProps { add(entry.key, entry.value) }
    add("onnx.producer_name", proto.producerName)
    add("onnx.producer_version", proto.producerVersion)
    add("onnx.domain", proto.domain)
    add("onnx.doc_string", proto.docString)
    add("onnx.graph_name", proto.graph.name)
    if proto.modelVersion != 0 { add("onnx.model_version", "\(proto.modelVersion)") }
    for set in proto.opsetImport {
      add("onnx.operator_set." + (set.domain.isEmpty ? "ai.onnx" : set.domain), "\(set.version)")
    }
    return entries.sorted { $0.key < $1.key }
  }
}
