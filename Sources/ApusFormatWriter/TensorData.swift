import ApusFormat
import ApusGraph

/// Which tensor of a definition is meant.
public enum TensorReference: Equatable, Sendable {
  case model(TensorID)
  case testInput(vector: Int, index: Int)
  case testOutput(vector: Int, index: Int)
}

/// Gives the bytes of tensors that are not inline: fills `target` with the tensor's bytes from `offset`. May be asked for the
/// same bytes more than once.
public typealias TensorData = (
  _ tensor: TensorReference, _ offset: UInt64, _ target: UnsafeMutableRawBufferPointer
) throws(ApusError) -> Void

extension ModelFile {
  /// The bytes of this file's tensors, for writing its definition again.
  public var tensorData: TensorData {
    { (reference, offset, target) throws(ApusError) in
      func copy(_ bytes: UnsafeRawBufferPointer) throws(ApusError) {
        guard let start = Int(exactly: offset), start <= bytes.count, target.count <= bytes.count - start else {
          throw ApusError(.indexOutOfRange, "bytes outside of a tensor", actual: "\(target.count) from \(offset)")
        }
        target.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[start..<start + target.count]))
      }
      let vectors = self.definition.metadata.testVectors
      switch reference {
      case .model(let id): try copy(try self.tensorBytes(id))
      case .testInput(let vector, let index): try self.withBytes(of: vectors[vector].inputs[index].tensor, copy)
      case .testOutput(let vector, let index): try self.withBytes(of: vectors[vector].outputs[index].tensor, copy)
      }
    }
  }
}
