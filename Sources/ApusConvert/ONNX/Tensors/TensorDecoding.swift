import ApusGraph
import Foundation

/// The elements of a tensor of an ONNX file.
enum TensorContents {
  /// Row-major, little-endian, packed low bits first; strings as FORMAT.md has them.
  case bytes([UInt8])
  /// The same, still where protobuf's reader put it.
  case raw(Data)
  case external(ExternalTensor)

  var byteCount: Int {
    switch self {
    case .bytes(let bytes): bytes.count
    case .raw(let data): data.count
    case .external(let tensor): tensor.byteCount
    }
  }
}

/// A tensor of an ONNX file, checked: its bytes fit its type and extents.
struct DecodedTensor {
  var name: Name
  var elementType: ElementType
  var dimensions: [Int]
  var contents: TensorContents

  /// - Parameter folder: where external data may lie; nil where the message came without a file.
  init(_ proto: ONNXTensorProto, folder: ModelFolder?) throws(ApusError) {
    name = Name(proto.name)
    do throws(ApusError) {
      elementType = try DecodedTensor.elementType(proto.dataType)
      dimensions = try DecodedTensor.extents(proto.dims)
      guard !proto.hasSegment else {
        throw ApusError(.unsupportedFeature, "a tensor is stored in segments, which no known exporter writes")
      }
      guard let count = elementCount(dimensions) else {
        throw ApusError(
          .malformed, "the tensor's extents have no product that fits 64 bits", actual: Shape(dimensions).text(symbols: []))
      }
      contents = .bytes([])
      contents = try decodedContents(proto, count, folder)
    } catch {
      var error = error
      if error.tensorName.isEmpty { error.tensorName = proto.name }
      throw error
    }
  }

  static func elementType(_ number: Int32) throws(ApusError) -> ElementType {
    guard let type = ElementType(rawValue: number) else {
      throw ApusError(.unsupportedType, "an element type that this release does not know", actual: "data type \(number)")
    }
    return type
  }

  private static func extents(_ dims: [Int64]) throws(ApusError) -> [Int] {
    guard dims.count <= TypeInference.maximumRank else {
      throw ApusError(
        .limitExceeded, "a tensor has too many axes", expected: "at most \(TypeInference.maximumRank)", actual: "\(dims.count)")
    }
    for extent in dims where extent < 0 {
      throw ApusError(.malformed, "a tensor has a negative extent", actual: Shape(dims.map { Int($0) }).text(symbols: []))
    }
    return dims.map { Int($0) }
  }

  private func decodedContents(_ proto: ONNXTensorProto, _ count: Int, _ folder: ModelFolder?) throws(ApusError) -> TensorContents
  {
    if elementType == .string {
      guard proto.dataLocation == .default, proto.rawData.isEmpty else {
        throw ApusError(.malformed, "a tensor of strings keeps them anywhere but in string_data")
      }
      return .bytes(try encodedStrings(proto.stringData.map { Array($0) }, count: count))
    }
    guard let size = elementType.byteCount(of: count) else {
      throw ApusError(
        .malformed, "the tensor's size does not fit 64 bits", actual: Shape(dimensions).text(symbols: []))
    }
    if proto.dataLocation == .external {
      guard let folder else {
        throw ApusError(.unsupportedFeature, "a tensor has external data where there is no model file beside it")
      }
      return .external(try folder.tensor(proto.externalData, byteCount: size))
    }
    if !proto.rawData.isEmpty {
      try requireSize(proto.rawData.count, size)
      return try checkedRaw(proto.rawData)
    }
    var elements = TypedElements(elementType, count: count)
    return .bytes(try elements.bytes(proto, size))
  }

  private func requireSize(_ actual: Int, _ expected: Int) throws(ApusError) {
    guard actual == expected else {
      throw ApusError(
        actual < expected ? .truncated : .malformed, "the tensor's bytes do not fit its type and extents",
        expected: "\(expected) bytes for \(elementType.name.text) \(Shape(dimensions).text(symbols: []))", actual: "\(actual)")
    }
  }

  /// Bool elements are 0 or 1, and unused bits of packed elements 0.
  private func checkedRaw(_ data: Data) throws(ApusError) -> TensorContents {
    switch elementType {
    case .bool:
      for byte in data where byte > 1 {
        throw ApusError(.malformed, "a bool is neither 0 nor 1", actual: "\(byte)")
      }
      return .raw(data)
    case .uint4, .int4, .float4e2m1, .uint2, .int2:
      var bytes = Array(data)
      clearUnusedBits(&bytes, elementType, count: elementCount(dimensions) ?? 0)
      return .bytes(bytes)
    default: return .raw(data)
    }
  }

  /// All bytes, wherever they are.
  func bytes() throws(ApusError) -> [UInt8] {
    switch contents {
    case .bytes(let bytes): return bytes
    case .raw(let data): return Array(data)
    case .external(let tensor): return try tensor.read(from: 0, count: tensor.byteCount)
    }
  }
}

/// Sets the bits behind the last element of a packed type to 0, as model files want them.
func clearUnusedBits(_ bytes: inout [UInt8], _ type: ElementType, count: Int) {
  let usedBits = (count &* type.bitWidth) & 7
  guard type.bitWidth < 8, usedBits != 0, let last = bytes.indices.last else { return }
  bytes[last] &= (1 << usedBits) - 1
}

/// FORMAT.md's encoding of a tensor of strings: n + 1 offsets of 64 bits, then the text.
func encodedStrings(_ strings: [[UInt8]], count: Int) throws(ApusError) -> [UInt8] {
  guard strings.count == count else {
    throw ApusError(
      strings.count < count ? .truncated : .malformed, "the tensor's strings do not fit its extents",
      expected: "\(count)", actual: "\(strings.count)")
  }
  var bytes: [UInt8] = []
  var offset: UInt64 = 0
  func append(_ offset: UInt64) { withUnsafeBytes(of: offset.littleEndian) { bytes.append(contentsOf: $0) } }
  append(0)
  for string in strings {
    guard String(validating: string, as: UTF8.self) != nil else {
      throw ApusError(.malformed, "a string of the tensor is not UTF-8", actual: String(decoding: string, as: UTF8.self))
    }
    offset += UInt64(string.count)
    append(offset)
  }
  for string in strings { bytes.append(contentsOf: string) }
  return bytes
}
