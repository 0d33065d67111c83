import ApusGraph

/// A Swift type that stands for an element type of tensors.
public protocol TensorElement: BitwiseCopyable, Sendable {
  static var elementType: ElementType { get }
}

extension Float: TensorElement { public static var elementType: ElementType { .float32 } }
extension Double: TensorElement { public static var elementType: ElementType { .float64 } }
extension Float16: TensorElement { public static var elementType: ElementType { .float16 } }
extension Int8: TensorElement { public static var elementType: ElementType { .int8 } }
extension Int16: TensorElement { public static var elementType: ElementType { .int16 } }
extension Int32: TensorElement { public static var elementType: ElementType { .int32 } }
extension Int64: TensorElement { public static var elementType: ElementType { .int64 } }
extension UInt8: TensorElement { public static var elementType: ElementType { .uint8 } }
extension UInt16: TensorElement { public static var elementType: ElementType { .uint16 } }
extension UInt32: TensorElement { public static var elementType: ElementType { .uint32 } }
extension UInt64: TensorElement { public static var elementType: ElementType { .uint64 } }
extension Bool: TensorElement { public static var elementType: ElementType { .bool } }

/// Elements of one type in a shape, row-major: what goes into a model and comes out.
public struct Tensor: Equatable, Sendable {
  public let elementType: ElementType
  /// Extents, outermost first; empty for a scalar.
  public let shape: [Int]
  /// The elements, little-endian; 4- and 2-bit types packed low bits first.
  public let bytes: [UInt8]

  /// - Throws: `shape_mismatch` where the bytes are not as many as the shape asks for; `unsupported_type` for strings.
  public init(elementType: ElementType, shape: [Int], bytes: [UInt8]) throws(ApusError) {
    guard let count = elementCount(shape), let needed = elementType.byteCount(of: count) else {
      throw ApusError(
        .unsupportedType, "a tensor needs elements of a fixed size and a shape that fits 64 bits",
        actual: elementType.name.text + " " + Shape(shape).text(symbols: []))
    }
    guard bytes.count == needed else {
      throw ApusError(
        .shapeMismatch, "shape and elements differ", expected: "\(needed) bytes for " + Shape(shape).text(symbols: []),
        actual: "\(bytes.count)")
    }
    self.elementType = elementType
    self.shape = shape
    self.bytes = bytes
  }

  /// A tensor of Swift values, `shape` a vector where left out.
  /// - Throws: `shape_mismatch` where the values are not as many as the shape asks for.
  public init<Element: TensorElement>(_ values: [Element], shape: [Int]? = nil) throws(ApusError) {
    let shape = shape ?? [values.count]
    guard elementCount(shape) == values.count else {
      throw ApusError(
        .shapeMismatch, "shape and elements differ", expected: Shape(shape).text(symbols: []),
        actual: "\(values.count) elements")
    }
    elementType = Element.elementType
    self.shape = shape
    bytes = values.withUnsafeBytes { Array($0) }
  }

  public var count: Int { elementCount(shape) ?? 0 }

  /// The elements as Swift values.
  /// - Throws: `type_mismatch` where the tensor holds another type. Nothing is converted.
  public func values<Element: TensorElement>(as type: Element.Type = Element.self) throws(ApusError) -> [Element] {
    guard Element.elementType == elementType else {
      throw ApusError(
        .typeMismatch, "the tensor holds another element type", expected: Element.elementType.name.text,
        actual: elementType.name.text)
    }
    return bytes.withUnsafeBytes { source in
      (0..<source.count / MemoryLayout<Element>.size).map {
        source.loadUnaligned(fromByteOffset: $0 * MemoryLayout<Element>.size, as: Element.self)
      }
    }
  }
}
