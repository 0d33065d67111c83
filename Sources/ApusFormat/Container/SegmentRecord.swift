import ApusGraph

/// One entry of the segment table (FORMAT.md, "Segment table").
public struct SegmentRecord: Equatable, Sendable {
  public enum Codec: UInt8, Sendable {
    case raw = 0
    /// Independent zstd frames of `1 << chunkLog2` raw bytes each, the last one shorter.
    case zstd = 1
  }

  public enum Filter: UInt8, Sendable {
    case none = 0
    case bytePlanes = 1
  }

  /// Which section's tensors a segment holds.
  public enum Role: UInt8, Sendable {
    case graph = 0
    case metadata = 1
  }

  public var offset: UInt64
  public var storedSize: UInt64
  public var rawSize: UInt64
  /// XXH64 of the stored bytes.
  public var checksum: UInt64
  public var codec: Codec
  public var filter: Filter
  /// 0 for raw segments.
  public var chunkLog2: UInt8
  public var role: Role
  /// Bytes of an element for the byte-plane filter, else 0.
  public var filterWidth: UInt8

  package static let byteCount = 64
  package static let chunkLog2Range: ClosedRange<UInt8> = 14...22

  package init(
    offset: UInt64, storedSize: UInt64, rawSize: UInt64, checksum: UInt64, codec: Codec, filter: Filter, chunkLog2: UInt8,
    role: Role, filterWidth: UInt8
  ) {
    self.offset = offset
    self.storedSize = storedSize
    self.rawSize = rawSize
    self.checksum = checksum
    self.codec = codec
    self.filter = filter
    self.chunkLog2 = chunkLog2
    self.role = role
    self.filterWidth = filterWidth
  }

  /// The alignment of the segment's data in the file: raw segments of 256 KiB and more can be mapped.
  package var alignment: UInt64 { Self.alignment(codec: codec, storedSize: storedSize) }

  package static func alignment(codec: Codec, storedSize: UInt64) -> UInt64 {
    codec == .raw && storedSize >= 256 << 10 ? 16 << 10 : 64
  }

  /// Reads and checks the record of segment `index` by itself; `FileLayout` checks where it lies.
  ///
  /// - Parameter bytes: 64 bytes.
  package init(parsing bytes: [UInt8], index: Int, tableOffset: UInt64) throws(ApusError) {
    let reader = LittleEndian(bytes)
    let place = tableOffset + UInt64(index) * UInt64(Self.byteCount)
    func refuse(
      _ status: ApusError.Status, _ message: StaticString, _ field: UInt64, expected: String = "", actual: String = ""
    ) -> ApusError {
      ApusError(
        status, "segment \(index): " + message.text, expected: expected, actual: actual, fileOffset: place + field)
    }
    offset = reader.uint64(0)
    storedSize = reader.uint64(8)
    rawSize = reader.uint64(16)
    checksum = reader.uint64(24)
    guard let codec = Codec(rawValue: reader.uint8(32)) else {
      throw refuse(.unsupportedFeature, "unknown codec", 32, expected: "0 or 1", actual: "\(reader.uint8(32))")
    }
    guard let filter = Filter(rawValue: reader.uint8(33)) else {
      throw refuse(.unsupportedFeature, "unknown filter", 33, expected: "0 or 1", actual: "\(reader.uint8(33))")
    }
    chunkLog2 = reader.uint8(34)
    guard let role = Role(rawValue: reader.uint8(35)) else {
      throw refuse(.unsupportedFeature, "unknown role", 35, expected: "0 or 1", actual: "\(reader.uint8(35))")
    }
    (self.codec, self.filter, self.role) = (codec, filter, role)
    guard reader.uint16(36) == 0 else {
      throw refuse(.unsupportedFeature, "data in a further file", 36, expected: "file 0", actual: "\(reader.uint16(36))")
    }
    filterWidth = reader.uint8(38)
    for index in 39..<Self.byteCount where bytes[index] != 0 {
      throw refuse(.malformed, "a reserved byte is not zero", UInt64(index))
    }
    guard rawSize > 0, storedSize > 0 else { throw refuse(.malformed, "an empty segment", 8) }
    switch codec {
    case .raw:
      guard chunkLog2 == 0, filter == .none, rawSize == storedSize else {
        throw refuse(.malformed, "a raw segment with chunks, a filter, or two sizes", 8)
      }
    case .zstd:
      guard Self.chunkLog2Range.contains(chunkLog2) else {
        throw refuse(.malformed, "a chunk size out of range", 34, expected: "14 to 22", actual: "\(chunkLog2)")
      }
      try Compression.checkRatio(
        storedSize: Untrusted(storedSize), rawSize: Untrusted(rawSize), what: "segment \(index)", offset: place + 8)
    }
    guard filter == .none ? filterWidth == 0 : BytePlanes.isValid(width: Int(filterWidth)) else {
      throw refuse(.malformed, "a filter width that the filter does not have", 38, actual: "\(filterWidth)")
    }
  }

  /// The 64 bytes of the record.
  package func encoded() -> [UInt8] {
    var bytes: [UInt8] = []
    for number in [offset, storedSize, rawSize, checksum] { LittleEndian.append(number, to: &bytes) }
    bytes += [codec.rawValue, filter.rawValue, chunkLog2, role.rawValue, 0, 0, filterWidth]
    bytes += [UInt8](repeating: 0, count: Self.byteCount - bytes.count)
    return bytes
  }

  /// Raw bytes of a chunk, the last one excepted.
  package var chunkSize: Int { 1 << Int(chunkLog2) }
}

/// Rules on what compressed bytes may state.
package enum Compression {
  /// Compressed data may state at most this many raw bytes for a stored one, once it states more than `freeRawSize`.
  package static let maximumRatio: UInt64 = 2048
  package static let freeRawSize: UInt64 = 1 << 20

  package static func isAllowed(storedSize: Untrusted, rawSize: Untrusted) -> Bool {
    if rawSize <= Untrusted(freeRawSize) { return true }
    guard let bound = storedSize.multiplied(by: Untrusted(maximumRatio)) else { return true }
    return rawSize <= bound
  }

  package static func checkRatio(
    storedSize: Untrusted, rawSize: Untrusted, what: String, offset: UInt64
  ) throws(ApusError) {
    guard isAllowed(storedSize: storedSize, rawSize: rawSize) else {
      throw ApusError(
        .malformed, what + " states too many raw bytes for its stored ones",
        expected: "at most \(maximumRatio) for each of \(storedSize.text)", actual: rawSize.text, fileOffset: offset)
    }
  }
}
