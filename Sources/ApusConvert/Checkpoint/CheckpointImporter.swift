import ApusFormatWriter
import ApusGraph
import ApusSafetensors

/// A model as a checkpoint of ApusTraining holds it.
public struct ImportedModel {
  /// Metadata without provenance.
  public var definition: ModelDefinition
  /// The bytes of tensors that are not inline.
  public var data: TensorData
  /// Tensors of the checkpoint that are no part of the model: optimizer state, and parameters that the graph does not read.
  public var leftOut: [String]
  /// Bytes of those.
  public var leftOutBytes: UInt64
  /// Where the model departs from its source in form: what a user has to know.
  public var notes: [String] = []
}

/// Reads checkpoints of ApusTraining: safetensors files with the traced graph in their metadata
/// (Sources/ApusTraining/Export/GRAPH_JSON.md).
public struct CheckpointImporter {
  private let file: SafetensorsFile
  private let inlineBytes: Int
  private static let testPrefix = "apus.test."

  /// - Parameter inlineBytes: tensors up to this size are read into the definition; larger ones stay in the checkpoint, and
  ///   `ImportedModel.data` reads them piece by piece.
  public init(_ file: SafetensorsFile, inlineBytes: Int = 1 << 20) {
    self.file = file
    self.inlineBytes = inlineBytes
  }

  /// The model of the checkpoint.
  ///
  /// - Parameters:
  ///   - registry: the operators that the graph may use; each node is checked, and types and shapes inferred.
  ///   - testVectors: whether the checkpoint's test vectors go into the model.
  /// - Throws: `malformed` or `unsupportedVersion` where the checkpoint breaks its format, `unknownName` for tensors that are
  ///   missing, and whatever the registry finds wrong with a node.
  public func model(registry: OperatorRegistry = .core, testVectors: Bool = true) throws(ApusError) -> ImportedModel {
    do {
      return try checkedModel(registry, testVectors)
    } catch {
      throw error.inFile(file.path)
    }
  }

  private func checkedModel(_ registry: OperatorRegistry, _ testVectors: Bool) throws(ApusError) -> ImportedModel {
    let importer = try GraphImporter(try document()) { name throws(ApusError) in
      guard !name.bytes.starts(with: Array("apus.".utf8)) else {
        throw ApusError(
          .malformed, "apus.graph uses a tensor that is no part of a model", tensorName: name.string)
      }
      return try tensor(named: name.string)
    }
    var definition = ModelDefinition(symbols: importer.symbols, graphs: [importer.graph], tensors: importer.tensors)
    definition.metadata.entries = importer.metadata
    let types = try inferTypes(&definition, registry)
    if testVectors, let tests = importer.tests {
      definition.metadata.testVectors = try vectors(tests, definition.graphs[0], types)
    }
    var used: Set<Name> = []
    for tensor in definition.tensors { used.insert(tensor.name) }
    let leftOut = file.entries.filter { entry in
      !used.contains(Name(entry.name)) && !(testVectors && entry.name.hasPrefix(Self.testPrefix))
    }
    return ImportedModel(
      definition: definition, data: data(definition), leftOut: leftOut.map(\.name),
      leftOutBytes: leftOut.reduce(0) { $0 + UInt64($1.byteCount) })
  }

  private func data(_ definition: ModelDefinition) -> TensorData {
    { (reference, offset, target) throws(ApusError) in
      let vectors = definition.metadata.testVectors
      let name =
        switch reference {
        case .model(let id): definition.tensors[Int(id)].name
        case .testInput(let vector, let index): Self.testTensor(vector, "input", vectors[vector].inputs[index].name)
        case .testOutput(let vector, let index): Self.testTensor(vector, "output", vectors[vector].outputs[index].name)
        }
      guard let entry = file.entry(named: name.string), let start = Int(exactly: offset) else {
        throw ApusError(.unknownName, "the checkpoint lacks a tensor", file: file.path, tensorName: name.string)
      }
      target.copyBytes(from: try file.bytes(of: entry, from: start, count: target.count))
    }
  }

  private static func testTensor(_ vector: Int, _ kind: String, _ name: Name) -> Name {
    Name("\(testPrefix)\(vector).\(kind).\(name.string)")
  }

  private func document() throws(ApusError) -> JSONValue {
    guard let format = file.metadataValue("apus.format") else {
      throw ApusError(
        .malformed, "not a checkpoint of ApusTraining: its metadata lacks apus.format", expected: "checkpoint")
    }
    guard format == "checkpoint" else {
      throw ApusError(
        .malformed, "not a checkpoint of ApusTraining: apus.format says otherwise", expected: "checkpoint", actual: format)
    }
    guard let version = file.metadataValue("apus.version"), version == "1" else {
      throw ApusError(
        .unsupportedVersion, "the checkpoint has a version that this release does not read", expected: "1",
        actual: file.metadataValue("apus.version") ?? "none")
    }
    guard let text = file.metadataValue("apus.graph") else {
      throw ApusError(
        .malformed, "the checkpoint has no traced graph: save it with an example input, so that apus.graph is written")
    }
    do {
      return try JSONValue(parsing: text)
    } catch {
      var error = error
      error.message = "apus.graph is no JSON: " + error.message
      throw error
    }
  }

  private func tensor(named name: String) throws(ApusError) -> ConstantTensor {
    guard let entry = file.entry(named: name) else {
      throw ApusError(.unknownName, "the checkpoint lacks a tensor", tensorName: name)
    }
    return ConstantTensor(
      name: Name(name), elementType: entry.elementType, dimensions: entry.dimensions,
      storage: entry.byteCount <= inlineBytes
        ? .inline(try file.bytes(of: entry)) : .segment(index: 0, offset: 0, length: UInt64(entry.byteCount)))
  }

  /// Checks every node against the registry and completes the types of the graph's values.
  private func inferTypes(_ definition: inout ModelDefinition, _ registry: OperatorRegistry) throws(ApusError) -> [TensorType?] {
    let inference = try TypeInference(graph: definition.graphs[0], tensors: definition.tensors, registry: registry) {
      [definition] id in definition.tensors[Int(id)].inlineBytes
    }
    for (id, type) in inference.valueTypes.enumerated() {
      if let type, definition.graphs[0].values[id].constant == nil { definition.graphs[0].values[id].type = type }
    }
    return inference.tensorTypes
  }

  // MARK: Test vectors

  private func vectors(
    _ tests: GraphImporter.Tests, _ graph: Graph, _ types: [TensorType?]
  ) throws(ApusError) -> [TestVector] {
    var expected: Set<Name> = []
    var vectors: [TestVector] = []
    // The count is bounded by the file: each vector has tensors of its own.
    guard tests.count <= file.entries.count else {
      throw ApusError(
        .malformed, "the checkpoint lacks test vectors", expected: "\(tests.count)", actual: "\(file.entries.count) tensors")
    }
    for index in 0..<tests.count {
      func tensors(_ kind: String, _ ids: [ValueID]) throws(ApusError) -> [TestVector.Tensor] {
        var list: [TestVector.Tensor] = []
        for id in ids {
          let name = graph.values[Int(id)].name
          let stored = Self.testTensor(index, kind, name)
          expected.insert(stored)
          var tensor = try tensor(named: stored.string)
          try CheckpointImporter.check(tensor, against: types[Int(id)])
          tensor.name = .empty
          list.append(TestVector.Tensor(name: name, tensor: tensor))
        }
        return list
      }
      vectors.append(
        TestVector(
          name: Name("\(index)"), inputs: try tensors("input", graph.inputs), outputs: try tensors("output", graph.outputs),
          absoluteTolerance: tests.absoluteTolerance, relativeTolerance: tests.relativeTolerance))
    }
    for entry in file.entries where entry.name.hasPrefix(Self.testPrefix) && !expected.contains(Name(entry.name)) {
      throw ApusError(
        .malformed, "the checkpoint has a test tensor that belongs to no input or output of a test vector",
        tensorName: entry.name, expected: "\(tests.count) vectors of the graph's inputs and outputs")
    }
    return vectors
  }

  private static func check(_ tensor: ConstantTensor, against type: TensorType?) throws(ApusError) {
    guard let type else { return }
    let actual = tensor.elementType.name.text + " " + Shape(tensor.dimensions).text(symbols: [])
    guard tensor.elementType == type.elementType else {
      throw ApusError(
        .typeMismatch, "a test vector has another element type than the graph", tensorName: tensor.name.string,
        expected: type.elementType.name.text, actual: actual)
    }
    guard let shape = type.shape else { return }
    let fits =
      shape.rank == tensor.dimensions.count
      && zip(shape.dimensions, tensor.dimensions).allSatisfy { ($0.value ?? $1) == $1 }
    guard fits else {
      throw ApusError(
        .shapeMismatch, "a test vector has another shape than the graph", tensorName: tensor.name.string,
        expected: shape.text(symbols: []), actual: actual)
    }
  }
}
