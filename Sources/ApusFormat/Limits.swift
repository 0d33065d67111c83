/// What a file, and the model in it, may ask for. Checked before anything of that size is allocated.
public struct Limits: Sendable {
  /// Bytes of the whole file.
  public var fileBytes: UInt64 = 1 << 40
  /// Bytes of all sections and segments after decompression.
  public var decompressedBytes: UInt64 = 1 << 40
  /// Bytes of the graph section, and of the metadata section, after decompression: Swift objects in proportion to them are
  /// made, which can not fail softly.
  public var sectionBytes: UInt64 = 256 << 20
  /// Bulk memory in use at a time, of a model and its sessions.
  public var memoryBytes: UInt64 = .max
  /// Nodes of all graphs.
  public var operators: Int = 1_000_000
  /// Axes of a tensor.
  public var rank: Int = 64
  /// Elements of one tensor.
  public var elements: Int = 1 << 40
  /// Iterations of one Loop: a model may ask for any number of them.
  public var iterations: Int = 1 << 24

  public init() {}
}
