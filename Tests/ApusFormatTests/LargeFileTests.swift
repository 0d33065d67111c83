import ApusFormat
import ApusFormatWriter
import ApusGraph
import Foundation
import Testing

@Suite struct LargeFileTests {
  /// A segment of 5 GiB that is a hole in the file, and a small one behind it, at a place that needs 64 bits.
  @Test func offsetsHave64Bits() throws {
    let large: UInt64 = 5 << 30
    var definition = smallModel()
    definition.tensors.append(
      ConstantTensor(
        name: "large", elementType: .uint8, dimensions: [Int(large)], storage: .segment(index: 0, offset: 0, length: large)))
    definition.tensors.append(
      ConstantTensor(
        name: "behind", elementType: .float32, dimensions: [50_000], storage: .segment(index: 1, offset: 0, length: 200_000)))
    let directory = try TemporaryDirectory()
    let path = directory.path + "/sparse.apus"
    let behind = quarters(50_000)
    let record = try writeSparse(definition, large: large, behind: behind, path)
    #expect(record.offset > 5 << 30)
    for source in [ByteSource.path(path), .mappedPath(path)] {
      let file = try ModelFile(source)
      #expect(file.header?.fileLength ?? 0 > large)
      #expect(try Array(file.tensorBytes(3)) == behind)
    }
    var limits = Limits()
    limits.fileBytes = 4 << 30
    #expect(throws: ApusError.self) { try ModelFile(.path(path), limits: limits) }
  }

  /// The writer's own parts around a hole: to write 5 GiB of zeros would take the test minutes on a slow disk.
  private func writeSparse(
    _ definition: ModelDefinition, large: UInt64, behind: [UInt8], _ path: String
  ) throws -> SegmentRecord {
    var placeholder = definition
    for index in 2...3 {
      placeholder.tensors[index].storage = .inline([0])
      placeholder.tensors[index].dimensions = [1]
      placeholder.tensors[index].elementType = .uint8
    }
    var parts = try ContainerParts(try ModelWriter().encode(placeholder))
    parts.graph = try ModelEncoder.encode(definition, needs: Needs(), storage: definition.tensors.map(\.storage))
    func record(_ size: UInt64, _ checksum: UInt64) -> SegmentRecord {
      SegmentRecord(
        offset: 0, storedSize: size, rawSize: size, checksum: checksum, codec: .raw, filter: .none, chunkLog2: 0,
        role: .graph, filterWidth: 0)
    }
    var header = parts.header
    header.graph = FileHeader.Section(
      storedSize: UInt32(parts.graph.count), rawSize: UInt32(parts.graph.count),
      checksum: parts.graph.withUnsafeBytes { Checksum.of($0) })
    header.metadata = FileHeader.Section(
      storedSize: UInt32(parts.metadata.count), rawSize: UInt32(parts.metadata.count),
      checksum: parts.metadata.withUnsafeBytes { Checksum.of($0) })
    header.segmentCount = 2
    var layout = FileLayout(header)
    var records = [record(large, 0), record(200_000, behind.withUnsafeBytes { Checksum.of($0) })]
    for index in 0..<2 {
      records[index].offset = (layout.end + records[index].alignment - 1) & ~(records[index].alignment - 1)
      try layout.place(records[index])
    }
    let table = records.flatMap { $0.encoded() }
    header.fileLength = layout.end
    header.tableChecksum = table.withUnsafeBytes { Checksum.of($0) }
    let output = try Output(path: path)
    try output.setLength(layout.end)
    try output.write(header.encoded(), at: 0)
    try output.write(parts.graph, at: layout.graph.offset)
    try output.write(parts.metadata, at: layout.metadata.offset)
    try output.write(table, at: layout.table.offset)
    try output.write(behind, at: records[1].offset)
    try output.finish()
    return records[1]
  }
}
