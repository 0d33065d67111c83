import ApusGraph

/// Where everything of a file lies, worked out from the header and the segment table: header, graph section, metadata
/// section, segment table, segments, in this order, each at the next multiple of its alignment, zeros between.
package struct FileLayout: Sendable {
  /// A run of bytes in the file.
  package struct Extent: Equatable, Sendable {
    package var offset: UInt64
    package var size: UInt64
  }

  package static let graphOffset = UInt64(FileHeader.byteCount)
  package static let sectionAlignment: UInt64 = 64

  package var graph: Extent
  package var metadata: Extent
  package var table: Extent
  package var segments: [Extent] = []
  /// Where the file has to be zero.
  package var padding: [Extent] = []
  /// Where what has been placed so far ends.
  package private(set) var end: UInt64

  /// Places the sections. Sizes of 32 bits can not overflow 64.
  package init(_ header: FileHeader) {
    graph = Extent(offset: Self.graphOffset, size: UInt64(header.graph.storedSize))
    let metadataOffset = Self.next(after: graph)
    metadata = Extent(offset: metadataOffset, size: UInt64(header.metadata.storedSize))
    let tableOffset = Self.next(after: metadata)
    table = Extent(offset: tableOffset, size: UInt64(header.segmentCount) * UInt64(SegmentRecord.byteCount))
    end = table.offset + table.size
    addPadding(from: graph.offset + graph.size, to: metadata.offset)
    addPadding(from: metadata.offset + metadata.size, to: table.offset)
  }

  private static func next(after extent: Extent) -> UInt64 {
    (extent.offset + extent.size + sectionAlignment - 1) & ~(sectionAlignment - 1)
  }

  private mutating func addPadding(from start: UInt64, to end: UInt64) {
    if start < end { padding.append(Extent(offset: start, size: end - start)) }
  }

  /// Checks that a segment lies exactly where the rule puts it, and adds it.
  package mutating func place(_ record: SegmentRecord) throws(ApusError) {
    let index = segments.count
    let recordOffset = table.offset + UInt64(index) * UInt64(SegmentRecord.byteCount)
    guard let start = Untrusted(end).rounded(upToMultipleOf: record.alignment)?.number(atMost: .max),
      let newEnd = Untrusted(start).adding(Untrusted(record.storedSize))?.number(atMost: .max)
    else {
      throw ApusError(.malformed, "segment \(index): its end overflows 64 bits", fileOffset: recordOffset)
    }
    guard record.offset == start else {
      throw ApusError(
        .malformed, "segment \(index) does not begin at the next aligned place", expected: "\(start)",
        actual: "\(record.offset)", fileOffset: recordOffset)
    }
    addPadding(from: end, to: start)
    segments.append(Extent(offset: start, size: record.storedSize))
    end = newEnd
  }
}
