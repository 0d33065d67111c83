import ApusGraph
import ApusSafetensors

/// What turns a checkpoint into a model that can be converted: a traced graph and test vectors (Export/GRAPH_JSON.md).
public struct Export {
  /// The shape of one example, without the batch.
  public var inputShape: [Int]
  public var inputName = "input"
  public var outputName = "output"
  /// Name of the graph.
  public var name = ""
  /// Batches [N, ...] that are stored with the module's own outputs.
  public var testInputs: [Tensor] = []
  /// What a test of the converted model allows: |actual - expected| <= absolute + relative * |expected|.
  public var absoluteTolerance: Float = 1e-4
  public var relativeTolerance: Float = 1e-4
  public var metadata: [(key: String, value: String)] = []

  public init(inputShape: [Int]) { self.inputShape = inputShape }
}

/// Checkpoints: safetensors files with a module's tensors under their paths, and what the keys of `Key` say.
public enum Checkpoint {
  enum Key {
    static let format = "apus.format"
    static let version = "apus.version"
    static let graph = "apus.graph"
    static let training = "apus.training"
    /// Begins the names of tensors that are no part of the module.
    static let reserved = "apus."
  }

  static let formatName = "checkpoint"
  static let formatVersion = "1"

  /// Saves a module, in one step: a reader sees the old file or the whole new one.
  ///
  /// - Parameter export: traces the module, so that the checkpoint can be converted.
  public static func save(
    _ module: any Module, export: Export? = nil, in context: Context, to path: String
  ) throws(ApusError) {
    try write(module, export: export, in: context, further: [], training: nil, to: path)
  }

  /// Reads the tensors of a module, all or none.
  ///
  /// - Throws: `unknownName` where the checkpoint lacks a tensor of the module or has one more, `shapeMismatch` or `typeMismatch`
  ///   where one differs, `unsupportedVersion`, and what reading throws.
  public static func load(_ module: any Module, from path: String) throws(ApusError) {
    let file = try open(path)
    let values = try read(module, from: file)
    for (tensor, values) in values { try tensor.assign(values) }
  }

  static func write(
    _ module: any Module, export: Export?, in context: Context, further: [SafetensorsTensor], training: JSONValue?,
    to path: String
  ) throws(ApusError) {
    var tensors = further
    for (name, tensor) in distinctTensors(of: module) {
      guard !name.hasPrefix(Key.reserved) else {
        throw ApusError(.invalidArgument, "names that begin with '\(Key.reserved)' are reserved", tensorName: name)
      }
      tensors.append(SafetensorsTensor(name: name, floats: tensor.values, dimensions: tensor.shape))
    }
    var metadata = [Key.format: formatName, Key.version: formatVersion]
    if let training { metadata[Key.training] = training.serialized() }
    if let export {
      let definition = try module.traced(
        inputShape: export.inputShape, inputName: export.inputName, outputName: export.outputName, name: export.name, in: context)
      let known = Set(tensors.map(\.name))
      for constant in definition.tensors where constant.elementType == .float32 && !known.contains(constant.name.string) {
        guard case .inline(let bytes) = constant.storage else { continue }
        tensors.append(
          SafetensorsTensor(
            name: constant.name.string, elementType: .float32, dimensions: constant.dimensions, bytes: bytes))
      }
      tensors += try testVectors(module, export, in: context)
      metadata[Key.graph] = try GraphJSON(definition).text(
        tests: export.testInputs.isEmpty
          ? nil : (export.testInputs.count, export.absoluteTolerance, export.relativeTolerance), metadata: export.metadata)
    }
    try SafetensorsWriter.write(tensors, metadata: metadata, path: path)
  }

  private static func testVectors(
    _ module: any Module, _ export: Export, in context: Context
  ) throws(ApusError) -> [SafetensorsTensor] {
    var tensors: [SafetensorsTensor] = []
    for (index, input) in export.testInputs.enumerated() {
      let output = try context.with(training: false, gradients: false) { () throws(ApusError) in
        try module(input.moved(to: context))
      }
      let prefix = "apus.test.\(index)."
      tensors.append(
        SafetensorsTensor(name: prefix + "input." + export.inputName, floats: input.values, dimensions: input.shape))
      tensors.append(
        SafetensorsTensor(name: prefix + "output." + export.outputName, floats: output.values, dimensions: output.shape))
    }
    return tensors
  }

  /// A tensor that is reached on several paths is saved under the first.
  static func distinctTensors(of module: any Module) -> [(name: String, tensor: Tensor)] {
    var seen: Set<ObjectIdentifier> = []
    return module.namedTensors.filter { seen.insert(ObjectIdentifier($0.tensor)).inserted }
  }

  static func open(_ path: String) throws(ApusError) -> SafetensorsFile {
    let file = try SafetensorsFile(path: path)
    guard file.metadataValue(Key.format) == formatName else {
      throw ApusError(
        .malformed, "this is no checkpoint of Apus", file: path, expected: "\(Key.format) = \(formatName)",
        actual: file.metadataValue(Key.format) ?? "no such key")
    }
    guard let version = file.metadataValue(Key.version), version == formatVersion else {
      throw ApusError(
        .unsupportedVersion, "the checkpoint is of another version", file: path, expected: formatVersion,
        actual: file.metadataValue(Key.version) ?? "none")
    }
    return file
  }

  /// The values of every tensor of `module`, checked but not yet taken over.
  static func read(_ module: any Module, from file: SafetensorsFile) throws(ApusError) -> [(tensor: Tensor, values: [Float])] {
    var found: [(tensor: Tensor, values: [Float])] = []
    let tensors = distinctTensors(of: module)
    for (name, tensor) in tensors { found.append((tensor, try values(of: name, shape: tensor.shape, in: file))) }
    let known = Set(tensors.map(\.name))
    // Constants that a trace added are no parameters: a graph that names them says so.
    let constants = try graphConstants(of: file)
    for entry in file.entries
    where !entry.name.hasPrefix(Key.reserved) && !known.contains(entry.name) && !constants.contains(entry.name) {
      throw ApusError(.unknownName, "the module has no such tensor", file: file.path, tensorName: entry.name)
    }
    return found
  }

  static func values(of name: String, shape: [Int], in file: SafetensorsFile) throws(ApusError) -> [Float] {
    guard let entry = file.entry(named: name) else {
      throw ApusError(.unknownName, "the checkpoint has no such tensor", file: file.path, tensorName: name)
    }
    guard entry.elementType == .float32 else {
      throw ApusError(
        .typeMismatch, "the checkpoint's tensor is of another type", file: file.path, tensorName: name, expected: "float32",
        actual: entry.elementType.name.text)
    }
    guard entry.dimensions == shape else {
      throw ApusError(
        .shapeMismatch, "the checkpoint's tensor is of another shape", file: file.path, tensorName: name, expected: "\(shape)",
        actual: "\(entry.dimensions)")
    }
    return try file.bytes(of: entry).withUnsafeBytes { raw in
      (0..<raw.count / 4).map { raw.loadUnaligned(fromByteOffset: $0 * 4, as: Float.self) }
    }
  }

  private static func graphConstants(of file: SafetensorsFile) throws(ApusError) -> Set<String> {
    guard let text = file.metadataValue(Key.graph) else { return [] }
    let graph: JSONValue
    do { graph = try JSONValue(parsing: text) } catch { throw error.inFile(file.path) }
    return Set((graph["initializers"]?.arrayValue ?? []).compactMap { $0["tensor"]?.stringValue })
  }
}
