import ApusGraph
import CApusSchemaWriter

/// The FlatBuffers builder behind its C interface, with Swift's types.
package final class SchemaBuilder {
  package let builder: OpaquePointer

  package init() throws(ApusError) {
    guard let builder = apusw_create() else { throw ApusError(.outOfMemory, "no memory for the FlatBuffers builder") }
    self.builder = builder
  }

  deinit { apusw_destroy(builder) }

  /// 0 for an empty name: the schema leaves it out.
  func optional(_ name: Name) -> apusw_place { name.isEmpty ? 0 : text(name) }

  package func text(_ name: Name) -> apusw_place {
    name.bytes.withUnsafeBufferPointer { apusw_string(builder, $0.baseAddress, $0.count) }
  }

  func bytes(_ bytes: [UInt8]) -> apusw_place {
    bytes.isEmpty ? 0 : bytes.withUnsafeBufferPointer { apusw_bytes(builder, $0.baseAddress, $0.count) }
  }

  /// 0 for an empty vector, unless it has to be there.
  func ids(_ ids: [Int32], required: Bool = false) -> apusw_place {
    ids.isEmpty && !required ? 0 : ids.withUnsafeBufferPointer { apusw_int32s(builder, $0.baseAddress, $0.count) }
  }

  package func int64s(_ values: [Int64]) -> apusw_place {
    values.withUnsafeBufferPointer { apusw_int64s(builder, $0.baseAddress, $0.count) }
  }

  func floats(_ values: [Float]) -> apusw_place {
    values.withUnsafeBufferPointer { apusw_floats(builder, $0.baseAddress, $0.count) }
  }

  package func places(_ places: [apusw_place], required: Bool = false) -> apusw_place {
    places.isEmpty && !required ? 0 : places.withUnsafeBufferPointer { apusw_places(builder, $0.baseAddress, $0.count) }
  }

  // MARK: Types and tensors

  func quantization(_ quantization: Quantization?) -> apusw_place {
    guard let quantization else { return 0 }
    return apusw_quantization(
      builder, quantization.scale, quantization.zeroPoint ?? -1, Int32(quantization.axis ?? -1), Int64(quantization.blockSize))
  }

  func type(_ type: ValueType?) -> apusw_union {
    switch type {
    case nil: return apusw_union(kind: 0, place: 0)
    case .tensor(let type):
      let dimensions = type.shape.map { int64s($0.dimensions.map(number)) } ?? 0
      return apusw_tensor_type(builder, type.elementType.rawValue, dimensions, quantization(type.quantization))
    case .sequence(let element): return apusw_sequence_type(builder, self.type(element))
    case .optional(let element): return apusw_optional_type(builder, self.type(element))
    case .map(let key, let value): return apusw_map_type(builder, key.rawValue, self.type(value))
    }
  }

  private func number(_ dimension: Dimension) -> Int64 {
    switch dimension {
    case .known(let extent): Int64(extent)
    case .unknown: -1
    case .symbol(let id): -2 - Int64(id)
    }
  }

  func tensor(_ tensor: ConstantTensor, storage: TensorStorage) -> apusw_place {
    let data: apusw_union
    switch storage {
    case .inline(let bytes):
      data = apusw_inline_data(
        builder, bytes.withUnsafeBufferPointer { apusw_aligned_bytes(builder, $0.baseAddress, $0.count) })
    case .segment(let index, let offset, let length):
      data = apusw_segment_data(builder, UInt32(index), offset, length)
    }
    let dimensions = tensor.dimensions.isEmpty ? 0 : int64s(tensor.dimensions.map { Int64($0) })
    return apusw_tensor(
      builder, optional(tensor.name), tensor.elementType.rawValue, dimensions, data, quantization(tensor.quantization))
  }
}
