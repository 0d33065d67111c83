import ApusFormat
import ApusFormatWriter
import ApusGraph
import Foundation
import Testing

@Suite struct WriterTests {
  @Test func sameModelSameBytes() throws {
    for seed in UInt64(100)..<105 {
      var first = RandomModels(seed: seed)
      var second = RandomModels(seed: seed)
      #expect(try ModelWriter().encode(first.model()) == ModelWriter().encode(second.model()))
    }
  }

  @Test func automaticChoosesWhatSavesMost() throws {
    var generator = Generator(seed: 1)
    func segment(_ bytes: [UInt8], _ type: ElementType) throws -> SegmentRecord {
      try open(try ModelWriter().encode(model(weights: bytes, type: type))).segments[0]
    }
    let noise = try segment(generator.bytes(100_000), .uint8)
    #expect(noise.codec == .raw)
    let text = try segment((0..<100_000).map { UInt8($0 % 7) }, .uint8)
    #expect(text.codec == .zstd && text.filter == .none && text.storedSize < 1000)
    // Bell-shaped weights: exponents repeat, mantissas do not.
    var floats: [UInt8] = []
    for _ in 0..<50_000 {
      let sum = (0..<12).reduce(Float(0)) { (sum, _) in sum + Float(generator.below(1 << 20)) / Float(1 << 20) } - 6
      withUnsafeBytes(of: (sum * 0.05).bitPattern.littleEndian) { floats += $0 }
    }
    let weights = try segment(floats, .float32)
    #expect(weights.codec == .zstd && weights.filter == .bytePlanes && weights.filterWidth == 4)
    #expect(weights.storedSize * 10 < weights.rawSize * 9)
  }

  @Test func nearlyConstantTensorsStayInsideTheAllowedRatio() throws {
    let bytes = try ModelWriter().encode(model(weights: [UInt8](repeating: 0, count: 64 << 20)))
    let file = try openWhole(bytes)
    #expect(file.segments[0].chunkLog2 == 14)
    #expect(bytes.count < 100_000)
  }

  @Test func largeRawSegmentsCanBeMapped() throws {
    var options = WriterOptions()
    options.segmentCodec = .raw
    for (size, alignment) in [((256 << 10) - 4, UInt64(64)), (256 << 10, 16 << 10)] {
      let bytes = try ModelWriter(options: options).encode(model(weights: [UInt8](repeating: 1, count: size)))
      let record = try open(bytes).segments[0]
      #expect(record.offset % alignment == 0)
      #expect(alignment > 64 || record.offset % 16384 != 0)
    }
  }

  @Test func smallTensorsShareSegmentsByWidth() throws {
    var definition = smallModel()
    for index in 0..<20 {
      let type = index % 2 == 0 ? ElementType.float32 : .int8
      definition.tensors.append(
        ConstantTensor(
          name: Name("t\(index)"), elementType: type, dimensions: [8000 / type.byteWidth!],
          storage: .inline([UInt8](repeating: UInt8(index), count: 8000))))
    }
    let file = try openWhole(try ModelWriter().encode(definition))
    #expect(file.segments.count == 2)
    #expect(try file.tensorBytes(21).allSatisfy { $0 == 19 })
  }

  @Test func tensorDataIsAskedForInPieces() throws {
    let size = 10_000_000
    var definition = smallModel()
    definition.tensors.append(
      ConstantTensor(
        name: "streamed", elementType: .uint8, dimensions: [size],
        storage: .segment(index: 0, offset: 0, length: UInt64(size))))
    var largest = 0
    let bytes = try ModelWriter().encode(definition) { (tensor, offset, target) throws(ApusError) in
      #expect(tensor == .model(2))
      largest = max(largest, target.count)
      for index in 0..<target.count { target[index] = UInt8(truncatingIfNeeded: (Int(offset) + index) / 1000) }
    }
    #expect(largest <= 4 << 20)
    let file = try openWhole(bytes)
    let read = try file.tensorBytes(2)
    #expect((0..<size).allSatisfy { read[$0] == UInt8(truncatingIfNeeded: $0 / 1000) })
  }

  @Test func failureLeavesTheOldFile() throws {
    let directory = try TemporaryDirectory()
    let path = try directory.file("model.apus", [1, 2, 3])
    var definition = smallModel()
    definition.tensors.append(
      ConstantTensor(
        name: "streamed", elementType: .uint8, dimensions: [1 << 20],
        storage: .segment(index: 0, offset: 0, length: 1 << 20)))
    do throws(ApusError) {
      try ModelWriter().write(definition, to: path) { (_, _, _) throws(ApusError) in throw ApusError(.cancelled, "stop") }
      Issue.record("written without its data")
    } catch { #expect(error.status == .cancelled) }
    #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == Data([1, 2, 3]))
    #expect(try FileManager.default.contentsOfDirectory(atPath: directory.path) == ["model.apus"])
    let summary = try ModelWriter().write(smallModel(), to: path)
    let file = try ModelFile(.path(path))
    #expect(file.modelID == summary.modelID && file.header?.fileLength == summary.fileLength)
    #expect(try FileManager.default.contentsOfDirectory(atPath: directory.path) == ["model.apus"])
    #expect(throws: ApusError.self) { try ModelWriter().write(smallModel(), to: "/nowhere/model.apus") }
  }

  @Test func unsoundModelsAreNotWritten() throws {
    func error(_ change: (inout ModelDefinition) -> Void) -> ApusError? {
      var definition = smallModel()
      change(&definition)
      do throws(ApusError) {
        _ = try ModelWriter().encode(definition)
        return nil
      } catch { return error }
    }
    #expect(error { $0.graphs[0].values[0].name = Name(bytes: [0x66, 0]) }?.status == .invalidModel)
    #expect(error { $0.graphs[0].values[0].name = Name(bytes: [0xFF]) }?.status == .invalidModel)
    #expect(error { $0.graphs[0].nodes[0].inputs = [4] }?.status == .invalidModel)
    #expect(error { $0.tensors[0].storage = .inline([]) }?.status == .invalidModel)
    #expect(error { $0.metadata.sourceHash = [1] }?.status == .invalidModel)
    #expect(error { $0.tensors[0].storage = .segment(index: 0, offset: 0, length: 24) }?.status == .invalidArgument)
  }

  @Test func identityNamesContentsAndNotMetadata() throws {
    func identity(_ change: (inout ModelDefinition) -> Void) throws -> [UInt8] {
      var definition = model(weights: quarters(5000), type: .float32)
      change(&definition)
      return try open(try ModelWriter().encode(definition)).modelID
    }
    let base = try identity { _ in }
    #expect(try identity { $0.metadata = Metadata() } == base)
    #expect(try identity { $0.tensors[2].storage = .inline([1] + quarters(5000).dropFirst()) } != base)
    #expect(try identity { $0.graphs[0].nodes[0].name = "other" } != base)
  }

  @Test func wrongIdentityIsNoticed() throws {
    var bytes = try ModelWriter().encode(smallModel())
    bytes[90] ^= 1
    let file = try openWhole(resealHeader(bytes))
    #expect(throws: ApusError.self) { try ModelIdentity.check(file) }
  }
}
