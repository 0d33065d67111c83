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

  private let path: String
  private let inlineBytes: Int

  /// - Parameter inlineBytes: tensors up to this size are read into the definition; `ImportedModel.data` reads larger ones.
  public init(path: String, inlineBytes: Int = 1 << 20) {
    self.path = path
    self.inlineBytes = inlineBytes
  }

  /// The model of the file.
  ///
  /// - Parameter registry: the operators that it may use; each node is checked, and types and shapes inferred.
  /// - Throws: `fileNotFound`, `inputOutput`, `truncated`, `malformed`, `invalidModel` where the file is wrong;
  ///   else the first problem.
  public func model(registry: OperatorRegistry = .full) throws(ApusError) -> ImportedModel {
    let (model, problems) = try survey(registry: registry)
    if let problem = problems.first { throw problem.error.inFile(path) }
    return model
  }

  /// The model as far as it can be imported, with everything that keeps it from being converted, in the order of the nodes.
  ///
  /// - Throws: where the file can't be read or breaks ONNX's rules.
  public func survey(registry: OperatorRegistry = .full) throws(ApusError) -> (model: ImportedModel, problems: [ImportProblem]) {
    do {
      let proto = try ONNXFile.read(ONNXModelProto.self, path: path)
      return try ONNXImporter.survey(proto, folder: try ModelFolder(ofModel: path), inlineBytes, registry)
    } catch {
      throw error.inFile(path)
    }
  }

  /// The model of a message in memory, which has no external data.
  public static func survey(
    parsing bytes: [UInt8], registry: OperatorRegistry = .full
  ) throws(ApusError) -> (model: ImportedModel, problems: [ImportProblem]) {
    try survey(try ONNXFile.parse(ONNXModelProto.self, bytes), folder: nil, 1 << 20, registry)
  }

  static func survey(
    _ proto: ONNXModelProto, folder: ModelFolder?, _ inlineBytes: Int, _ registry: OperatorRegistry
  ) throws(ApusError) -> (model: ImportedModel, problems: [ImportProblem]) {
    let builder = ModelBuilder(registry: registry, inlineBytes: inlineBytes)
    let importer = try ModelImport(proto, builder, folder: folder)
    try importer.run(proto.graph)
    var metadata = Metadata()
    metadata.entries = ONNXImporter.metadata(proto)
    builder.setMetadata(metadata)
    let definition = builder.finish()
    let model = ImportedModel(
      definition: definition, data: data(definition, builder.sources), leftOut: [], leftOutBytes: 0)
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
  private static func metadata(_ proto: ONNXModelProto) -> [Metadata.Entry] {
    var entries: [Metadata.Entry] = []
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
