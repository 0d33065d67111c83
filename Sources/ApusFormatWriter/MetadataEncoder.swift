import ApusGraph
import CApusSchemaWriter

/// Makes the metadata section's FlatBuffer. Entries are sorted by key.
enum MetadataEncoder {
  /// Where the bytes of one test vector's tensors go.
  struct VectorStorage {
    var inputs: [TensorStorage] = []
    var outputs: [TensorStorage] = []
  }

  /// Empty bytes for metadata that says nothing.
  static func encode(_ metadata: Metadata, storage: [VectorStorage]) throws(ApusError) -> [UInt8] {
    let hasProvenance =
      !metadata.producer.isEmpty || !metadata.sourceHash.isEmpty || !metadata.quantizationMethod.isEmpty
      || !metadata.calibrationHash.isEmpty
    if metadata.entries.isEmpty && metadata.testVectors.isEmpty && !hasProvenance { return [] }
    let schema = try SchemaBuilder()
    let builder = schema.builder
    let entries = metadata.entries.sorted { $0.key < $1.key }.map {
      apusw_metadata_entry(builder, schema.text($0.key), schema.text($0.value))
    }
    let provenance =
      hasProvenance
      ? apusw_provenance(
        builder, schema.optional(metadata.producer), schema.bytes(metadata.sourceHash),
        schema.optional(metadata.quantizationMethod), schema.bytes(metadata.calibrationHash)) : 0
    let vectors = zip(metadata.testVectors, storage).map { (vector, storage) in
      apusw_test_vector(
        builder, schema.text(vector.name), tensors(vector.inputs, storage.inputs, schema),
        tensors(vector.outputs, storage.outputs, schema), vector.absoluteTolerance, vector.relativeTolerance)
    }
    var count = 0
    guard
      let bytes = apusw_finish_metadata(builder, schema.places(entries), provenance, schema.places(vectors), &count)
    else { throw ApusError(.limitExceeded, "the metadata section would pass 2 GiB, or memory is short") }
    return Array(UnsafeBufferPointer(start: bytes, count: count))
  }

  private static func tensors(
    _ list: [TestVector.Tensor], _ storage: [TensorStorage], _ schema: SchemaBuilder
  ) -> apusw_place {
    schema.places(
      zip(list, storage).map { (entry, storage) in
        apusw_test_tensor(schema.builder, schema.text(entry.name), schema.tensor(entry.tensor, storage: storage))
      })
  }
}
