import ApusFormat
import ApusGraph

/// Memory of tensors that runs make, kept for the next ones.
final class Recycler {
  let memory: BulkMemory
  private var free: [BulkBuffer] = []
  private static let kept = 64

  init(memory: BulkMemory) { self.memory = memory }

  /// The smallest free piece that fits without wasting more than it holds; else a new one.
  func take(byteCount: Int) throws(ApusError) -> BulkBuffer {
    var best: Int?
    for (index, buffer) in free.enumerated()
    where buffer.byteCount >= byteCount && buffer.byteCount / 4 <= byteCount + 1024 {
      if let found = best, free[found].byteCount <= buffer.byteCount { continue }
      best = index
    }
    if let best { return free.remove(at: best) }
    return try memory.allocate(byteCount: byteCount, purpose: "a tensor made at run time")
  }

  fileprivate func give(_ buffer: BulkBuffer) {
    if free.count == Recycler.kept { free.removeFirst() }
    free.append(buffer)
  }
}

/// Memory that tensors share; it goes back where it came from with the last of them.
package final class TensorMemory {
  fileprivate let buffer: BulkBuffer
  private let recycler: Recycler?

  fileprivate init(_ buffer: BulkBuffer, _ recycler: Recycler?) {
    self.buffer = buffer
    self.recycler = recycler
  }

  deinit { recycler?.give(buffer) }
}

/// A tensor that exists while a model runs. Immutable once it is written.
public struct RuntimeTensor {
  public let elementType: ElementType
  public let extents: [Int]
  public let byteCount: Int
  package let pointer: UnsafeMutableRawPointer?
  /// Keeps the memory alive; nil for memory of the model or of the caller.
  package let owner: TensorMemory?

  /// Dense, row-major, little-endian; 4- and 2-bit elements packed low bits first. Strings: 64-bit offsets, one more than
  /// elements, then the text.
  public var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: pointer, count: byteCount) }

  /// For whoever makes the tensor, before it is handed on.
  package var mutableBytes: UnsafeMutableRawBufferPointer { UnsafeMutableRawBufferPointer(start: pointer, count: byteCount) }

  public var elementCount: Int { extents.reduce(1) { $0 &* $1 } }

  public var type: TensorType { TensorType(elementType, Shape(extents)) }

  /// A tensor of numbers, not initialized.
  /// - Throws: `limit_exceeded`, `out_of_memory`.
  package init(_ elementType: ElementType, _ extents: [Int], memory: BulkMemory) throws(ApusError) {
    let byteCount = try RuntimeTensor.byteCount(elementType, extents)
    self.init(
      elementType, extents, byteCount: byteCount,
      storage: try memory.allocate(byteCount: byteCount, purpose: "a tensor made at run time"))
  }

  init(_ elementType: ElementType, _ extents: [Int], recycler: Recycler) throws(ApusError) {
    let byteCount = try RuntimeTensor.byteCount(elementType, extents)
    let buffer = try recycler.take(byteCount: byteCount)
    self.init(elementType, extents, byteCount: byteCount, pointer: buffer.pointer, owner: TensorMemory(buffer, recycler))
  }

  init(_ elementType: ElementType, _ extents: [Int], byteCount: Int, storage: BulkBuffer) {
    self.init(elementType, extents, byteCount: byteCount, pointer: storage.pointer, owner: TensorMemory(storage, nil))
  }

  /// A view of memory; `owner` nil where somebody else sees to it that it stays.
  init(
    _ elementType: ElementType, _ extents: [Int], byteCount: Int, pointer: UnsafeMutableRawPointer?, owner: TensorMemory?
  ) {
    self.elementType = elementType
    self.extents = extents
    self.byteCount = byteCount
    self.pointer = pointer
    self.owner = owner
  }

  private static func byteCount(_ elementType: ElementType, _ extents: [Int]) throws(ApusError) -> Int {
    guard let count = ApusGraph.elementCount(extents), let byteCount = elementType.byteCount(of: count) else {
      throw ApusError(
        .limitExceeded, "a tensor's size does not fit", expected: "a byte count below 2^63",
        actual: Shape(extents).text(symbols: []))
    }
    return byteCount
  }

  /// The same elements with other extents.
  package func reshaped(_ extents: [Int]) -> RuntimeTensor {
    RuntimeTensor(elementType, extents, byteCount: byteCount, pointer: pointer, owner: owner)
  }

  /// The memory as bulk memory, for a tensor that has all of it.
  var storage: BulkBuffer? { owner?.buffer }
}

/// What a value of a graph holds while a model runs.
public indirect enum RuntimeValue {
  case tensor(RuntimeTensor)
  /// The elements, and their type.
  case sequence([RuntimeValue], ValueType)
  /// An optional without a value; one with a value is that value.
  case absent(ValueType)

  public var tensor: RuntimeTensor? {
    if case .tensor(let tensor) = self { tensor } else { nil }
  }

  public var type: ValueType {
    switch self {
    case .tensor(let tensor): .tensor(tensor.type)
    case .sequence(_, let element): .sequence(element)
    case .absent(let element): .optional(element)
    }
  }
}

// MARK: Strings

extension RuntimeTensor {
  /// A tensor of strings, `[extents]`, row-major.
  /// - Throws: `limit_exceeded`, `out_of_memory`.
  package init(strings: [[UInt8]], _ extents: [Int], memory: BulkMemory) throws(ApusError) {
    var byteCount = try (strings.count + 1).checkedMultiplied(by: 8)
    for string in strings { byteCount = try byteCount.checkedAdding(string.count) }
    let storage = try memory.allocate(byteCount: byteCount, purpose: "a tensor of strings")
    self.init(.string, extents, byteCount: byteCount, storage: storage)
    var end = 0
    let text = storage.pointer + 8 * (strings.count + 1)
    for (index, string) in strings.enumerated() {
      storage.pointer.storeBytes(of: UInt64(end), toByteOffset: 8 * index, as: UInt64.self)
      string.withUnsafeBytes { source in
        if let first = source.baseAddress { (text + end).copyMemory(from: first, byteCount: source.count) }
      }
      end += string.count
    }
    storage.pointer.storeBytes(of: UInt64(end), toByteOffset: 8 * strings.count, as: UInt64.self)
  }

  /// The elements of a tensor of strings, UTF-8; none for other types.
  package var strings: [[UInt8]] {
    guard elementType == .string else { return [] }
    let count = elementCount
    var result: [[UInt8]] = []
    result.reserveCapacity(count)
    for index in 0..<count {
      let begin = Int(bytes.loadUnaligned(fromByteOffset: 8 * index, as: UInt64.self))
      let end = Int(bytes.loadUnaligned(fromByteOffset: 8 * index + 8, as: UInt64.self))
      result.append(Array(bytes[8 * (count + 1) + begin..<8 * (count + 1) + end]))
    }
    return result
  }
}
