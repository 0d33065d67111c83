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
  /// - Parameter pool: an `apusp_pool` whose threads decode beside the calling one; nil for none.
  /// - Throws: 404 checksum_mismatch, 406 decompression, what reading and allocating give.
  func bytes(_ index: Int, on pool: OpaquePointer?) throws(ApusError) -> UnsafeRawBufferPointer {
    guard index >= 0, index < records.count else {
      throw ApusError(
        .indexOutOfRange, "no such segment", expected: "below \(records.count)", actual: "\(index)")
    }
    if let raw = raw[index] { return raw.bytes }
    let made = try make(index, pool)
    raw[index] = made
    return made.bytes
  }

  /// Gives back decoded bytes that can be made again. Pointers to them are no longer valid.
  func release() {
    guard input.isRandomAccess else { return }
    for index in 0..<raw.count { raw[index] = nil }
  }

  private func make(_ index: Int, _ pool: OpaquePointer?) throws(ApusError) -> Raw {
    let record = records[index]
    guard let rawSize = Int(exactly: record.rawSize), let storedSize = Int(exactly: record.storedSize) else {
      throw ApusError(.limitExceeded, "segment \(index) is larger than memory can be", fileOffset: record.offset)
    }
    if let pointer = input.pointer(at: record.offset, count: storedSize) {
      let bytes = UnsafeRawBufferPointer(start: pointer, count: storedSize)
      try check(bytes, record, index)
      if record.codec == .raw, UInt(bitPattern: pointer) % 64 == 0 { return .lent(bytes) }
      return .own(try decode(bytes, record, index, rawSize, pool))
    }
    let buffer: BulkBuffer
    if index < stored.count, let kept = stored[index] {
      buffer = kept
    } else {
      buffer = try input.read(at: record.offset, count: storedSize, memory, purpose: "a stored segment")
    }
    try check(buffer.bytes, record, index)
    if record.codec == .raw { return .own(buffer) }
    let decoded = try decode(buffer.bytes, record, index, rawSize, pool)
    if index < stored.count { stored[index] = nil }
    return .own(decoded)
  }

  private func check(_ bytes: UnsafeRawBufferPointer, _ record: SegmentRecord, _ index: Int) throws(ApusError) {
    guard Checksum.of(bytes) == record.checksum else {
      throw ApusError(.checksumMismatch, "segment \(index) is damaged", fileOffset: record.offset)
    }
  }

  private func decode(
    _ bytes: UnsafeRawBufferPointer, _ record: SegmentRecord, _ index: Int, _ rawSize: Int, _ pool: OpaquePointer?
  ) throws(ApusError) -> BulkBuffer {
    let target = try memory.allocate(byteCount: rawSize, purpose: "a decoded segment")
    switch record.codec {
    case .raw: target.mutableBytes.copyMemory(from: bytes)
    case .zstd:
      let decoding = try SegmentDecoding(record, index: index, stored: bytes, target: target.mutableBytes, memory: memory)
      try decoding.run(on: pool, memory: memory, segment: index, offset: record.offset)
    }
    return target
  }
}
