import ApusFormat
import ApusGraph
import Crypto

/// Writes `.apus` files (schemas/FORMAT.md). What it writes is what `ModelFile` accepts: the same checks run first.
public struct ModelWriter: Sendable {
  public var options: WriterOptions

  public init(options: WriterOptions = WriterOptions()) { self.options = options }

  /// What was written.
  public struct Summary: Sendable {
    public var modelID: [UInt8]
    public var fileLength: UInt64
    public var segments: [SegmentRecord]
  }

  /// Writes a file. It gets its name only when it is whole; if anything fails, what had the name before stays.
  ///
  /// - Parameters:
  ///   - needs: computed by the caller; its list of operators is not used, the writer makes it from the nodes.
  ///   - data: the bytes of tensors and test vectors that are not inline, in pieces, so that a model need not fit in memory.
  ///     Their `.segment` storage states a length; its index and offset mean nothing here.
  /// - Throws: 500 invalid_model, 302, 303, what `data` throws.
  @discardableResult
  public func write(
    _ definition: ModelDefinition, needs: Needs = Needs(), to path: String, data: TensorData? = nil
  ) throws(ApusError) -> Summary {
    let output = try Output(path: path)
    let summary = try write(definition, needs, data, output)
    try output.finish()
    return summary
  }

  /// The bytes of a file, in memory.
  public func encode(
    _ definition: ModelDefinition, needs: Needs = Needs(), data: TensorData? = nil
  ) throws(ApusError) -> [UInt8] {
    let output = Output()
    _ = try write(definition, needs, data, output)
    return output.bytes
  }

  private func write(
    _ definition: ModelDefinition, _ needs: Needs, _ data: TensorData?, _ output: Output
  ) throws(ApusError) -> Summary {
    guard SegmentRecord.chunkLog2Range.contains(options.chunkLog2), options.inlineBytes >= 0 else {
      throw ApusError(.invalidArgument, "writer options out of range", expected: "a chunkLog2 from 14 to 22")
    }
    var plan = SegmentPlan(options: options, data: data)
    var storage: [TensorStorage] = []
    for (index, tensor) in definition.tensors.enumerated() {
      storage.append(try plan.place(tensor, .model(TensorID(index)), role: .graph))
    }
    plan.endRole()
    let vectorStorage = try place(definition.metadata, &plan)
    try check(definition, storage, vectorStorage, plan)

    let graph = try ModelEncoder.encode(definition, needs: needs, storage: storage)
    let metadata = try MetadataEncoder.encode(definition.metadata, storage: vectorStorage)
    let container = try ContainerWriter(output, options: options, graph: graph, metadata: metadata, segments: plan.segments.count)
    return try container.write(plan)
  }

  private func place(
    _ metadata: Metadata, _ plan: inout SegmentPlan
  ) throws(ApusError) -> [MetadataEncoder.VectorStorage] {
    var list: [MetadataEncoder.VectorStorage] = []
    for (index, vector) in metadata.testVectors.enumerated() {
      var storage = MetadataEncoder.VectorStorage()
      for (number, entry) in vector.inputs.enumerated() {
        storage.inputs.append(try plan.place(entry.tensor, .testInput(vector: index, index: number), role: .metadata))
      }
      for (number, entry) in vector.outputs.enumerated() {
        storage.outputs.append(try plan.place(entry.tensor, .testOutput(vector: index, index: number), role: .metadata))
      }
      list.append(storage)
    }
    return list
  }

  /// The checks that a reader will make, before anything is written.
  private func check(
    _ definition: ModelDefinition, _ storage: [TensorStorage], _ vectorStorage: [MetadataEncoder.VectorStorage],
    _ plan: SegmentPlan
  ) throws(ApusError) {
    var placed = definition
    for (index, storage) in storage.enumerated() { placed.tensors[index].storage = storage }
    for (index, storage) in vectorStorage.enumerated() {
      for (number, storage) in storage.inputs.enumerated() {
        placed.metadata.testVectors[index].inputs[number].tensor.storage = storage
      }
      for (number, storage) in storage.outputs.enumerated() {
        placed.metadata.testVectors[index].outputs[number].tensor.storage = storage
      }
    }
    let records = plan.segments.map {
      SegmentRecord(
        offset: 0, storedSize: $0.size, rawSize: $0.size, checksum: 0, codec: .raw, filter: .none, chunkLog2: 0, role: $0.role,
        filterWidth: 0)
    }
    try placed.checkStructure(limits: Limits(), segments: records)
    try checkNames(definition)
    for tensor in definition.tensors { try checkElements(tensor) }
    for vector in definition.metadata.testVectors {
      for entry in vector.inputs + vector.outputs { try checkElements(entry.tensor) }
    }
  }

  private func checkElements(_ tensor: ConstantTensor) throws(ApusError) {
    guard case .inline(let bytes) = tensor.storage else { return }
    try bytes.withUnsafeBufferPointer { (bytes) throws(ApusError) in
      try tensor.checkElements(UnsafeRawBufferPointer(bytes))
    }
  }
}
