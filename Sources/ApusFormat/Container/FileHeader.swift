import ApusGraph

/// The first 128 bytes of a file (FORMAT.md, "Header").
public struct FileHeader: Equatable, Sendable {
  /// Bytes of the header.
  package static let byteCount = 128
  /// The format that this release reads and writes. While the major number is 0, each minor number is a format of its own.
  public static let major: UInt16 = 0
  public static let minor: UInt16 = 1
  package static let magic: [UInt8] = [0x89, 0x41, 0x50, 0x55, 0x53, 0x0D, 0x0A, 0x1A]
  /// Features of this release that a file may ask for. None is defined yet.
  package static let knownIncompatible: UInt64 = 0

  /// A section: its size in the file, its size when decoded, and the checksum of the bytes in the file.
  public struct Section: Equatable, Sendable {
    public var storedSize: UInt32
    public var rawSize: UInt32
    public var checksum: UInt64

    package init(storedSize: UInt32, rawSize: UInt32, checksum: UInt64) {
      self.storedSize = storedSize
      self.rawSize = rawSize
      self.checksum = checksum
    }
  }

  public var segmentCount: UInt32
  /// A reader that does not know one of these bits refuses the file.
  public var incompatible: UInt64 = 0
  /// A reader ignores bits that it does not know.
  public var compatible: UInt64 = 0
  /// A program that changes files leaves one alone if it does not know all of these bits.
  public var writeCompatible: UInt64 = 0
  public var fileLength: UInt64
  public var graph: Section
  public var metadata: Section
  public var tableChecksum: UInt64
  /// SHA-256, 32 bytes (FORMAT.md, "Model id").
  public var modelID: [UInt8]

  package init(
    segmentCount: UInt32, fileLength: UInt64, graph: Section, metadata: Section, tableChecksum: UInt64, modelID: [UInt8]
  ) {
    self.segmentCount = segmentCount
    self.fileLength = fileLength
    self.graph = graph
    self.metadata = metadata
    self.tableChecksum = tableChecksum
    self.modelID = modelID
  }

  /// Reads and checks a header.
  ///
  /// - Parameter bytes: 128 bytes.
  /// - Throws: 400 not_apus_file, 401 unsupported_version, 402 unsupported_feature, 404 checksum_mismatch.
  package init(parsing bytes: [UInt8]) throws(ApusError) {
    let reader = LittleEndian(bytes)
    try Self.checkMagic(bytes)
    let (major, minor) = (reader.uint16(8), reader.uint16(10))
    guard major == Self.major, minor == Self.minor else {
      throw ApusError(
        .unsupportedVersion, "this release reads another version of the format",
        expected: "\(Self.major).\(Self.minor)", actual: "\(major).\(minor)", fileOffset: 8)
    }
    let checksum = bytes.withUnsafeBytes { Checksum.of(UnsafeRawBufferPointer(rebasing: $0[0..<120])) }
    guard checksum == reader.uint64(120) else {
      throw ApusError(.checksumMismatch, "the header is damaged", fileOffset: 120)
    }
    segmentCount = reader.uint32(12)
    incompatible = reader.uint64(16)
    compatible = reader.uint64(24)
    writeCompatible = reader.uint64(32)
    fileLength = reader.uint64(40)
    graph = Section(storedSize: reader.uint32(48), rawSize: reader.uint32(52), checksum: reader.uint64(56))
    metadata = Section(storedSize: reader.uint32(64), rawSize: reader.uint32(68), checksum: reader.uint64(72))
    tableChecksum = reader.uint64(80)
    modelID = Array(bytes[88..<120])
    let unknown = incompatible & ~Self.knownIncompatible
    guard unknown == 0 else {
      throw ApusError(
        .unsupportedFeature, "the file needs features of a later release", expected: "feature bits 0",
        actual: "\(unknown)", fileOffset: 16)
    }
  }

  /// Whether `bytes`, the beginning of a file or all there is of it, begin like a file of Apus.
  package static func checkMagic(_ bytes: [UInt8]) throws(ApusError) {
    for index in 0..<min(bytes.count, magic.count) where bytes[index] != magic[index] {
      throw ApusError(.notApusFile, "not a file of Apus: the magic number is missing", fileOffset: UInt64(index))
    }
  }

  /// The 128 bytes, sealed with their checksum.
  package func encoded() -> [UInt8] {
    var bytes = Self.magic
    LittleEndian.append(Self.major, to: &bytes)
    LittleEndian.append(Self.minor, to: &bytes)
    LittleEndian.append(segmentCount, to: &bytes)
    LittleEndian.append(incompatible, to: &bytes)
    LittleEndian.append(compatible, to: &bytes)
    LittleEndian.append(writeCompatible, to: &bytes)
    LittleEndian.append(fileLength, to: &bytes)
    for section in [graph, metadata] {
      LittleEndian.append(section.storedSize, to: &bytes)
      LittleEndian.append(section.rawSize, to: &bytes)
      LittleEndian.append(section.checksum, to: &bytes)
    }
    LittleEndian.append(tableChecksum, to: &bytes)
    bytes += modelID
    LittleEndian.append(bytes.withUnsafeBytes { Checksum.of($0) }, to: &bytes)
    return bytes
  }
}
