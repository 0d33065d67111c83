import ApusGraph

/// Reads a file from front to back, as a pipe gives it, and checks all of it but the contents of segments.
struct ContainerReader {
  private let input: Input
  private let limits: Limits
  private let memory: BulkMemory

  let header: FileHeader
  private(set) var layout: FileLayout
  private(set) var records: [SegmentRecord] = []
  /// The raw graph section.
  let graph: FlatBuffer
  /// nil where the file has no metadata section.
  let metadata: FlatBuffer?
  /// Stored bytes of each segment, where the source is a stream; else empty.
  private(set) var storedSegments: [BulkBuffer] = []

  init(_ input: Input, limits: Limits, memory: BulkMemory) throws(ApusError) {
    self.input = input
    self.limits = limits
    self.memory = memory
    header = try Self.readHeader(input)
    layout = FileLayout(header)
    try Self.checkLength(header, layout, input, limits)
    var total = Untrusted(UInt64(0))
    for (section, name) in [(header.graph, "graph"), (header.metadata, "metadata")] {
      guard UInt64(section.rawSize) <= limits.sectionBytes else {
        throw ApusError(
          .limitExceeded, "the " + name + " section is larger than the limit",
          expected: "at most \(limits.sectionBytes) bytes", actual: "\(section.rawSize) bytes")
      }
      try Self.addRawSize(Untrusted(section.rawSize), to: &total, limits)
    }
    graph = FlatBuffer(
      try Self.section(header.graph, at: layout.graph, name: "graph section", input, memory), section: "graph section")
    try Self.checkZeros(from: layout.graph.offset + layout.graph.size, to: layout.metadata.offset, input)
    if header.metadata.rawSize > 0 || header.metadata.storedSize > 0 {
      metadata = FlatBuffer(
        try Self.section(header.metadata, at: layout.metadata, name: "metadata section", input, memory),
        section: "metadata section")
    } else {
      metadata = nil
      guard header.metadata.checksum == Checksum.of(UnsafeRawBufferPointer(start: nil, count: 0)) else {
        throw ApusError(.checksumMismatch, "the metadata section is damaged", fileOffset: 72)
      }
    }
    try Self.checkZeros(from: layout.metadata.offset + layout.metadata.size, to: layout.table.offset, input)
    try readTable(&total)
    try readSegments()
  }

  // MARK: Header and sections

  private static func readHeader(_ input: Input) throws(ApusError) -> FileHeader {
    var bytes = [UInt8](repeating: 0, count: FileHeader.byteCount)
    let count = try fill(&bytes, input)
    guard count > 0 else { throw ApusError(.truncated, "the file is empty", fileOffset: 0) }
    try FileHeader.checkMagic(Array(bytes[0..<count]))
    guard count == bytes.count else {
      throw ApusError(
        .truncated, "the file ends inside of its header", expected: "\(bytes.count) bytes", actual: "\(count) bytes",
        fileOffset: UInt64(count))
    }
    return try FileHeader(parsing: bytes)
  }

  private static func fill(_ bytes: inout [UInt8], _ input: Input) throws(ApusError) -> Int {
    try bytes.withUnsafeMutableBufferPointer { (target) throws(ApusError) in
      try input.readUpTo(at: 0, into: UnsafeMutableRawBufferPointer(target))
    }
  }

  private static func checkLength(
    _ header: FileHeader, _ layout: FileLayout, _ input: Input, _ limits: Limits
  ) throws(ApusError) {
    guard header.fileLength <= limits.fileBytes else {
      throw ApusError(
        .limitExceeded, "the file is larger than the limit", expected: "at most \(limits.fileBytes) bytes",
        actual: "\(header.fileLength) bytes", fileOffset: 40)
    }
    guard layout.end <= header.fileLength else {
      throw ApusError(
        .malformed, "the sections pass the file's stated length", expected: "at most \(header.fileLength)",
        actual: "\(layout.end)", fileOffset: 40)
    }
    if let actual = input.byteCount, actual != header.fileLength {
      throw ApusError(
        actual < header.fileLength ? .truncated : .malformed,
        actual < header.fileLength ? "the file is cut short" : "bytes behind the end of the file",
        expected: "\(header.fileLength) bytes", actual: "\(actual) bytes", fileOffset: min(actual, header.fileLength))
    }
  }

  private static func addRawSize(_ size: Untrusted, to total: inout Untrusted, _ limits: Limits) throws(ApusError) {
    guard let sum = total.adding(size), sum <= Untrusted(limits.decompressedBytes) else {
      throw ApusError(
        .limitExceeded, "the file decodes to more than the limit", expected: "at most \(limits.decompressedBytes) bytes",
        actual: "\(size.text) more after \(total.text)")
    }
    total = sum
  }

  /// The raw bytes of a section in private memory. Equal sizes mean stored as it is, a smaller stored size one zstd frame.
  private static func section(
    _ section: FileHeader.Section, at extent: FileLayout.Extent, name: StaticString, _ input: Input, _ memory: BulkMemory
  ) throws(ApusError) -> BulkBuffer {
    guard section.storedSize <= section.rawSize, section.storedSize > 0 else {
      throw ApusError(
        .malformed, "the " + name.text + "'s stored size is not between 1 and its raw size",
        expected: "at most \(section.rawSize)", actual: "\(section.storedSize)")
    }
    try Compression.checkRatio(
      storedSize: Untrusted(section.storedSize), rawSize: Untrusted(section.rawSize), what: "the " + name.text,
      offset: extent.offset)
    let stored = try input.read(at: extent.offset, count: Int(section.storedSize), memory, purpose: "a stored section")
    let actual = Checksum.of(stored.bytes)
    guard actual == section.checksum else {
      throw ApusError(.checksumMismatch, "the " + name.text + " is damaged", fileOffset: extent.offset)
    }
    if section.storedSize == section.rawSize { return stored }
    let raw = try memory.allocate(byteCount: Int(section.rawSize), purpose: "a section")
    let workspace = try memory.allocate(byteCount: ZstdFrame.workspaceBytes, purpose: "decoding")
    if let problem = ZstdFrame.decode(
      stored.bytes, into: raw.mutableBytes, workspace: workspace.mutableBytes)
    {
      throw ApusError(.decompression, "the " + name.text + ": " + problem.text, fileOffset: extent.offset)
    }
    return raw
  }

  // MARK: Segments

  private mutating func readTable(_ total: inout Untrusted) throws(ApusError) {
    // The table lies inside of the file's length (checkLength), so its size is no more than the limit on files.
    guard let size = Int(exactly: layout.table.size) else {
      throw ApusError(.limitExceeded, "a segment table larger than memory can be")
    }
    let table = try input.read(at: layout.table.offset, count: size, memory, purpose: "the segment table")
    guard Checksum.of(table.bytes) == header.tableChecksum else {
      throw ApusError(.checksumMismatch, "the segment table is damaged", fileOffset: layout.table.offset)
    }
    for index in 0..<Int(header.segmentCount) {
      let bytes = Array(table.bytes[index * SegmentRecord.byteCount..<(index + 1) * SegmentRecord.byteCount])
      let record = try SegmentRecord(parsing: bytes, index: index, tableOffset: layout.table.offset)
      if let last = records.last, last.role.rawValue > record.role.rawValue {
        throw ApusError(.malformed, "segment \(index) of the graph stands behind one of the metadata")
      }
      try Self.addRawSize(Untrusted(record.rawSize), to: &total, limits)
      try layout.place(record)
      records.append(record)
    }
    guard layout.end == header.fileLength else {
      throw ApusError(
        .malformed, "the file's stated length is not the end of its last part", expected: "\(layout.end)",
        actual: "\(header.fileLength)", fileOffset: 40)
    }
  }

  /// Checks the padding before each segment, and keeps what a stream gives only once.
  private mutating func readSegments() throws(ApusError) {
    var end = layout.table.offset + layout.table.size
    for extent in layout.segments {
      try Self.checkZeros(from: end, to: extent.offset, input)
      end = extent.offset + extent.size
      if !input.isRandomAccess {
        guard let size = Int(exactly: extent.size) else {
          throw ApusError(.limitExceeded, "a segment larger than memory can be", fileOffset: extent.offset)
        }
        storedSegments.append(try input.read(at: extent.offset, count: size, memory, purpose: "a stored segment"))
      }
    }
    if !input.isRandomAccess {
      var byte = [UInt8](repeating: 0, count: 1)
      let count = try byte.withUnsafeMutableBufferPointer { (target) throws(ApusError) in
        try input.readUpTo(at: header.fileLength, into: UnsafeMutableRawBufferPointer(target))
      }
      guard count == 0 else {
        throw ApusError(.malformed, "bytes behind the end of the file", fileOffset: header.fileLength)
      }
    }
  }

  // MARK: Padding

  /// Padding is shorter than the largest alignment, 16 KiB.
  private static func checkZeros(from start: UInt64, to end: UInt64, _ input: Input) throws(ApusError) {
    guard start < end, let count = Int(exactly: end - start) else { return }
    var bytes = [UInt8](repeating: 0, count: count)
    try bytes.withUnsafeMutableBufferPointer { (target) throws(ApusError) in
      try input.read(at: start, into: UnsafeMutableRawBufferPointer(target))
    }
    for index in 0..<count where bytes[index] != 0 {
      throw ApusError(
        .malformed, "padding that is not zero", expected: "0", actual: "\(bytes[index])", fileOffset: start + UInt64(index))
    }
  }
}
