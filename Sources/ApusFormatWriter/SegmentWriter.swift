import ApusFormat
import ApusGraph
import CXXHash
import Crypto

/// Writes segments one chunk after the other, so that a segment may be larger than memory.
struct SegmentWriter {
  private let plan: SegmentPlan
  private let options: WriterOptions
  private let output: Output
  private let encoder: ZstdEncoder

  /// How the bytes of a segment are stored.
  private struct Form: Equatable {
    var codec: SegmentRecord.Codec
    var filterWidth: UInt8 = 0
    var chunkLog2: UInt8 = 0
  }

  /// Chunks that automatic choice tries of a long segment.
  private static let sampledChunks: UInt64 = 16

  init(plan: SegmentPlan, options: WriterOptions, output: Output) throws(ApusError) {
    self.plan = plan
    self.options = options
    self.output = output
    encoder = try ZstdEncoder(level: options.compressionLevel)
  }

  /// Writes `segment` at the first aligned place from `end` on.
  ///
  /// - Parameter hash: gets the raw bytes, for the model id.
  func write(
    _ segment: SegmentPlan.Segment, from end: UInt64, hash: inout SHA256
  ) throws(ApusError) -> SegmentRecord {
    let form = try form(segment)
    var copy = hash
    var record = try write(segment, form, from: end, &copy)
    if !Compression.isAllowed(storedSize: Untrusted(record.storedSize), rawSize: Untrusted(record.rawSize)) {
      // Nearly constant data: the smallest chunks cost enough frames to stay inside of the allowed ratio.
      copy = hash
      try output.setLength(record.offset)
      record = try write(segment, Form(codec: .zstd, chunkLog2: SegmentRecord.chunkLog2Range.lowerBound), from: end, &copy)
    }
    hash = copy
    return record
  }

  private func form(_ segment: SegmentPlan.Segment) throws(ApusError) -> Form {
    let zstd = Form(codec: .zstd, chunkLog2: options.chunkLog2)
    var filtered = zstd
    filtered.filterWidth = segment.filterWidth
    switch options.segmentCodec {
    case .raw: return Form(codec: .raw)
    case .zstd: return zstd
    case .bytePlanesZstd: return filtered
    case .automatic:
      var best = Form(codec: .raw)
      let rawSize = try measure(segment, best)
      var bestSize = UInt64(Double(rawSize) * (1 - options.minimumSaving))
      for candidate in filtered == zstd ? [zstd] : [zstd, filtered] {
        let size = try measure(segment, candidate)
        if size < bestSize { (best, bestSize) = (candidate, size) }
      }
      return best
    }
  }

  /// Stored size of the sampled chunks.
  private func measure(_ segment: SegmentPlan.Segment, _ form: Form) throws(ApusError) -> UInt64 {
    let chunkSize = UInt64(1) << UInt64(options.chunkLog2)
    let count = (segment.size + chunkSize - 1) / chunkSize
    let samples = min(count, Self.sampledChunks)
    var total: UInt64 = 0
    for sample in 0..<samples {
      let offset = sample * count / samples * chunkSize
      let size = min(chunkSize, segment.size - offset)
      if form.codec == .raw {
        total += size
        continue
      }
      try withChunk(segment, at: offset, size: Int(size), form) { (_, stored) throws(ApusError) in total += UInt64(stored.count) }
    }
    return total
  }

  /// Calls `body` with the raw and the stored bytes of a chunk.
  private func withChunk(
    _ segment: SegmentPlan.Segment, at offset: UInt64, size: Int, _ form: Form,
    _ body: (UnsafeRawBufferPointer, UnsafeRawBufferPointer) throws(ApusError) -> Void
  ) throws(ApusError) {
    let raw = UnsafeMutableRawBufferPointer.allocate(byteCount: size, alignment: 64)
    defer { raw.deallocate() }
    try plan.read(segment, at: offset, into: raw)
    let bytes = UnsafeRawBufferPointer(raw)
    switch form.codec {
    case .raw: try body(bytes, bytes)
    case .zstd:
      if form.filterWidth == 0 {
        try encoder.encode(bytes) { (frame) throws(ApusError) in try body(bytes, frame) }
        return
      }
      let planes = UnsafeMutableRawBufferPointer.allocate(byteCount: size, alignment: 64)
      defer { planes.deallocate() }
      BytePlanes.split(bytes, width: Int(form.filterWidth), into: planes)
      try encoder.encode(UnsafeRawBufferPointer(planes)) { (frame) throws(ApusError) in try body(bytes, frame) }
    }
  }

  private func write(
    _ segment: SegmentPlan.Segment, _ form: Form, from end: UInt64, _ hash: inout SHA256
  ) throws(ApusError) -> SegmentRecord {
    let alignment = SegmentRecord.alignment(codec: form.codec, storedSize: segment.size)
    let offset = (end + alignment - 1) & ~(alignment - 1)
    let chunkSize = UInt64(1) << UInt64(form.codec == .raw ? options.chunkLog2 : form.chunkLog2)
    guard let state = XXH64_createState() else { throw ApusError(.outOfMemory, "no memory for a checksum") }
    defer { XXH64_freeState(state) }
    XXH64_reset(state, 0)
    LittleEndian.update(&hash, segment.role == .graph ? segment.size : nil)
    var (place, rawPlace) = (offset, UInt64(0))
    while rawPlace < segment.size {
      let size = min(chunkSize, segment.size - rawPlace)
      try withChunk(segment, at: rawPlace, size: Int(size), form) { (raw, stored) throws(ApusError) in
        if segment.role == .graph { hash.update(bufferPointer: raw) }
        XXH64_update(state, stored.baseAddress, stored.count)
        try output.write(stored, at: place)
        place += UInt64(stored.count)
      }
      rawPlace += size
    }
    return SegmentRecord(
      offset: offset, storedSize: place - offset, rawSize: segment.size, checksum: UInt64(XXH64_digest(state)),
      codec: form.codec, filter: form.filterWidth == 0 ? .none : .bytePlanes, chunkLog2: form.chunkLog2, role: segment.role,
      filterWidth: form.filterWidth)
  }
}

extension LittleEndian {
  /// Adds a size to a hash, if there is one.
  static func update(_ hash: inout SHA256, _ size: UInt64?) {
    guard let size else { return }
    var bytes: [UInt8] = []
    append(size, to: &bytes)
    hash.update(data: bytes)
  }
}
