import Apus
import ApusGraph
import ApusRuntime

/// A value outside of any session: what files hold and what runs take and give.
public indirect enum StoredValue: Equatable, Sendable {
  case tensor(NpyArray)
  /// The elements, and what each of them is.
  case sequence([StoredValue], ValueType)
  /// An optional without a value; one with a value is that value.
  case absent(ValueType)

  public var array: NpyArray? {
    if case .tensor(let array) = self { array } else { nil }
  }

  /// `float32 [1, 3]`, `sequence of 2`, `nothing`.
  public var text: String {
    switch self {
    case .tensor(let array): array.elementType.name.text + " " + Shape(array.dimensions).text(symbols: [])
    case .sequence(let elements, _): "sequence of \(elements.count)"
    case .absent: "nothing"
    }
  }

  /// A copy of a value of a run.
  init(_ value: RuntimeValue) {
    switch value {
    case .tensor(let tensor):
      self = .tensor(
        NpyArray(elementType: tensor.elementType, dimensions: tensor.extents, bytes: Array(tensor.bytes)))
    case .sequence(let elements, let type): self = .sequence(elements.map { StoredValue($0) }, type)
    case .absent(let type): self = .absent(type)
    }
  }

  /// The value for a run, in memory of the model's.
  func runtimeValue(memory: BulkMemory) throws(ApusError) -> RuntimeValue {
    switch self {
    case .tensor(let array):
      if array.elementType == .string {
        return .tensor(try RuntimeTensor(strings: array.strings, array.dimensions, memory: memory))
      }
      let tensor = try RuntimeTensor(array.elementType, array.dimensions, memory: memory)
      guard tensor.byteCount == array.bytes.count else {
        throw ApusError(
          .shapeMismatch, "the bytes do not fit the shape", expected: "\(tensor.byteCount)", actual: "\(array.bytes.count)")
      }
      tensor.mutableBytes.copyBytes(from: array.bytes)
      return .tensor(tensor)
    case .sequence(let elements, let type):
      var values: [RuntimeValue] = []
      for element in elements { values.append(try element.runtimeValue(memory: memory)) }
      return .sequence(values, type)
    case .absent(let type): return .absent(type)
    }
  }
}

extension NpyArray {
  /// The elements of an array of strings, UTF-8; none for other types, or where the offsets break FORMAT.md's rules.
  var strings: [[UInt8]] {
    guard elementType == .string, let count = elementCount(dimensions), bytes.count / 8 > count else { return [] }
    let offsets = (0...count).map { index in
      bytes.withUnsafeBytes { UInt64(littleEndian: $0.loadUnaligned(fromByteOffset: index * 8, as: UInt64.self)) }
    }
    let text = bytes[(8 * (count + 1))...]
    return (0..<count).compactMap { index in
      guard offsets[index] <= offsets[index + 1], offsets[index + 1] <= UInt64(text.count) else { return nil }
      return Array(text[(text.startIndex + Int(offsets[index]))..<(text.startIndex + Int(offsets[index + 1]))])
    }
  }
}
