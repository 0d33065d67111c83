import Glibc

/// The elements of a tensor: 64-byte aligned floats, shared by every tensor that is a view of them.
final class Storage {
  let pointer: UnsafeMutablePointer<Float>
  let count: Int
  private let capacity: Int
  private let cache: BufferCache?

  /// Undefined contents. With a cache the memory comes from there and goes back to it.
  init(count: Int, cache: BufferCache? = nil) {
    self.count = count
    self.cache = cache
    capacity = BufferCache.capacity(for: count)
    pointer = cache?.take(capacity) ?? BufferCache.allocate(capacity)
  }

  convenience init(count: Int, filledWith value: Float, cache: BufferCache? = nil) {
    self.init(count: count, cache: cache)
    pointer.update(repeating: value, count: count)
  }

  convenience init(_ values: [Float], cache: BufferCache? = nil) {
    self.init(count: values.count, cache: cache)
    values.withUnsafeBufferPointer { source in
      if let base = source.baseAddress { pointer.update(from: base, count: source.count) }
    }
  }

  deinit {
    if let cache { cache.giveBack(pointer, capacity) } else { free(pointer) }
  }

  var values: [Float] { Array(UnsafeBufferPointer(start: pointer, count: count)) }

  /// The same memory as 32-bit integers: index tables that a forward leaves for its backward.
  var integers: UnsafeMutablePointer<Int32> {
    UnsafeMutableRawPointer(pointer).assumingMemoryBound(to: Int32.self)
  }
}

/// Buffers kept for reuse. A training step allocates the same sizes again and again; fresh pages from the system would cost
/// more than the arithmetic on them.
final class BufferCache {
  private var free: [Int: [UnsafeMutablePointer<Float>]] = [:]
  private var keptBytes = 0
  /// Above this, buffers go back to the system.
  private let limit = 1 << 30

  deinit {
    for buffers in free.values { for buffer in buffers { Glibc.free(buffer) } }
  }

  func take(_ capacity: Int) -> UnsafeMutablePointer<Float>? {
    guard let buffer = free[capacity]?.popLast() else { return nil }
    keptBytes -= capacity * 4
    return buffer
  }

  func giveBack(_ buffer: UnsafeMutablePointer<Float>, _ capacity: Int) {
    guard keptBytes + capacity * 4 <= limit else {
      Glibc.free(buffer)
      return
    }
    keptBytes += capacity * 4
    free[capacity, default: []].append(buffer)
  }

  /// `count` rounded up, by at most an eighth, so that near sizes share buffers.
  static func capacity(for count: Int) -> Int {
    guard count > 64 else { return 64 }
    let step = max(64, 1 << max(0, Int.bitWidth - count.leadingZeroBitCount - 4))
    return (count + step - 1) / step * step
  }

  static func allocate(_ capacity: Int) -> UnsafeMutablePointer<Float> {
    var raw: UnsafeMutableRawPointer?
    guard posix_memalign(&raw, 64, capacity * 4) == 0, let raw else {
      fatalError("out of memory: a tensor of \(capacity) elements")
    }
    return raw.bindMemory(to: Float.self, capacity: capacity)
  }
}
