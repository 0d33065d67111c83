import ApusFormat
import ApusGraph

/// A tensor that exists while a model runs. Immutable once it is written.
public struct RuntimeTensor {
  public let elementType: ElementType
  public let extents: [Int]
  /// May hold more bytes than the tensor has.
  package let storage: BulkBuffer
  public let byteCount: Int

  /// Dense, row-major, little-endian; 4- and 2-bit elements packed low bits first. Strings: 64-bit offsets, one more than
  /// elements, then the text.
  public var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: storage.pointer, count: byteCount) }

  /// For whoever makes the tensor, before it is handed on.
  package var mutableBytes: UnsafeMutableRawBufferPointer {
    UnsafeMutableRawBufferPointer(start: storage.pointer, count: byteCount)
  }

  public var elementCount: Int { extents.reduce(1) { $0 &* $1 } }

  /// - Throws: `unsupported_type` for strings (see `init(strings:)`), `limit_exceeded`, `out_of_memory`.
  package init(_ elementType: ElementType, _ extents: [Int], memory: BulkMemory) throws(ApusError) {
    guard let count = ApusGraph.elementCount(extents), let byteCount = elementType.byteCount(of: count) else {
      throw ApusError(
        .limitExceeded, "a tensor's size does not fit", expected: "a byte count below 2^63",
        actual: Shape(extents).text(symbols: []))
    }
    try self.init(elementType, extents, byteCount: byteCount, memory: memory)
  }

  package init(
    _ elementType: ElementType, _ extents: [Int], byteCount: Int, memory: BulkMemory
  ) throws(ApusError) {
    self.init(
      elementType, extents, byteCount: byteCount,
      storage: try memory.allocate(byteCount: byteCount, purpose: "a tensor made at run time"))
  }

  package init(_ elementType: ElementType, _ extents: [Int], byteCount: Int, storage: BulkBuffer) {
    self.elementType = elementType
    self.extents = extents
    self.byteCount = byteCount
    self.storage = storage
  }

  /// The same elements with other extents.
  package func reshaped(_ extents: [Int]) -> RuntimeTensor {
    RuntimeTensor(elementType, extents, byteCount: byteCount, storage: storage)
  }

  public var type: TensorType { TensorType(elementType, Shape(extents)) }
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
    try self.init(.string, extents, byteCount: byteCount, memory: memory)
    var end = 0
    let text = mutableBytes.baseAddress.map { $0 + 8 * (strings.count + 1) }
    for (index, string) in strings.enumerated() {
      mutableBytes.storeBytes(of: UInt64(end), toByteOffset: 8 * index, as: UInt64.self)
      string.withUnsafeBytes { source in
        if let text, let first = source.baseAddress { (text + end).copyMemory(from: first, byteCount: source.count) }
      }
      end += string.count
    }
    mutableBytes.storeBytes(of: UInt64(end), toByteOffset: 8 * strings.count, as: UInt64.self)
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
