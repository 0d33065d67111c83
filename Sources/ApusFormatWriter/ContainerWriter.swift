import ApusFormat
import ApusGraph
import Crypto

/// Puts header, sections, segment table and segments in their places. Segments go first, the header last: only then are all
/// sizes and checksums known.
struct ContainerWriter {
  private let output: Output
  private let options: WriterOptions
  private let graph: [UInt8]
  private let storedGraph: [UInt8]
  private let metadata: [UInt8]
  private let storedMetadata: [UInt8]
  private let segmentCount: UInt32

  /// - Parameters:
  ///   - graph: the raw graph section.
  ///   - metadata: the raw metadata section; empty for none.
  init(
    _ output: Output, options: WriterOptions, graph: [UInt8], metadata: [UInt8], segments: Int
  ) throws(ApusError) {
    self.output = output
    self.options = options
    (self.graph, self.metadata) = (graph, metadata)
    storedGraph = try Self.stored(graph, options)
    storedMetadata = try Self.stored(metadata, options)
    guard let count = UInt32(exactly: segments) else { throw ApusError(.limitExceeded, "more than 2^32 segments") }
    segmentCount = count
  }

  /// A section as one zstd frame, or raw where that is no larger or the frame would state too much for its size.
  private static func stored(_ raw: [UInt8], _ options: WriterOptions) throws(ApusError) -> [UInt8] {
    if raw.isEmpty || options.sectionCompressionLevel == 0 { return raw }
    let frame = try ZstdEncoder(level: options.sectionCompressionLevel).encoded(raw)
    let isAllowed = Compression.isAllowed(
      storedSize: Untrusted(UInt64(frame.count)), rawSize: Untrusted(UInt64(raw.count)))
    return frame.count < raw.count && isAllowed ? frame : raw
  }

  func write(_ plan: SegmentPlan) throws(ApusError) -> ModelWriter.Summary {
    var header = FileHeader(
      segmentCount: segmentCount, fileLength: 0, graph: try Self.section(graph, storedGraph),
      metadata: try Self.section(metadata, storedMetadata), tableChecksum: 0, modelID: [UInt8](repeating: 0, count: 32))
    var layout = FileLayout(header)
    try output.setLength(layout.end)
    try output.write(storedGraph, at: layout.graph.offset)
    try output.write(storedMetadata, at: layout.metadata.offset)

    var hash = ModelIdentity.begin(graph: graph)
    let writer = try SegmentWriter(plan: plan, options: options, output: output)
    var records: [SegmentRecord] = []
    for segment in plan.segments {
      let record = try writer.write(segment, from: layout.end, hash: &hash)
      try layout.place(record)
      records.append(record)
    }
    var table: [UInt8] = []
    for record in records { table += record.encoded() }
    try output.write(table, at: layout.table.offset)
    header.fileLength = layout.end
    header.tableChecksum = table.withUnsafeBytes { Checksum.of($0) }
    header.modelID = Array(hash.finalize())
    try output.write(header.encoded(), at: 0)
    try output.setLength(layout.end)
    return ModelWriter.Summary(modelID: header.modelID, fileLength: layout.end, segments: records)
  }

  private static func section(_ raw: [UInt8], _ stored: [UInt8]) throws(ApusError) -> FileHeader.Section {
    guard let rawSize = UInt32(exactly: raw.count), let storedSize = UInt32(exactly: stored.count) else {
      throw ApusError(.limitExceeded, "a section of more than 4 GiB")
    }
    return FileHeader.Section(
      storedSize: storedSize, rawSize: rawSize, checksum: stored.withUnsafeBytes { Checksum.of($0) })
  }
}
