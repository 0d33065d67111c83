import ApusGraph

/// A tensor to be written into a safetensors file.
public struct SafetensorsTensor: Sendable {
  public var name: String
  public var elementType: ElementType
  public var dimensions: [Int]
  /// The elements, row-major and little-endian.
  public var bytes: [UInt8]

  public init(name: String, elementType: ElementType, dimensions: [Int], bytes: [UInt8]) {
    self.name = name
    self.elementType = elementType
    self.dimensions = dimensions
    self.bytes = bytes
  }

  /// A float32 tensor.
  public init(name: String, floats: [Float], dimensions: [Int]) {
    self.init(name: name, elementType: .float32, dimensions: dimensions, bytes: floats.withUnsafeBytes { Array($0) })
  }
}

/// Writes safetensors files. The same tensors and metadata give the same bytes in whatever order they are handed in: keys are
/// sorted, and tensors stand by element width (widest first, so that each is aligned), then by name.
public enum SafetensorsWriter {
  /// The bytes of a whole file.
  ///
  /// - Parameter metadata: the `__metadata__` strings; left out of the file where empty.
  /// - Throws: `invalidArgument` for a name that stands twice or is reserved and for bytes that do not fit type and shape,
  ///   `unsupportedType` for element types that safetensors does not have.
  public static func serialize(
    _ tensors: [SafetensorsTensor], metadata: [String: String] = [:]
  ) throws(ApusError) -> [UInt8] {
    let (header, ordered) = try layOut(tensors, metadata: metadata)
    var bytes = header
    bytes.reserveCapacity(header.count + ordered.reduce(0) { $0 + $1.bytes.count })
    for tensor in ordered { bytes.append(contentsOf: tensor.bytes) }
    return bytes
  }

  /// Writes a file in one step: a reader sees the old file or the whole new one, and nothing is left behind on failure.
  public static func write(
    _ tensors: [SafetensorsTensor], metadata: [String: String] = [:], path: String
  ) throws(ApusError) {
    let (header, ordered) = try layOut(tensors, metadata: metadata)
    let file = try AtomicFile(path: path)
    try file.append(header)
    for tensor in ordered { try file.append(tensor.bytes) }
    try file.commit()
  }

  private static func layOut(
    _ tensors: [SafetensorsTensor], metadata: [String: String]
  ) throws(ApusError) -> (header: [UInt8], tensors: [SafetensorsTensor]) {
    let ordered = tensors.sorted {
      $0.elementType.bitWidth != $1.elementType.bitWidth
        ? $0.elementType.bitWidth > $1.elementType.bitWidth : Name($0.name) < Name($1.name)
    }
    var members: [JSONMember] = []
    if !metadata.isEmpty {
      let sorted = metadata.sorted { Name($0.key) < Name($1.key) }
      members.append(
        JSONMember(SafetensorsHeader.metadataKey, .object(sorted.map { JSONMember($0.key, .string($0.value)) })))
    }
    var names: Set<Name> = []
    var offset = 0
    for tensor in ordered {
      guard tensor.name != SafetensorsHeader.metadataKey, names.insert(Name(tensor.name)).inserted else {
        throw ApusError(.invalidArgument, "a safetensors file can't hold this name, or not twice", tensorName: tensor.name)
      }
      guard let typeName = tensor.elementType.safetensorsName else {
        throw ApusError(
          .unsupportedType, "safetensors has no such element type", tensorName: tensor.name, actual: tensor.elementType.name.text)
      }
      guard let count = elementCount(tensor.dimensions), let byteCount = tensor.elementType.byteCount(of: count),
        byteCount == tensor.bytes.count
      else {
        throw ApusError(
          .invalidArgument, "bytes do not fit \(typeName) \(Shape(tensor.dimensions).text(symbols: []))", tensorName: tensor.name,
          actual: "\(tensor.bytes.count) bytes")
      }
      members.append(
        JSONMember(
          tensor.name,
          [
            "dtype": .string(typeName), "shape": .array(tensor.dimensions.map { JSONValue($0) }),
            "data_offsets": [JSONValue(offset), JSONValue(offset + byteCount)],
          ]))
      offset += byteCount
    }
    var text = Array(JSONValue.object(members).serialized().utf8)
    // The format pads the header with spaces, so that the data begins at a multiple of 8 bytes.
    while text.count % 8 != 0 { text.append(UInt8(ascii: " ")) }
    guard text.count <= SafetensorsFile.maximumHeaderBytes else {
      throw ApusError(.limitExceeded, "the safetensors header would be too long", actual: "\(text.count) bytes")
    }
    let length = withUnsafeBytes(of: UInt64(text.count).littleEndian) { Array($0) }
    return (length + text, ordered)
  }
}
