import CApusPlatform
import Testing

@Suite struct MemoryTests {
  @Test(arguments: [1, 63, 64, 65, 4096, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, (4 << 20) + 12345, 40 << 20])
  func blocksAreAlignedWritableAndCounted(size: Int) throws {
    let memory = try TestMemory()
    for alignment in [1, 8, 64, 256, 4096, 16384, 2 << 20, 4 << 20] {
      var status: Int32 = -1
      let block = try #require(apusp_allocate(memory.pointer, size, alignment, &status))
      #expect(status == 0)
      #expect(Int(bitPattern: block) % max(alignment, 64) == 0)
      #expect(apusp_memory_in_use(memory.pointer) == UInt64(size))
      block.storeBytes(of: 0xA5, as: UInt8.self)
      block.storeBytes(of: 0x5A, toByteOffset: size - 1, as: UInt8.self)
      #expect(block.load(fromByteOffset: size - 1, as: UInt8.self) == 0x5A)
      apusp_free(memory.pointer, block, size, alignment)
      #expect(apusp_memory_in_use(memory.pointer) == 0)
    }
    #expect(apusp_memory_peak(memory.pointer) == UInt64(size))
  }

  @Test func limitHoldsToTheByte() throws {
    let memory = try TestMemory(limit: 1000)
    var status: Int32 = 0
    let first = apusp_allocate(memory.pointer, 600, 64, &status)
    #expect(first != nil)
    #expect(apusp_allocate(memory.pointer, 401, 64, &status) == nil)
    #expect(status == Int32(APUSP_LIMIT_EXCEEDED))
    let second = apusp_allocate(memory.pointer, 400, 64, &status)
    #expect(second != nil && status == 0)
    #expect(apusp_allocate(memory.pointer, 0, 64, &status) == nil, "an empty block counts as one byte")
    apusp_free(memory.pointer, first, 600, 64)
    apusp_free(memory.pointer, second, 400, 64)
    #expect(apusp_memory_peak(memory.pointer) == 1000)
    apusp_memory_reset_peak(memory.pointer)
    #expect(apusp_memory_peak(memory.pointer) == 0)
    #expect(apusp_allocate(memory.pointer, Int.max, 64, &status) == nil)
    #expect(status == Int32(APUSP_LIMIT_EXCEEDED))
  }

  // AddressSanitizer needs ASAN_OPTIONS=allocator_may_return_null=1 here.
  @Test func sizesBeyondTheAddressSpaceAreOutOfMemory() throws {
    let memory = try TestMemory()
    var status: Int32 = 0
    for size in [Int.max, Int.max - 64, Int(bitPattern: UInt.max), Int(bitPattern: UInt.max - 4096)] {
      #expect(apusp_allocate(memory.pointer, size, 64, &status) == nil)
      #expect(status == Int32(APUSP_OUT_OF_MEMORY))
      #expect(apusp_memory_in_use(memory.pointer) == 0)
    }
  }

  @Test func badArgumentsAreRefused() throws {
    let memory = try TestMemory()
    var status: Int32 = 0
    for alignment in [0, 3, 96] {
      #expect(apusp_allocate(memory.pointer, 8, alignment, &status) == nil)
      #expect(status == Int32(APUSP_INVALID_ARGUMENT))
    }
    var half = apusp_memory_hooks()
    half.allocate = { _, _, _ in nil }
    var created: OpaquePointer?
    #expect(apusp_memory_create(&half, .max, &created) == Int32(APUSP_INVALID_ARGUMENT))
    #expect(created == nil)
    apusp_free(memory.pointer, nil, 10, 64)
  }

  @Test func hooksGetEveryBlockBackWithItsSizeAndAlignment() throws {
    let allocator = CountingAllocator()
    do {
      let memory = try TestMemory(hooks: allocator.hooks, limit: 1 << 20)
      #expect(apusp_memory_in_use(memory.pointer) == 0, "the object itself is outside of the counters")
      var kept: [(UnsafeMutableRawPointer, Int, Int)] = []
      for i in 0..<100 {
        let size = i * 37, alignment = 1 << (i % 13)
        kept.append((try #require(apusp_allocate(memory.pointer, size, alignment, nil)), size, alignment))
      }
      #expect(apusp_memory_in_use(memory.pointer) == UInt64(kept.reduce(0) { $0 + max($1.1, 1) }))
      for (block, size, alignment) in kept { apusp_free(memory.pointer, block, size, alignment) }
      #expect(apusp_memory_in_use(memory.pointer) == 0)
    }
    #expect(allocator.blocks.load(ordering: .relaxed) == 0)
    #expect(allocator.bytes.load(ordering: .relaxed) == 0)
    #expect(allocator.badAlignments.load(ordering: .relaxed) == 0)
  }

  @Test func aFailingHookIsOutOfMemoryAndLeavesTheCountersAlone() throws {
    let allocator = CountingAllocator()
    allocator.failFrom.store(0, ordering: .relaxed)
    #expect(throws: PlatformFailure.self) { _ = try TestMemory(hooks: allocator.hooks) }
    allocator.failFrom.store(2, ordering: .relaxed)  // the failed creation above was number 0
    let memory = try TestMemory(hooks: allocator.hooks)
    var status: Int32 = 0
    #expect(apusp_allocate(memory.pointer, 100, 64, &status) == nil)
    #expect(status == Int32(APUSP_OUT_OF_MEMORY))
    #expect(apusp_memory_in_use(memory.pointer) == 0)
    #expect(apusp_memory_peak(memory.pointer) == 0)
  }

  @Test func manyThreadsNeverPassTheLimit() throws {
    let limit: UInt64 = 10_000
    let memory = try TestMemory(limit: limit)
    inParallel(4) { thread in
      var held: [Int] = []
      var blocks: [UnsafeMutableRawPointer] = []
      var random = SplitMix(seed: UInt64(thread) + 1)
      for _ in 0..<2000 {
        let size = 1 + Int(random.next() % 3000)
        if let block = apusp_allocate(memory.pointer, size, 64, nil) {
          held.append(size)
          blocks.append(block)
        }
        while blocks.count > 2 { apusp_free(memory.pointer, blocks.removeFirst(), held.removeFirst(), 64) }
      }
      for (block, size) in zip(blocks, held) { apusp_free(memory.pointer, block, size, 64) }
    }
    #expect(apusp_memory_in_use(memory.pointer) == 0)
    #expect(apusp_memory_peak(memory.pointer) <= limit)
    #expect(apusp_memory_peak(memory.pointer) > 0)
  }
}
