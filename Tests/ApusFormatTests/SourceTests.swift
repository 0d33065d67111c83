import ApusFormat
import ApusFormatWriter
import ApusGraph
import CApusPlatform
import Foundation
import Synchronization
import Testing

/// A directory that goes with its owner.
final class TemporaryDirectory {
  let path: String

  init() throws {
    path = FileManager.default.temporaryDirectory.appendingPathComponent("apus-\(UUID().uuidString)").path
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  func file(_ name: String, _ bytes: [UInt8]) throws -> String {
    let file = path + "/" + name
    try Data(bytes).write(to: URL(fileURLWithPath: file))
    return file
  }
}

/// Every way in gives the same model.
@Suite struct SourceTests {
  private let bytes: [UInt8]
  private let expected: String

  init() throws {
    var generator = Generator(seed: 9)
    var definition = model(weights: generator.bytes(300_000))
    definition.tensors.append(
      ConstantTensor(
        name: "floats", elementType: .float32, dimensions: [50_000], storage: .inline(quarters(50_000))))
    definition.metadata.testVectors[0].inputs[0].tensor.dimensions = [30_000, 3]
    definition.metadata.testVectors[0].inputs[0].tensor.storage = .inline(quarters(90_000))
    bytes = try ModelWriter().encode(definition)
    expected = try text(of: definition)
  }

  private func check(_ file: ModelFile) throws {
    try file.verifyAll()
    #expect(file.segments.map(\.codec) == [.raw, .zstd, .zstd])
    #expect(try text(of: file.definition, file: file) == expected)
    try file.releaseDecoded()
    #expect(try text(of: file.definition, file: file) == expected)
  }

  @Test func pathAndMappedPath() throws {
    let directory = try TemporaryDirectory()
    let path = try directory.file("model.apus", bytes)
    try check(try ModelFile(.path(path)))
    try check(try ModelFile(.mappedPath(path)))
  }

  @Test func mappedRawSegmentIsUsedInPlace() throws {
    let directory = try TemporaryDirectory()
    let memory = try BulkMemory()
    let file = try ModelFile(.mappedPath(try directory.file("model.apus", bytes)), memory: memory)
    let before = memory.bytesInUse
    #expect(try file.tensorBytes(2).count == 300_000)
    #expect(memory.bytesInUse == before)
    #expect(file.segments[0].offset % 16384 == 0)
  }

  @Test func borrowedMemoryIsReleasedWithTheModel() throws {
    let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count + 1, alignment: 64)
    defer { copy.deallocate() }
    // At every alignment: a base that is not aligned costs a copy of raw segments.
    for shift in [0, 1] {
      let part = UnsafeMutableRawBufferPointer(rebasing: copy[shift..<shift + bytes.count])
      part.copyBytes(from: bytes)
      try check(try ModelFile(.memory(BorrowedBytes(UnsafeRawBufferPointer(part)))))
      let counter = Counter()
      do {
        let lent = BorrowedBytes(UnsafeRawBufferPointer(part)) { counter.count.add(1, ordering: .relaxed) }
        let file = try ModelFile(.memory(lent))
        #expect(try file.tensorBytes(2).count == 300_000)
        #expect(counter.count.load(ordering: .relaxed) == 0)
      }
      #expect(counter.count.load(ordering: .relaxed) == 1)
    }
  }

  private final class Counter: Sendable {
    let count = Atomic<Int>(0)
  }

  @Test func descriptorInTheMiddleOfAFile() throws {
    let directory = try TemporaryDirectory()
    let path = try directory.file("bundle", [UInt8](repeating: 7, count: 100) + bytes + [1, 2, 3])
    let handle = try #require(FileHandle(forReadingAtPath: path))
    try check(
      try ModelFile(.fileDescriptor(handle.fileDescriptor, offset: 100, length: UInt64(bytes.count))))
    #expect(throws: ApusError.self) { try ModelFile(.fileDescriptor(handle.fileDescriptor, offset: 100)) }
    #expect(throws: ApusError.self) { try ModelFile(.fileDescriptor(handle.fileDescriptor, offset: 1 << 40)) }
  }

  @Test func pipe() throws {
    let pipe = Pipe()
    let copy = bytes
    let writer = Thread { [handle = pipe.fileHandleForWriting] in
      try? handle.write(contentsOf: Data(copy))
      try? handle.close()
    }
    writer.start()
    try check(try ModelFile(.fileDescriptor(pipe.fileHandleForReading.fileDescriptor)))
  }

  @Test(arguments: [1, 7, 4096, 1 << 20]) func sequentialCallback(piece: Int) throws {
    let bytes = piece == 1 ? try ModelWriter().encode(smallModel()) : bytes
    let position = Counter()
    let file = try ModelFile(
      .reader { (target) throws(ApusError) in
        let start = position.count.load(ordering: .relaxed)
        let count = min(piece, target.count, bytes.count - start)
        target.copyBytes(from: bytes[start..<start + count])
        position.count.store(start + count, ordering: .relaxed)
        return count
      })
    if piece == 1 { try file.verifyAll() } else { try check(file) }
  }

  @Test func positionedCallback() throws {
    let bytes = bytes
    let file = try ModelFile(
      .positionedReader(byteCount: UInt64(bytes.count)) { (offset, target) throws(ApusError) in
        let count = min(1000, target.count)
        target.copyBytes(from: bytes[Int(offset)..<Int(offset) + count])
        return count
      })
    try check(file)
  }

  @Test func readersThatMisbehave() throws {
    func error(_ source: ByteSource) -> ApusError? {
      do throws(ApusError) {
        _ = try ModelFile(source)
        return nil
      } catch { return error }
    }
    #expect(error(.reader { (_) throws(ApusError) in 0 })?.status == .truncated)
    #expect(error(.reader { (_) throws(ApusError) in -1 })?.status == .inputOutput)
    #expect(error(.reader { (target) throws(ApusError) in target.count + 1 })?.status == .inputOutput)
    let own = error(.reader { (_) throws(ApusError) in throw ApusError(.cancelled, "mine") })
    #expect(own?.status == .cancelled && own?.message == "mine")
    #expect(error(.path("/nowhere/at all.apus"))?.status == .fileNotFound)
    #expect(error(.path("/nowhere/at all.apus"))?.file == "/nowhere/at all.apus")
    #expect(error(.path("/"))?.status == .inputOutput)
    #expect(error(.mappedPath("/dev/null"))?.status != nil)
    #expect(error(.path("a\0b"))?.status == .invalidArgument)
  }

  @Test(arguments: [Int32(2), 3, 8]) func poolDecodesTheSameBytes(threads: Int32) throws {
    var generator = Generator(seed: UInt64(threads))
    let weights = generator.bytes(100).flatMap { [UInt8](repeating: $0 & 15, count: 12_345) }
    var options = WriterOptions()
    options.segmentCodec = .bytePlanesZstd
    options.chunkLog2 = 14
    let bytes = try ModelWriter(options: options).encode(model(weights: Array(weights[0..<1_200_000]), type: .float32))
    let file = try open(bytes)
    let memory = try BulkMemory()
    var created: OpaquePointer?
    #expect(apusp_pool_create(memory.handle, threads, &created) == 0)
    let pool = try #require(created)
    defer { apusp_pool_release(pool) }
    #expect(try file.tensorBytes(2, on: pool).elementsEqual(weights[0..<1_200_000]))
  }

  private func withPool(_ threads: Int32, _ body: (OpaquePointer?) throws -> Void) throws {
    let memory = try BulkMemory()
    var pool: OpaquePointer?
    if threads > 0 { #expect(apusp_pool_create(memory.handle, threads, &pool) == 0) }
    defer { if let pool { apusp_pool_release(pool) } }
    try body(pool)
  }

  /// A file of small segments in all codecs, one of several chunks, and tensors that share one.
  private func manySegments(_ codec: WriterOptions.SegmentCodec) throws -> [UInt8] {
    var generator = Generator(seed: 31)
    var definition = model(weights: generator.bytes(300_000).map { $0 & 31 })
    for index in 0..<12 {
      definition.tensors.append(
        ConstantTensor(
          name: Name("floats \(index)"), elementType: .float32, dimensions: [2000 * (index + 1)],
          storage: .inline(quarters(2000 * (index + 1)))))
    }
    var options = WriterOptions()
    options.segmentCodec = codec
    options.chunkLog2 = 16
    options.ownSegmentBytes = 64
    return try ModelWriter(options: options).encode(definition)
  }

  @Test(arguments: [Int32(0), 2, 3], [WriterOptions.SegmentCodec.raw, .zstd, .bytePlanesZstd])
  func forEachGivesEverySegmentOnce(threads: Int32, codec: WriterOptions.SegmentCodec) throws {
    /// Each checksum is written by the one call for its segment.
    final class Seen: @unchecked Sendable {
      let checksums: UnsafeMutableBufferPointer<UInt64>
      let calls = Atomic<Int>(0)
      init(_ count: Int) {
        checksums = .allocate(capacity: count)
        checksums.initialize(repeating: 0)
      }
      deinit { checksums.deallocate() }
    }
    let bytes = try manySegments(codec)
    let directory = try TemporaryDirectory()
    let path = try directory.file("model.apus", bytes)
    let copy = bytes
    let reader = ByteSource.positionedReader(byteCount: UInt64(copy.count)) { (offset, target) throws(ApusError) in
      target.copyBytes(from: copy[Int(offset)..<Int(offset) + target.count])
      return target.count
    }
    for source in [ByteSource.path(path), .mappedPath(path), reader] {
      let memory = try BulkMemory()
      let file = try ModelFile(source, memory: memory)
      let expected = try file.segments.indices.map { Checksum.of(try file.segmentBytes($0)) }
      #expect(expected.count > 4)
      try file.releaseDecoded()
      let before = memory.bytesInUse
      try withPool(threads) { pool in
        let seen = Seen(expected.count + 1)
        try file.forEach(expected.indices.map { $0 } + [nil], on: pool) { (index, bytes) throws(ApusError) in
          seen.checksums[index] = Checksum.of(bytes)
          seen.calls.add(1, ordering: .relaxed)
        }
        #expect(seen.calls.load(ordering: .relaxed) == expected.count + 1)
        #expect(Array(seen.checksums.prefix(expected.count)) == expected)
      }
      #expect(memory.bytesInUse == before, "nothing that was decoded stays")
    }
  }

  @Test(arguments: [Int32(0), 2]) func forEachThrowsTheFirstErrorInOrder(threads: Int32) throws {
    var bytes = try manySegments(.zstd)
    let good = try open(bytes)
    let damaged = [3, 5].map { good.segments[$0] }
    for record in damaged { bytes[Int(record.offset) + 20] ^= 0x40 }
    let file = try open(bytes)
    try withPool(threads) { pool in
      do throws(ApusError) {
        try file.forEach([5, 0, 3], on: pool) { (_, _) throws(ApusError) in }
        Issue.record("a damaged segment was taken")
      } catch {
        #expect(error.status == .checksumMismatch && error.fileOffset == damaged[1].offset)
      }
      do throws(ApusError) {
        try file.forEach([0, 1, 2], on: pool) { (index, _) throws(ApusError) in
          if index > 0 { throw ApusError(.cancelled, "mine", actual: "\(index)") }
        }
        Issue.record("the body's error was lost")
      } catch { #expect(error.status == .cancelled && error.actual == "1") }
    }
  }

  @Test func takenBytesAreTheTensorsOwn() throws {
    let directory = try TemporaryDirectory()
    let path = try directory.file("model.apus", try manySegments(.zstd))
    let file = try ModelFile(.path(path))
    let all = try file.tensorBytes(2)
    let (expected, start) = (Array(all), all.baseAddress)
    let taken = try #require(try file.takeBytes(2))
    #expect(UnsafeRawPointer(taken.pointer) == start && Array(taken.bytes) == expected)
    #expect(try file.takeBytes(2) == nil, "not touched since")
    #expect(try Array(file.tensorBytes(2)) == expected)
    #expect(try !file.isLent(2))
    let mapped = try ModelFile(.mappedPath(try directory.file("raw.apus", try manySegments(.raw))))
    _ = try mapped.tensorBytes(2)
    #expect(try mapped.isLent(2) && mapped.takeBytes(2) == nil)
  }

  @Test func severalThreadsTouchOneFile() throws {
    let file = try open(bytes)
    let expected = expected
    DispatchQueue.concurrentPerform(iterations: 8) { _ in
      #expect((try? text(of: file.definition, file: file)) == expected)
    }
  }
}
