import ApusGraph
import CApusPlatform

/// Segments that the threads of a pool decode side by side, each thread one at a time.
final class SegmentSweep {
  private let store: SegmentStore?
  private let positions: [Int]
  private let segments: [Int?]
  private let body: (Int, UnsafeRawBufferPointer) throws(ApusError) -> Void
  private let scratch: BulkBuffer
  private let scratchBytes: Int
  /// By place in `positions`: each is written by the one thread that has it.
  private let failures: UnsafeMutablePointer<ApusError?>

  /// The most raw bytes of a segment that one thread decodes by itself: with many threads, little enough that the memory that
  /// they decode into stays small.
  static func largestSegment(_ pool: OpaquePointer?) -> Int {
    min(16 << 20, max(1 << 20, (32 << 20) / threads(pool)))
  }

  private static func threads(_ pool: OpaquePointer?) -> Int { pool.map { max(1, Int(apusp_pool_threads($0))) } ?? 1 }

  /// See `ModelFile.forEach`.
  static func run(
    _ store: SegmentStore?, _ positions: [Int], _ segments: [Int?], on pool: OpaquePointer?, _ memory: BulkMemory,
    _ body: @escaping (Int, UnsafeRawBufferPointer) throws(ApusError) -> Void
  ) throws(ApusError) {
    guard !positions.isEmpty else { return }
    let largest = largestSegment(pool)
    var most = 0
    for position in positions {
      if let segment = segments[position] { most = max(most, store?.scratchBytes(segment, largest: largest) ?? 0) }
    }
    let scratchBytes = (most + 63) & ~63
    let scratch = try memory.allocate(
      byteCount: try Self.bytes(scratchBytes, threads(pool)), purpose: "decoding")
    let sweep = SegmentSweep(store, positions, segments, body, scratch, scratchBytes)
    apusp_pool_run(
      pool, Int32(clamping: positions.count),
      { context, chunk, worker in
        guard let context else { return }
        Unmanaged<SegmentSweep>.fromOpaque(context).takeUnretainedValue().decode(Int(chunk), Int(worker))
      }, Unmanaged.passUnretained(sweep).toOpaque())
    try sweep.check()
  }

  private static func bytes(_ each: Int, _ threads: Int) throws(ApusError) -> Int {
    let (bytes, overflow) = each.multipliedReportingOverflow(by: threads)
    guard !overflow else { throw ApusError(.limitExceeded, "scratch memory for decoding") }
    return bytes
  }

  private init(
    _ store: SegmentStore?, _ positions: [Int], _ segments: [Int?],
    _ body: @escaping (Int, UnsafeRawBufferPointer) throws(ApusError) -> Void, _ scratch: BulkBuffer, _ scratchBytes: Int
  ) {
    (self.store, self.positions, self.segments, self.body) = (store, positions, segments, body)
    (self.scratch, self.scratchBytes) = (scratch, scratchBytes)
    failures = .allocate(capacity: positions.count)
    failures.initialize(repeating: nil, count: positions.count)
  }

  deinit {
    failures.deinitialize(count: positions.count)
    failures.deallocate()
  }

  private func decode(_ index: Int, _ worker: Int) {
    let position = positions[index]
    do throws(ApusError) {
      guard let segment = segments[position], let store else {
        return try body(position, UnsafeRawBufferPointer(start: nil, count: 0))
      }
      try store.withBytes(segment, scratch: scratch.pointer + worker * scratchBytes) { bytes throws(ApusError) in
        try body(position, bytes)
      }
    } catch { failures[index] = error }
  }

  private func check() throws(ApusError) {
    for index in 0..<positions.count {
      if let failure = failures[index] { throw failure }
    }
  }
}
