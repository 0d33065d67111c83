import ApusFormat
import ApusGraph
import CApusPlatform

/// A way to pack a constant tensor for a kernel: what the packed bytes depend on besides the tensor.
public struct Packing: Equatable, Sendable {
  public enum Kind: Int32, Sendable {
    case blockElements, blockScales, blockZeros
    case matrix, matrixHalf, convolution, convolutionAnyRank, convolutionInteger, matrixInteger
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

/// A packed tensor, in a block that it shares with those that were packed with it.
struct PackedTensor {
  let packing: Packing
  let block: BulkBuffer
  let pointer: UnsafeMutableRawPointer
}

/// The packed weights of a model, shared by all its sessions: filled in `prepare` under the model's lock, read only in `run`.
final class PackedWeights {
  /// By tensor id.
  private var entries: [[PackedTensor]]
  private let memory: BulkMemory
  private(set) var byteCount: UInt64 = 0

  /// - Parameter tensorCount: of the model, those that the compiler derived included.
  init(tensorCount: Int, memory: BulkMemory) {
    entries = Array(repeating: [], count: tensorCount)
    self.memory = memory
  }

  /// The packed form of `tensor`, where it has been made.
  func find(_ tensor: TensorID, _ packing: Packing) -> PackedTensor? {
    guard Int(tensor) < entries.count else { return nil }
    return entries[Int(tensor)].first { $0.packing == packing }
  }

  private func add(_ tensor: PackedTensor, of id: TensorID) {
    // The compiler's and the planner's own constants come after those of the model.
    while entries.count <= Int(id) { entries.append([]) }
    entries[Int(id)].append(tensor)
  }

  /// One tensor on its way to the packed weights.
  private struct Piece {
    let request: PackedRequest
    let target: UnsafeMutableRawPointer
    /// What is stored: the request's tensor, or the one of fewer bits whose values it has.
    let tensor: ConstantTensor
    let widening: WidenedTensor?
    /// In the decoded segment, or nil for all of `source`.
    let range: (offset: UInt64, byteCount: UInt64)?
    let source: UnsafeRawBufferPointer

    func pack(_ segment: UnsafeRawBufferPointer, in memory: BulkMemory) throws(ApusError) {
      var bytes = source
      if let range {
        guard let start = Untrusted(range.offset).count(atMost: segment.count),
          let count = Untrusted(range.byteCount).count(atMost: segment.count - start)
        else { throw ApusError(.malformed, "the tensor lies outside of its segment", tensorName: tensor.name.string) }
        bytes = UnsafeRawBufferPointer(rebasing: segment[start..<start + count])
        try tensor.checkElements(bytes)
      }
      // Let go when packed: weights of fewer bits are widened one after the other.
      let wide = try widening.map { widening throws(ApusError) in try widening.make(bytes, in: memory) }
      guard let first = wide.map({ UnsafeRawPointer($0.pointer) }) ?? bytes.baseAddress else { return }
      // Some packings compute: whatever the caller's mode, they give the same bits as on a worker.
      let mode = apusp_fp_enter()
      withExtendedLifetime(wide) { request.pack(first, target) }
      apusp_fp_leave(mode)
    }
  }

  /// Packs what is not packed yet, into one block. The threads of `pool` take the file's segments one by one, each of which is
  /// decoded once and packed while it is in the cache; nothing decoded stays.
  /// - Parameter pool: an `apusp_pool`, or nil for the calling thread alone.
  func fill(_ requests: [PackedRequest], from constants: ConstantStore, on pool: OpaquePointer?) throws(ApusError) {
    var missing: [PackedRequest] = []
    var offsets: [Int] = []
    var size = 0
    for request in requests where find(request.tensor, request.packing) == nil {
      if missing.contains(where: { $0.tensor == request.tensor && $0.packing == request.packing }) { continue }
      missing.append(request)
      offsets.append(size)
      size = try size.checkedAdding(try PlanSizes.aligned(request.byteCount))
    }
    guard !missing.isEmpty else { return }
    let block = try memory.allocate(byteCount: size, purpose: "packed weights")
    let jobs = try jobs(missing, offsets, block, constants)
    let memory = memory
    try constants.file.forEach(jobs.map { $0.segment }, on: pool) { index, bytes throws(ApusError) in
      for piece in jobs[index].pieces { try piece.pack(bytes, in: memory) }
    }
    for (index, request) in missing.enumerated() {
      add(
        PackedTensor(packing: request.packing, block: block, pointer: block.pointer + offsets[index]), of: request.tensor)
    }
    byteCount += UInt64(size)
  }

  private struct Job {
    let segment: Int?
    var pieces: [Piece]
    var byteCount: Int
  }

  /// One job for each segment and for each tensor that is in memory, the largest first.
  private func jobs(
    _ requests: [PackedRequest], _ offsets: [Int], _ block: BulkBuffer, _ constants: ConstantStore
  ) throws(ApusError) -> [Job] {
    var jobs: [Job] = []
    var jobOfSegment = [Int?](repeating: nil, count: constants.file.segments.count)
    for (index, request) in requests.enumerated() {
      let stored = constants.stored(request.tensor)
      let segment = constants.segment(of: stored)
      let piece = Piece(
        request: request, target: block.pointer + offsets[index], tensor: constants.tensors[Int(stored)],
        widening: try constants.widening(request.tensor),
        range: segment.map { ($0.offset, $0.byteCount) },
        source: segment == nil ? try constants.bytes(stored) : UnsafeRawBufferPointer(start: nil, count: 0))
      if let segment, let job = jobOfSegment[segment.index] {
        jobs[job].pieces.append(piece)
        jobs[job].byteCount += request.byteCount
      } else {
        if let segment { jobOfSegment[segment.index] = jobs.count }
        jobs.append(Job(segment: segment?.index, pieces: [piece], byteCount: request.byteCount))
      }
    }
    return jobs.sorted { $0.byteCount > $1.byteCount }
  }
}
