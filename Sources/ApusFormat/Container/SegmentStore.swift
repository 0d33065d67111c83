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

  func isDecoded(_ index: Int) -> Bool { raw[index] != nil }

  func release(_ index: Int) {
    if input.isRandomAccess { raw[index] = nil }
  }

  /// The bytes that `withBytes` of segment `index` works in; nil where it can not be used: the segment is decoded already, must
  /// be read on the caller's thread, or is so large that all threads should decode it together.
  ///
  /// - Parameter largest: the most raw bytes that one thread should decode by itself.
  func scratchBytes(_ index: Int, largest: Int) -> Int? {
    let record = records[index]
    guard raw[index] == nil, input.isReadOnAnyThread, let storedSize = Int(exactly: record.storedSize) else { return nil }
    if record.codec == .raw, Self.isAligned(input.pointer(at: record.offset, count: storedSize)) { return 0 }
    guard record.rawSize <= UInt64(largest), storedSize <= 2 * largest else { return nil }
    let stored = Self.aligned(storedSize)
    return record.codec == .raw ? stored : stored + Self.aligned(Int(record.rawSize)) + SegmentDecoding.scratchBytes(record)
  }

  private static func isAligned(_ pointer: UnsafeRawPointer?) -> Bool {
    pointer.map { UInt(bitPattern: $0) % 64 == 0 } ?? false
  }

  private static func aligned(_ byteCount: Int) -> Int { (byteCount + 63) & ~63 }

  /// Calls `body` with the raw bytes of a segment without keeping them. Several threads may do so at a time, with nothing else.
  ///
  /// - Parameter scratch: `scratchBytes` of it at a multiple of 64.
  /// - Throws: as `bytes`.
  func withBytes(
    _ index: Int, scratch: UnsafeMutableRawPointer, _ body: (UnsafeRawBufferPointer) throws(ApusError) -> Void
  ) throws(ApusError) {
    let record = records[index]
    let storedSize = Int(record.storedSize)
    let place = UnsafeMutableRawBufferPointer(start: scratch, count: storedSize)
    var stored = UnsafeRawBufferPointer(place)
    // Else the whole file would be resident beside what is made of it.
    defer { input.forget(at: record.offset, count: storedSize) }
    if let pointer = input.pointer(at: record.offset, count: storedSize) {
      stored = UnsafeRawBufferPointer(start: pointer, count: storedSize)
    } else {
      try input.read(at: record.offset, into: place)
    }
    try check(stored, record, index)
    if record.codec == .raw {
      if !Self.isAligned(stored.baseAddress) {
        place.copyMemory(from: stored)
        stored = UnsafeRawBufferPointer(place)
      }
      return try body(stored)
    }
    let target = UnsafeMutableRawBufferPointer(
      start: scratch + Self.aligned(storedSize), count: Int(record.rawSize))
    let decoding = try SegmentDecoding(record, index: index, stored: stored, target: target, memory: memory)
    try decoding.run(
      scratch: scratch + Self.aligned(storedSize) + Self.aligned(target.count), segment: index, offset: record.offset)
    try body(UnsafeRawBufferPointer(target))
  }

  /// Whether the bytes of segment `index` lie in memory of the input, so that they stay after `release`.
  func isLent(_ index: Int) -> Bool {
    if case .lent = raw[index] { true } else { false }
  }

  /// Hands over the memory of a segment that is decoded, all of it; nil where it is not the store's own.
  func take(_ index: Int) -> BulkBuffer? {
    guard input.isRandomAccess, case .own(let buffer) = raw[index] else { return nil }
    raw[index] = nil
    return buffer
  }

  private func make(_ index: Int, _ pool: OpaquePointer?) throws(ApusError) -> Raw {
    let record = records[index]
    guard let rawSize = Int(exactly: record.rawSize), let storedSize = Int(exactly: record.storedSize) else {
      throw ApusError(.limitExceeded, "segment \(index) is larger than memory can be", fileOffset: record.offset)
    }
    if let pointer = input.pointer(at: record.offset, count: storedSize) {
      let bytes = UnsafeRawBufferPointer(start: pointer, count: storedSize)
      try check(bytes, record, index)
      if record.codec == .raw, Self.isAligned(pointer) { return .lent(bytes) }
      defer { input.forget(at: record.offset, count: storedSize) }
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
