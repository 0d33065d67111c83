import ApusFormat
import ApusGraph

/// Which tensors go into which segment, decided from their sizes alone.
struct SegmentPlan {
  struct Piece {
    var tensor: TensorReference
    var storage: TensorStorage
    /// Place in the segment, a multiple of 64.
    var offset: UInt64
    var length: UInt64
  }

  struct Segment {
    var role: SegmentRecord.Role
    /// Of the elements, for the byte-plane filter; 0 where it has nothing to do.
    var filterWidth: UInt8
    var pieces: [Piece] = []
    var size: UInt64 = 0
  }

  private(set) var segments: [Segment] = []
  private let options: WriterOptions
  private let data: TensorData?
  /// The shared segment that small tensors of a filter width are added to.
  private var open: [(filterWidth: UInt8, segment: Int)] = []

  /// Shared segments grow to about this size.
  private static let sharedBytes: UInt64 = 1 << 20

  init(options: WriterOptions, data: TensorData?) {
    self.options = options
    self.data = data
  }

  /// Ends the shared segments: those of the metadata are others than the graph's.
  mutating func endRole() { open = [] }

  /// Where the tensor's bytes go: inline, or to the place returned.
  mutating func place(
    _ tensor: ConstantTensor, _ reference: TensorReference, role: SegmentRecord.Role
  ) throws(ApusError) -> TensorStorage {
    let length: UInt64
    switch tensor.storage {
    case .inline(let bytes): length = UInt64(bytes.count)
    case .segment(_, _, let stated): length = stated
    }
    if length <= UInt64(options.inlineBytes) { return .inline(try bytes(tensor, reference, count: Int(length))) }
    let width = Self.filterWidth(tensor.elementType)
    let segment = segmentIndex(width, length: length, role)
    let offset = (segments[segment].size + 63) & ~63
    let (end, overflow) = offset.addingReportingOverflow(length)
    guard !overflow else { throw ApusError(.limitExceeded, "a segment of more than 64 bits", tensorName: tensor.name.string) }
    segments[segment].pieces.append(Piece(tensor: reference, storage: tensor.storage, offset: offset, length: length))
    segments[segment].size = end
    return .segment(index: Int32(segment), offset: offset, length: length)
  }

  private func bytes(_ tensor: ConstantTensor, _ reference: TensorReference, count: Int) throws(ApusError) -> [UInt8] {
    if case .inline(let bytes) = tensor.storage { return bytes }
    var bytes = [UInt8](repeating: 0, count: count)
    try bytes.withUnsafeMutableBufferPointer { (target) throws(ApusError) in
      try Self.read(reference, tensor.storage, 0, UnsafeMutableRawBufferPointer(target), data)
    }
    return bytes
  }

  private mutating func segmentIndex(_ width: UInt8, length: UInt64, _ role: SegmentRecord.Role) -> Int {
    if length >= UInt64(options.ownSegmentBytes) {
      segments.append(Segment(role: role, filterWidth: width))
      return segments.count - 1
    }
    if let entry = open.firstIndex(where: { $0.filterWidth == width }) {
      if segments[open[entry].segment].size + length <= Self.sharedBytes { return open[entry].segment }
      open.remove(at: entry)
    }
    segments.append(Segment(role: role, filterWidth: width))
    open.append((width, segments.count - 1))
    return segments.count - 1
  }

  private static func filterWidth(_ type: ElementType) -> UInt8 {
    switch type {
    case .complex64: 4
    case .complex128: 8
    default: type.bitWidth > 8 ? UInt8(type.bitWidth / 8) : 0
    }
  }

  // MARK: Contents

  /// Fills `target` with the raw bytes of `segment` from `offset`, zeros between its tensors.
  func read(_ segment: Segment, at offset: UInt64, into target: UnsafeMutableRawBufferPointer) throws(ApusError) {
    target.initializeMemory(as: UInt8.self, repeating: 0)
    let end = offset + UInt64(target.count)
    for piece in segment.pieces {
      let (from, to) = (max(offset, piece.offset), min(end, piece.offset + piece.length))
      guard from < to else { continue }
      let part = UnsafeMutableRawBufferPointer(rebasing: target[Int(from - offset)..<Int(to - offset)])
      try Self.read(piece.tensor, piece.storage, from - piece.offset, part, data)
    }
  }

  private static func read(
    _ reference: TensorReference, _ storage: TensorStorage, _ offset: UInt64, _ target: UnsafeMutableRawBufferPointer,
    _ data: TensorData?
  ) throws(ApusError) {
    switch storage {
    case .inline(let bytes): target.copyBytes(from: bytes[Int(offset)..<Int(offset) + target.count])
    case .segment:
      guard let data else { throw ApusError(.invalidArgument, "a tensor is not inline and no tensor data is given") }
      try data(reference, offset, target)
    }
  }
}
