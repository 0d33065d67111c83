import ApusFormat
import ApusFormatWriter
import ApusGraph

/// A file taken apart, so that a part can be changed and all be put together again with right sizes, places and checksums: what
/// tries the checks behind the checksums.
struct ContainerParts {
  var header: FileHeader
  /// Raw sections; they are stored raw again.
  var graph: [UInt8]
  var metadata: [UInt8]
  var records: [SegmentRecord]
  /// Stored bytes of each segment.
  var segments: [[UInt8]]

  /// - Parameter bytes: a good file.
  init(_ bytes: [UInt8]) throws {
    header = try FileHeader(parsing: Array(bytes[0..<FileHeader.byteCount]))
    let layout = FileLayout(header)
    func section(_ section: FileHeader.Section, _ extent: FileLayout.Extent) -> [UInt8] {
      let stored = Array(bytes[Int(extent.offset)..<Int(extent.offset + extent.size)])
      if section.storedSize == section.rawSize { return stored }
      var raw = [UInt8](repeating: 0, count: Int(section.rawSize))
      var workspace = [UInt64](repeating: 0, count: ZstdFrame.workspaceBytes / 8 + 1)
      let problem = stored.withUnsafeBytes { source in
        raw.withUnsafeMutableBytes { target in
          workspace.withUnsafeMutableBytes { ZstdFrame.decode(source, into: target, workspace: $0) }
        }
      }
      precondition(problem == nil)
      return raw
    }
    graph = section(header.graph, layout.graph)
    metadata = section(header.metadata, layout.metadata)
    records = []
    segments = []
    for index in 0..<Int(header.segmentCount) {
      let start = Int(layout.table.offset) + index * SegmentRecord.byteCount
      let record = try SegmentRecord(
        parsing: Array(bytes[start..<start + SegmentRecord.byteCount]), index: index, tableOffset: layout.table.offset)
      records.append(record)
      segments.append(Array(bytes[Int(record.offset)..<Int(record.offset + record.storedSize)]))
    }
  }

  /// The parts as a file.
  func sealed() -> [UInt8] { sealed(table: table) }

  /// The segment table of `sealed`.
  var table: [UInt8] { placed().records.flatMap { $0.encoded() } }

  /// The parts with this segment table as it stands, wrong or not; the segments where they belong.
  func sealed(table: [UInt8]) -> [UInt8] {
    var header = header
    header.graph = Self.section(graph)
    header.metadata = Self.section(metadata)
    header.segmentCount = UInt32(table.count / SegmentRecord.byteCount)
    header.tableChecksum = table.withUnsafeBytes { Checksum.of($0) }
    let layout = FileLayout(header)
    let (records, end) = placed()
    header.fileLength = end
    var file = [UInt8](repeating: 0, count: Int(end))
    func put(_ bytes: [UInt8], _ offset: UInt64) {
      let count = min(bytes.count, file.count - Int(offset))
      file.replaceSubrange(Int(offset)..<Int(offset) + count, with: bytes[0..<count])
    }
    for (record, bytes) in zip(records, segments) { put(bytes, record.offset) }
    put(header.encoded(), 0)
    put(graph, layout.graph.offset)
    put(metadata, layout.metadata.offset)
    put(table, layout.table.offset)
    return file
  }

  /// The records with their right places, sizes and checksums, and the file's length.
  private func placed() -> (records: [SegmentRecord], end: UInt64) {
    var header = header
    header.graph = Self.section(graph)
    header.metadata = Self.section(metadata)
    header.segmentCount = UInt32(records.count)
    var end = FileLayout(header).end
    var placed: [SegmentRecord] = []
    for (var record, stored) in zip(records, segments) {
      record.storedSize = UInt64(stored.count)
      record.offset = (end + record.alignment - 1) & ~(record.alignment - 1)
      record.checksum = stored.withUnsafeBytes { Checksum.of($0) }
      end = record.offset + record.storedSize
      placed.append(record)
    }
    return (placed, end)
  }

  private static func section(_ bytes: [UInt8]) -> FileHeader.Section {
    FileHeader.Section(
      storedSize: UInt32(bytes.count), rawSize: UInt32(bytes.count), checksum: bytes.withUnsafeBytes { Checksum.of($0) })
  }
}

/// Seals the header of a file again after a change in it.
func resealHeader(_ bytes: [UInt8]) -> [UInt8] {
  var bytes = bytes
  let checksum = bytes.withUnsafeBytes { Checksum.of(UnsafeRawBufferPointer(rebasing: $0[0..<120])) }
  for index in 0..<8 { bytes[120 + index] = UInt8(truncatingIfNeeded: checksum >> UInt64(8 * index)) }
  return bytes
}
