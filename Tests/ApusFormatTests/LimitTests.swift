import ApusFormat
import ApusFormatWriter
import ApusGraph
import Testing

@Suite struct LimitTests {
  private func error(_ bytes: [UInt8], _ memory: BulkMemory? = nil, _ change: (inout Limits) -> Void) -> ApusError? {
    var limits = Limits()
    change(&limits)
    do throws(ApusError) {
      let file = try open(bytes, limits: limits, memory: memory)
      try file.verifyAll()
      return nil
    } catch { return error }
  }

  @Test func eachLimitIsKept() throws {
    let bytes = try ModelWriter().encode(model(weights: [UInt8](repeating: 1, count: 100_000)))
    #expect(error(bytes) { _ in } == nil)
    let cases: [(String, (inout Limits) -> Void)] = [
      ("file", { $0.fileBytes = UInt64(bytes.count) - 1 }),
      ("decompressed", { $0.decompressedBytes = 100_000 }),
      ("section", { $0.sectionBytes = 100 }),
      ("memory", { $0.memoryBytes = 100_000 }),
      ("operators", { $0.operators = 1 }),
      ("rank", { $0.rank = 1 }),
      ("elements", { $0.elements = 99_999 }),
    ]
    for (name, change) in cases { #expect(error(bytes, nil, change)?.status == .limitExceeded, "\(name)") }
    #expect(error(bytes) { $0.fileBytes = UInt64(bytes.count) } == nil)
    #expect(error(bytes) { $0.operators = 2 } == nil)
    #expect(error(bytes) { $0.rank = 2 } == nil)
    #expect(error(bytes) { $0.elements = 100_000 } == nil)
  }

  /// Half of the graph section is zero bytes that a frame makes out of almost nothing.
  @Test func ratioIsRefusedBeforeAnythingIsAllocated() throws {
    var parts = try ContainerParts(try ModelWriter().encode(model(weights: [UInt8](repeating: 0, count: 4_000_000))))
    #expect(status(parts.sealed()) == nil)
    parts.records[0].rawSize = 1 << 40
    let memory = try BulkMemory()
    let found = error(parts.sealed(), memory) { _ in }
    #expect(found?.status == .malformed)
    #expect(memory.peakBytes < 100_000)
  }

  @Test func statedSizesCostNothingWhileTheirBytesDoNotCome() throws {
    var good = try ContainerParts(try ModelWriter().encode(smallModel()))
    good.header.fileLength = 1 << 39
    good.header.graph.storedSize = 200 << 20
    good.header.graph.rawSize = 200 << 20
    let head = good.header.encoded()
    let memory = try BulkMemory()
    nonisolated(unsafe) var isFirst = true
    do throws(ApusError) {
      _ = try ModelFile(
        .reader { (target) throws(ApusError) in
          if !isFirst { return 0 }
          isFirst = false
          target.copyBytes(from: head)
          return head.count
        }, memory: memory)
      Issue.record("a file without sections was opened")
    } catch { #expect(error.status == .truncated) }
    #expect(memory.peakBytes <= 1 << 20)
  }

  @Test func everyFailedAllocationIsAStatusAndLeaksNothing() throws {
    let bytes = try ModelWriter().encode(model(weights: [UInt8](repeating: 3, count: 100_000)))
    let whole = try BulkMemory()
    _ = try open(bytes, memory: whole).verifyAll()
    #expect(whole.bytesInUse == 0)
    var limit: UInt64 = 0
    while limit < whole.peakBytes {
      let memory = try BulkMemory(limit: limit)
      do throws(ApusError) {
        try open(bytes, memory: memory).verifyAll()
        Issue.record("a limit of \(limit) was passed")
      } catch { #expect(error.status == .limitExceeded) }
      #expect(memory.bytesInUse == 0)
      limit += 997
    }
  }
}
