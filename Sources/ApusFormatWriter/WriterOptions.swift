/// How a file is written. The same model and options give the same bytes.
public struct WriterOptions: Equatable, Sendable {
  /// What segments are stored as.
  public enum SegmentCodec: Equatable, Sendable {
    /// For each segment the smallest of the others, measured; raw where that saves less than `minimumSaving`.
    case automatic
    /// Decodes at once and can be mapped.
    case raw
    case zstd
    /// The byte-plane filter before zstd, where elements have more than one byte.
    case bytePlanesZstd
  }

  public var segmentCodec: SegmentCodec = .automatic
  /// The part of its raw size that compression has to save to be chosen, 0 to 1.
  public var minimumSaving: Double = 0.05
  /// zstd's level for segments.
  public var compressionLevel: Int32 = 3
  /// zstd's level for the graph and metadata sections; 0 stores them raw.
  public var sectionCompressionLevel: Int32 = 9
  /// Tensors up to this size are stored inside of the sections.
  public var inlineBytes: Int = 1024
  /// Tensors below this size share segments.
  public var ownSegmentBytes: Int = 64 << 10
  /// Binary logarithm of the raw size of a compressed chunk, 14 to 22.
  public var chunkLog2: UInt8 = 20

  public init() {}
}
