import ApusFormat
import ApusFormatWriter
import ApusGraph
import CApusSchemaWriter
import Testing

/// One case for each rule of the container: the status, and a message that says what is wrong.
@Suite struct HostileFileTests {
  private func refused(_ bytes: [UInt8], _ status: ApusError.Status, _ words: String) {
    do throws(ApusError) {
      _ = try openWhole(bytes)
      Issue.record("opened in spite of: \(words)")
    } catch {
      #expect(error.status == status, "\(words): \(error)")
      #expect(error.description.contains(words), "\(error)")
    }
  }

  private func good() throws -> ContainerParts {
    var generator = Generator(seed: 2)
    var definition = model(weights: generator.bytes(2000))
    definition.tensors.append(
      ConstantTensor(name: "floats", elementType: .float32, dimensions: [5000], storage: .inline(quarters(5000))))
    return try ContainerParts(try ModelWriter().encode(definition))
  }

  @Test func header() throws {
    let bytes = try good().sealed()
    func changed(_ index: Int, _ value: UInt8) -> [UInt8] {
      var copy = bytes
      copy[index] = value
      return resealHeader(copy)
    }
    refused([], .truncated, "the file is empty")
    refused(Array("PK\u{3}\u{4}".utf8), .notApusFile, "magic number")
    refused(Array(bytes[0..<5]), .truncated, "inside of its header")
    refused(changed(8, 1), .unsupportedVersion, "expected 0.1, got 1.1")
    refused(changed(10, 2), .unsupportedVersion, "expected 0.1, got 0.2")
    refused(changed(16, 1), .unsupportedFeature, "features of a later release")
    refused(changed(45, 9), .limitExceeded, "larger than the limit")
    refused(changed(42, 9), .truncated, "cut short")
    var damaged = bytes
    damaged[100] ^= 1
    refused(damaged, .checksumMismatch, "the header is damaged")
    #expect(status(changed(24, 1)) == nil, "unknown compatible features are ignored")
    #expect(status(changed(32, 1)) == nil, "so are write-compatible ones by readers")
  }

  @Test func sections() throws {
    let parts = try good()
    func changed(_ index: Int, _ value: UInt8) -> [UInt8] {
      var copy = parts.sealed()
      copy[index] = value
      return resealHeader(copy)
    }
    var empty = parts.sealed()
    for index in 48..<52 { empty[index] = 0 }
    refused(resealHeader(empty), .malformed, "not between 1 and its raw size")
    refused(changed(56, 0), .checksumMismatch, "the graph section is damaged")
    refused(changed(80, 0), .checksumMismatch, "the segment table is damaged")
    // A section that claims to be a frame and is none.
    var bytes = parts.sealed()
    bytes[55] = 0x01
    refused(resealHeader(bytes), .malformed, "too many raw bytes")
    bytes = parts.sealed()
    bytes[54] = bytes[54] &+ 1
    refused(resealHeader(bytes), .decompression, "not a zstd frame")
  }

  @Test func padding() throws {
    let parts = try good()
    let bytes = parts.sealed()
    var header = parts.header
    header.graph.storedSize = UInt32(parts.graph.count)
    header.metadata.storedSize = UInt32(parts.metadata.count)
    for extent in FileLayout(header).padding {
      var copy = bytes
      copy[Int(extent.offset)] = 1
      refused(copy, .malformed, "padding that is not zero")
    }
    #expect(FileLayout(header).padding.count == 2)
  }

  @Test func segmentTable() throws {
    let parts = try good()
    func table(_ segment: Int, _ place: Int, _ value: UInt8) -> [UInt8] {
      var table = parts.table
      table[segment * 64 + place] = value
      return parts.sealed(table: table)
    }
    refused(table(0, 0, 1), .malformed, "next aligned place")
    refused(table(0, 1, 0xFF), .malformed, "next aligned place")
    refused(table(1, 15, 0xFF), .malformed, "stated length is not the end")
    refused(table(0, 24, 0), .checksumMismatch, "segment 0 is damaged")
    refused(table(0, 32, 9), .unsupportedFeature, "unknown codec")
    refused(table(1, 33, 9), .unsupportedFeature, "unknown filter")
    refused(table(1, 34, 13), .malformed, "chunk size out of range")
    refused(table(1, 34, 23), .malformed, "chunk size out of range")
    refused(table(0, 34, 14), .malformed, "raw segment with chunks")
    refused(table(1, 35, 2), .unsupportedFeature, "unknown role")
    refused(table(0, 35, 1), .malformed, "stands behind one of the metadata")
    refused(table(1, 36, 1), .unsupportedFeature, "further file")
    refused(table(1, 38, 3), .malformed, "filter width")
    refused(table(1, 63, 1), .malformed, "reserved byte")
    refused(table(1, 21, 1), .malformed, "too many raw bytes")
    refused(table(1, 17, 0), .invalidModel, "does not lie in its segment")
    refused(parts.sealed(table: parts.table + parts.table[64...]), .malformed, "next aligned place")
    var fewer = parts
    fewer.records.removeLast()
    fewer.segments.removeLast()
    refused(fewer.sealed(), .invalidModel, "it lies in no segment")
  }

  @Test func chunks() throws {
    let parts = try good()
    func segment(_ change: (inout [UInt8]) throws -> Void) throws -> [UInt8] {
      var copy = parts
      try change(&copy.segments[1])
      return copy.sealed()
    }
    let encoder = try ZstdEncoder(level: 1)
    refused(try segment { $0.removeLast() }, .decompression, "chunk 0 is not a zstd frame")
    refused(try segment { $0.append(0) }, .decompression, "behind its last chunk")
    refused(try segment { $0 += [0x50, 0x2A, 0x4D, 0x18, 0, 0, 0, 0] }, .decompression, "behind its last chunk")
    refused(try segment { $0 = [0x50, 0x2A, 0x4D, 0x18, 4, 0, 0, 0, 1, 2, 3, 4] }, .decompression, "not a zstd frame")
    refused(try segment { $0 = try encoder.encoded([UInt8](repeating: 0, count: 19_999)) }, .decompression, "does not decode")
    refused(try segment { $0 = try encoder.encoded([UInt8](repeating: 0, count: 20_001)) }, .decompression, "does not decode")
    #expect(status(try segment { $0 = try encoder.encoded([UInt8](repeating: 0, count: 20_000)) }) == nil)
  }

  @Test func elements() throws {
    func file(_ type: ElementType, _ dimensions: [Int], _ bytes: [UInt8], segment: Bool) throws -> [UInt8] {
      var definition = smallModel()
      definition.tensors.append(
        ConstantTensor(name: "odd", elementType: .uint8, dimensions: [bytes.count], storage: .inline(bytes)))
      var options = WriterOptions()
      options.inlineBytes = segment ? 0 : 1 << 20
      options.segmentCodec = .raw
      var parts = try ContainerParts(try ModelWriter(options: options).encode(definition))
      let stored = try open(parts.sealed()).definition.tensors
      definition.tensors = stored
      definition.tensors[2].elementType = type
      definition.tensors[2].dimensions = dimensions
      parts.graph = try ModelEncoder.encode(definition, needs: Needs(), storage: stored.map(\.storage))
      return parts.sealed()
    }
    for segment in [false, true] {
      refused(try file(.bool, [3], [0, 1, 2], segment: segment), .invalidModel, "neither 0 nor 1")
      refused(try file(.int4, [3], [0xFF, 0x1F], segment: segment), .invalidModel, "unused bits")
      refused(try file(.float32, [3], [0, 0, 0], segment: segment), .invalidModel, "do not fit")
      refused(try file(.string, [1], [0, 0, 0], segment: segment), .invalidModel, "too short")
      refused(try file(.string, [1], [0, 0, 0, 0, 0, 0, 0], segment: segment), .invalidModel, "too short")
      refused(try file(.string, [], [UInt8](repeating: 0, count: 15), segment: segment), .invalidModel, "too short")
      refused(
        try file(.string, [1], [UInt8](repeating: 0, count: 8) + [2, 0, 0, 0, 0, 0, 0, 0, 65], segment: segment),
        .invalidModel, "not ascending")
      refused(
        try file(.string, [1], [UInt8](repeating: 0, count: 8) + [1, 0, 0, 0, 0, 0, 0, 0, 0xFF], segment: segment),
        .invalidModel, "not UTF-8")
      refused(
        try file(.string, [1], [UInt8](repeating: 0, count: 8) + [1, 0, 0, 0, 0, 0, 0, 0, 65, 66], segment: segment),
        .invalidModel, "behind the last string")
      #expect(status(try file(.string, [0], [UInt8](repeating: 0, count: 8), segment: segment)) == nil)
    }
  }

  /// A vector of many offsets to one large vector, or table: small in the file, endless to follow.
  @Test func sharingDoesNotBlowUpTheWork() throws {
    let schema = try SchemaBuilder()
    let builder = schema.builder
    let values = [UInt8](repeating: 1, count: 0) + quarters(50_000)
    let shared = apusw_ints_attribute(builder, schema.int64s([Int64](repeating: 0, count: values.count / 8)))
    let attributes = (0..<1000).map { apusw_attribute(builder, schema.text(Name("a\(10_000 + $0)")), shared) }
    let node = apusw_node(builder, 0, 0, 0, 0, schema.places(attributes))
    let graph = apusw_graph(builder, 0, -1, 0, schema.places([node]), 0, 0, 0)
    let add = apusw_operator(builder, schema.text("ai.onnx"), schema.text("Add"), 1)
    var count = 0
    let bytes = try #require(
      apusw_finish_model(builder, 0, schema.places([add]), 0, schema.places([graph]), 0, 0, &count))
    var parts = try good()
    parts.graph = Array(UnsafeBufferPointer(start: bytes, count: count))
    #expect(verifies(parts.graph, apusw_verify_model))
    refused(parts.sealed(), .malformed, "shared")
  }

  @Test func sharedStringsAreRead() throws {
    let schema = try SchemaBuilder()
    let builder = schema.builder
    let name = schema.text("Relu")
    let relu = apusw_operator(builder, schema.text("ai.onnx"), name, 14)
    let node = apusw_node(builder, name, 0, 0, 0, 0)
    let graph = apusw_graph(builder, name, -1, 0, schema.places([node]), 0, 0, 0)
    var count = 0
    let bytes = try #require(
      apusw_finish_model(builder, 0, schema.places([relu]), 0, schema.places([graph]), 0, 0, &count))
    var parts = try good()
    (parts.graph, parts.metadata, parts.records, parts.segments) = (
      Array(UnsafeBufferPointer(start: bytes, count: count)), [], [], []
    )
    let file = try openWhole(parts.sealed())
    #expect(file.definition.graphs[0].nodes[0].name == "Relu")
    #expect(file.definition.metadata.producer.isEmpty)
  }
}
