import ApusData
import ApusGraph
import Testing

@Suite struct FileTests {
  private func header(_ type: UInt8, _ extents: [UInt32]) -> [UInt8] {
    [0, 0, type, UInt8(extents.count)] + extents.flatMap { withUnsafeBytes(of: $0.bigEndian) { Array($0) } }
  }

  private func status(of body: () throws(ApusError) -> Void) -> ApusError.Status? {
    do { try body() } catch { return error.status }
    return nil
  }

  @Test func idxFilesAreRead() throws {
    let file = try IDXFile(parsing: header(8, [2, 1, 3]) + [1, 2, 3, 4, 5, 6], rank: 3)
    #expect(file.shape == [2, 1, 3])
    #expect(file.bytes == [1, 2, 3, 4, 5, 6])
    #expect(try IDXFile(parsing: header(8, [0]), rank: 1).bytes.isEmpty)
  }

  @Test func hostileIDXFilesAreRefused() {
    let whole = header(8, [2, 3]) + [1, 2, 3, 4, 5, 6]
    // Every cut, and one byte more.
    for length in 0..<whole.count {
      #expect(status { () throws(ApusError) in _ = try IDXFile(parsing: Array(whole[..<length]), rank: 2) } != nil)
    }
    #expect(status { () throws(ApusError) in _ = try IDXFile(parsing: whole + [7], rank: 2) } == .malformed)
    #expect(status { () throws(ApusError) in _ = try IDXFile(parsing: whole, rank: 3) } == .malformed)
    #expect(status { () throws(ApusError) in _ = try IDXFile(parsing: [1] + whole.dropFirst(), rank: 2) } == .malformed)
    for type: UInt8 in [0, 9, 0x0B, 0x0D, 255] {
      #expect(
        status { () throws(ApusError) in _ = try IDXFile(parsing: header(type, [1]) + [0], rank: 1) } == .unsupportedType)
    }
    // Extents whose product overflows.
    #expect(
      status { () throws(ApusError) in
        _ = try IDXFile(parsing: header(8, [.max, .max, .max]) + [0], rank: 3)
      } == .malformed)
  }

  /// `hello` three times, as gzip writes it (RFC 1952).
  private static let packed: [UInt8] = [
    0x1F, 0x8B, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x03, 0xCB, 0x48, 0xCD, 0xC9, 0xC9, 0xCF, 0x80, 0x13, 0x00, 0x0B,
    0xB4, 0x21, 0x3E, 0x0F, 0x00, 0x00, 0x00,
  ]

  @Test func gzipMembersAreUnpacked() throws {
    let text = Array("hellohellohello".utf8)
    #expect(try Gzip.decompress(Self.packed, limit: 100) == text)
    #expect(try Gzip.decompress(Self.packed + Self.packed, limit: 100) == text + text)
  }

  @Test func damagedGzipFilesAreRefused() {
    for length in 0..<Self.packed.count where length > 0 {
      #expect(
        status { () throws(ApusError) in _ = try Gzip.decompress(Array(Self.packed[..<length]), limit: 100) } == .truncated)
    }
    for place in Self.packed.indices where place > 9 {
      var damaged = Self.packed
      damaged[place] ^= 0x55
      #expect(status { () throws(ApusError) in _ = try Gzip.decompress(damaged, limit: 100) } != nil, "byte \(place)")
    }
    #expect(status { () throws(ApusError) in _ = try Gzip.decompress(Self.packed, limit: 14) } == .limitExceeded)
    #expect(status { () throws(ApusError) in _ = try Gzip.decompress(Self.packed + [1, 2, 3], limit: 100) } != nil)
  }
}
