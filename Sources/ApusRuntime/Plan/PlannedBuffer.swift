import ApusGraph

/// Index into a plan's buffers.
struct BufferID: Equatable, Sendable {
  let index: Int
}

/// What a packed constant is made of; the bytes are made when a session is prepared, once a model.
struct PackedRequest {
  let tensor: TensorID
  let packing: Packing
  let byteCount: Int
  let pack: (_ source: UnsafeRawPointer, _ target: UnsafeMutableRawPointer) -> Void
}

/// A piece of memory that steps read and write.
struct PlannedBuffer {
  enum Kind {
    /// In the session's arena, from the first step that touches it to the last.
    case arena
    /// The caller's, or the session's own, buffer of a model input.
    case input(Int)
    case output(Int)
    case constant(TensorID)
    case packed(PackedRequest)
    /// Bytes that are known when the plan is made: a table that a step's argument block points to, a small value.
    case table([UInt8])
    /// Inside another buffer, which is no part itself, from a byte on.
    case part(of: BufferID, offset: Int)
  }

  var kind: Kind
  var byteCount: Int
  /// First and last step that touch it; for arena buffers.
  var firstStep = Int.max
  var lastStep = -1
  var arenaOffset = 0
  /// Values that lie here: several where one is a view of another, or was written over a dead one.
  var values: [ValueID] = []

  var isArena: Bool { if case .arena = kind { true } else { false } }

  var isPort: Bool {
    switch kind {
    case .input, .output: true
    default: false
    }
  }
}

/// Where each buffer of a prepared plan is.
struct PointerTable {
  let addresses: UnsafeMutablePointer<UnsafeMutableRawPointer?>

  subscript(_ id: BufferID) -> UnsafeMutableRawPointer? { addresses[id.index] }

  func floats(_ id: BufferID) -> UnsafeMutablePointer<Float>? {
    addresses[id.index]?.assumingMemoryBound(to: Float.self)
  }

  /// nil for an operand that is left out.
  func floats(_ id: BufferID?) -> UnsafeMutablePointer<Float>? {
    guard let id else { return nil }
    return floats(id)
  }

  func integers(_ id: BufferID?) -> UnsafeMutablePointer<Int64>? {
    guard let id else { return nil }
    return addresses[id.index]?.assumingMemoryBound(to: Int64.self)
  }
}
