import ApusGraph
import CApusPlatform

/// The chunks of one compressed segment, ready to be decoded as independent units of work on any threads.
struct SegmentDecoding {
  /// One chunk, as the kernel reads it.
  struct Chunk {
    var source: UnsafeRawPointer
    var sourceSize: Int
    var target: UnsafeMutableRawPointer
    var targetSize: Int
    /// Of the byte-plane filter; 0 for none.
    var filterWidth: Int
  }

  private let arguments: BulkBuffer
  let count: Int
  /// Scratch memory that each worker brings.
  let scratchBytes: Int

  /// Finds the frames of a segment.
  ///
  /// - Parameters:
  ///   - stored: the stored bytes, checksum seen to be right.
  ///   - target: `record.rawSize` bytes.
  init(
    _ record: SegmentRecord, index: Int, stored: UnsafeRawBufferPointer, target: UnsafeMutableRawBufferPointer,
    memory: BulkMemory
  ) throws(ApusError) {
    guard let output = target.baseAddress else { throw ApusError(.internal, "segment \(index) without room to decode") }
    let chunkSize = record.chunkSize
    count = (target.count + chunkSize - 1) / chunkSize
    arguments = try memory.allocate(byteCount: count * MemoryLayout<Chunk>.stride, purpose: "a segment's list of chunks")
    let chunks = arguments.mutableBytes.bindMemory(to: Chunk.self)
    var place = 0
    for number in 0..<count {
      let rest = UnsafeRawBufferPointer(rebasing: stored[place...])
      guard let size = ZstdFrame.storedSize(rest), let source = rest.baseAddress else {
        throw ApusError(
          .decompression, "segment \(index): chunk \(number) is not a zstd frame",
          fileOffset: record.offset + UInt64(place))
      }
      chunks[number] = Chunk(
        source: source, sourceSize: size, target: output + number * chunkSize,
        targetSize: min(chunkSize, target.count - number * chunkSize), filterWidth: Int(record.filterWidth))
      place += size
    }
    guard place == stored.count else {
      throw ApusError(
        .decompression, "segment \(index): bytes behind its last chunk", expected: "\(place) bytes",
        actual: "\(stored.count) bytes", fileOffset: record.offset + UInt64(place))
    }
    scratchBytes = Self.scratchBytes(record)
  }

  static func scratchBytes(_ record: SegmentRecord) -> Int {
    workspaceBytes + (record.filter == .none ? 0 : record.chunkSize)
  }

  private static var workspaceBytes: Int { (ZstdFrame.workspaceBytes + 63) & ~63 }

  /// All chunks as one step; valid while this value lives.
  var step: apusp_step {
    apusp_step(kernel: Self.kernel, args: UnsafeRawPointer(arguments.pointer), units: Int64(count), grain: 1, node: -1, phases: 1)
  }

  /// Decodes the chunks [begin, end). A chunk that does not decode is reported as fault 406 at its number.
  private static let kernel: apusp_kernel = { arguments, begin, end, worker in
    guard let arguments, let worker, let scratch = worker.pointee.scratch else { return ApusError.Status.internal.rawValue }
    let chunks = arguments.assumingMemoryBound(to: Chunk.self)
    let workspace = UnsafeMutableRawBufferPointer(start: scratch, count: SegmentDecoding.workspaceBytes)
    for number in begin..<end {
      let chunk = chunks[Int(number)]
      let target = UnsafeMutableRawBufferPointer(start: chunk.target, count: chunk.targetSize)
      let isFiltered = chunk.filterWidth != 0
      let decoded =
        isFiltered
        ? UnsafeMutableRawBufferPointer(start: scratch + SegmentDecoding.workspaceBytes, count: chunk.targetSize) : target
      let source = UnsafeRawBufferPointer(start: chunk.source, count: chunk.sourceSize)
      if ZstdFrame.decode(source, into: decoded, workspace: workspace) != nil {
        worker.pointee.fault.code = ApusError.Status.decompression.rawValue
        worker.pointee.fault.position = number
        return ApusError.Status.decompression.rawValue
      }
      if isFiltered { BytePlanes.join(UnsafeRawBufferPointer(decoded), width: chunk.filterWidth, into: target) }
    }
    return 0
  }
}

extension SegmentDecoding {
  /// Decodes all chunks on the calling thread, in `scratch` of at least `scratchBytes` at a multiple of 64.
  func run(scratch: UnsafeMutableRawPointer, segment: Int, offset: UInt64) throws(ApusError) {
    var worker = apusp_worker()
    worker.scratch = scratch
    worker.scratch_size = Int64(scratchBytes)
    let status = Self.kernel(UnsafeRawPointer(arguments.pointer), 0, Int64(count), &worker)
    try check(status, worker.fault, segment: segment, offset: offset)
  }

  private func check(_ status: Int32, _ fault: apusp_fault, segment: Int, offset: UInt64) throws(ApusError) {
    guard status != 0 else { return }
    throw ApusError(
      ApusError.Status(rawValue: status) ?? .internal, "segment \(segment): chunk \(fault.position) does not decode",
      fileOffset: offset)
  }

  /// Decodes all chunks, on the calling thread and those of an `apusp_pool`.
  func run(
    on pool: OpaquePointer?, memory: BulkMemory, segment: Int, offset: UInt64
  ) throws(ApusError) {
    var workerCount = 1
    if let pool, count > 1 { workerCount = max(1, Int(apusp_pool_threads(pool))) }
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
        execution.pool = workerCount > 1 ? pool : nil
        return apusp_execute(&execution, &outcome)
      }
    }
    try check(status, outcome.fault, segment: segment, offset: offset)
  }
}
