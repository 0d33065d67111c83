import ApusFormat
import ApusGraph

/// A way to pack a constant tensor for a kernel: what the packed bytes depend on besides the tensor.
public struct Packing: Equatable, Sendable {
  public enum Kind: Int32, Sendable {
    case matrix, convolution, convolutionAnyRank, convolutionInteger, matrixInteger
  }

  public var kind: Kind
  public var level: Int32
  /// The numbers that the kernel family's packing depends on (extents, strides, groups), in its own order.
  public var parameters: [Int]

  public init(_ kind: Kind, level: Int32, _ parameters: [Int]) {
    self.kind = kind
    self.level = level
    self.parameters = parameters
  }
}

/// The packed weights of a model, shared by all its sessions: filled in `prepare` under the model's lock, read only in `run`.
final class PackedWeights {
  private struct Entry {
    let packing: Packing
    let buffer: BulkBuffer
  }

  /// By tensor id.
  private var entries: [[Entry]]
  private let memory: BulkMemory
  private(set) var byteCount: UInt64 = 0

  /// - Parameter tensorCount: of the model, those that the compiler derived included.
  init(tensorCount: Int, memory: BulkMemory) {
    entries = Array(repeating: [], count: tensorCount)
    self.memory = memory
  }

  /// The packed bytes of `tensor`; packs them where no session has yet.
  func buffer(
    tensor: TensorID, packing: Packing, byteCount: Int, pack: (UnsafeMutableRawPointer) throws(ApusError) -> Void
  ) throws(ApusError) -> BulkBuffer {
    // The compiler's and the planner's own constants come after those of the model.
    while entries.count <= Int(tensor) { entries.append([]) }
    for entry in entries[Int(tensor)] where entry.packing == packing { return entry.buffer }
    let buffer = try memory.allocate(byteCount: byteCount, purpose: "packed weights")
    try pack(buffer.pointer)
    entries[Int(tensor)].append(Entry(packing: packing, buffer: buffer))
    self.byteCount += UInt64(buffer.byteCount)
    return buffer
  }
}
