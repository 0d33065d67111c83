import ApusGraph
import CApusPlatform

/// The decoded bytes of a file's segments, made when they are first wanted. Not safe from several threads by itself.
final class SegmentStore {
  let records: [SegmentRecord]
  private let input: Input
  private let memory: BulkMemory
  /// Stored bytes that a stream gave; else empty. An entry goes when its segment is decoded.
  private var stored: [BulkBuffer?]
  /// The raw bytes of segments that have been touched.
  private var raw: [Raw?]

  private enum Raw {
    case own(BulkBuffer)
    /// In the memory of the input.
    case lent(UnsafeRawBufferPointer)

    var bytes: UnsafeRawBufferPointer {
      switch self {
      case .own(let buffer): buffer.bytes
      case .lent(let bytes): bytes
      }
    }
  }

  init(records: [SegmentRecord], stored: [BulkBuffer], input: Input, memory: BulkMemory) {
    self.records = records
    self.input = input
    self.memory = memory
    self.stored = stored.map { Optional($0) }
    raw = [Raw?](repeating: nil, count: records.count)
  }

  /// The raw bytes of segment `index`, at a multiple of 64; valid until `release` or the end of this object.
  ///
  /// - Parameter threads: who decodes; nil: the calling thread.
  /// - Throws: 404 checksum_mismatch, 406 decompression, what reading and allocating give.
  func bytes(_ index: Int, on threads: DecodingThreads?) throws(ApusError) -> UnsafeRawBufferPointer {
    guard index >= 0, index < records.count else {
      throw ApusError(
        .indexOutOfRange, "no such segment", expected: "below \(records.count)", actual: "\(index)")
    }
    if let raw = raw[index] { return raw.bytes }
    let made = try make(index, threads)
    raw[index] = made
    return made.bytes
  }

  /// Gives back decoded bytes that can be made again. Pointers to them are no longer valid.
  func release() {
    guard input.isRandomAccess else { return }
    for index in 0..<raw.count { raw[index] = nil }
  }

  private func make(_ index: Int, _ threads: DecodingThreads?) throws(ApusError) -> Raw {
    let record = records[index]
    guard let rawSize = Int(exactly: record.rawSize), let storedSize = Int(exactly: record.storedSize) else {
      throw ApusError(.limitExceeded, "segment \(index) is larger than memory can be", fileOffset: record.offset)
    }
    if let pointer = input.pointer(at: record.offset, count: storedSize) {
      let bytes = UnsafeRawBufferPointer(start: pointer, count: storedSize)
      try check(bytes, record, index)
      if record.codec == .raw, UInt(bitPattern: pointer) % 64 == 0 { return .lent(bytes) }
      return .own(try decode(bytes, record, index, rawSize, threads))
    }
    let buffer: BulkBuffer
    if index < stored.count, let kept = stored[index] {
      buffer = kept
    } else {
      buffer = try input.read(at: record.offset, count: storedSize, memory, purpose: "a stored segment")
    }
    try check(buffer.bytes, record, index)
    if record.codec == .raw { return .own(buffer) }
    let decoded = try decode(buffer.bytes, record, index, rawSize, threads)
    if index < stored.count { stored[index] = nil }
    return .own(decoded)
  }

  private func check(_ bytes: UnsafeRawBufferPointer, _ record: SegmentRecord, _ index: Int) throws(ApusError) {
    guard Checksum.of(bytes) == record.checksum else {
      throw ApusError(.checksumMismatch, "segment \(index) is damaged", fileOffset: record.offset)
    }
  }

  private func decode(
    _ bytes: UnsafeRawBufferPointer, _ record: SegmentRecord, _ index: Int, _ rawSize: Int, _ threads: DecodingThreads?
  ) throws(ApusError) -> BulkBuffer {
    let target = try memory.allocate(byteCount: rawSize, purpose: "a decoded segment")
    switch record.codec {
    case .raw: target.mutableBytes.copyMemory(from: bytes)
    case .zstd:
      let decoding = try SegmentDecoding(record, index: index, stored: bytes, target: target.mutableBytes, memory: memory)
      try decoding.run(on: threads, memory: memory, segment: index, offset: record.offset)
    }
    return target
  }
}

/// A pool that decodes chunks beside the calling thread.
package struct DecodingThreads {
  /// An `apusp_pool`.
  package var pool: OpaquePointer
  /// Its threads, the calling one included.
  package var count: Int

  package init(pool: OpaquePointer, count: Int) {
    self.pool = pool
    self.count = count
  }
}

extension SegmentDecoding {
  /// Decodes all chunks.
  func run(
    on threads: DecodingThreads?, memory: BulkMemory, segment: Int, offset: UInt64
  ) throws(ApusError) {
    let workerCount = max(1, count > 1 ? threads?.count ?? 1 : 1)
    let (size, overflow) = scratchBytes.multipliedReportingOverflow(by: workerCount)
    guard !overflow else { throw ApusError(.limitExceeded, "scratch memory for decoding") }
    let scratch = try memory.allocate(byteCount: size, purpose: "decoding")
    var workers = [apusp_worker](repeating: apusp_worker(), count: workerCount)
    for index in 0..<workerCount {
      workers[index].scratch = scratch.pointer + index * scratchBytes
      workers[index].scratch_size = Int64(scratchBytes)
      workers[index].index = Int32(index)
    }
    var step = self.step
    var outcome = apusp_outcome()
    let status = workers.withUnsafeMutableBufferPointer { workers in
      withUnsafePointer(to: &step) { step in
        var execution = apusp_execution()
        execution.steps = step
        execution.count = 1
        execution.workers = workers.baseAddress
        execution.worker_count = Int32(workerCount)
        execution.pool = workerCount > 1 ? threads?.pool : nil
        return apusp_execute(&execution, &outcome)
      }
    }
    guard status == 0 else {
      throw ApusError(
        ApusError.Status(rawValue: status) ?? .internal,
        "segment \(segment): chunk \(outcome.fault.position) does not decode", fileOffset: offset)
    }
  }
}
