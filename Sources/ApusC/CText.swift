import ApusFormat
import ApusGraph
import ApusRuntime
import CApus

/// Collects names and dimensions that C reads, before their addresses are known.
struct CTextBuilder {
  /// An input or output: where its name and dimensions are.
  struct TensorPlace {
    let name: Int
    let elementType: ElementType
    let firstDimension: Int
    /// nil where the rank is unknown.
    let rank: Int?
    let state: Int?
    let kind: Int32
    let quantization: PortQuantization?
  }

  struct PlacedDimension {
    let extent: Int64
    let symbol: Int?
    let minimum: Int64
    let maximum: Int64
    let multiple: Int64
  }

  fileprivate private(set) var bytes: [UInt8] = []
  fileprivate private(set) var dimensions: [PlacedDimension] = []

  /// Returns the place of the NUL-terminated copy.
  mutating func add(_ name: Name) -> Int {
    let place = bytes.count
    bytes += name.bytes
    bytes.append(0)
    return place
  }

  mutating func add(_ text: String) -> Int {
    let place = bytes.count
    bytes += text.utf8
    bytes.append(0)
    return place
  }

  mutating func add(_ port: Port, symbols: [Symbol]) -> TensorPlace {
    let name = add(port.name)
    let first = dimensions.count
    for dimension in port.shape?.dimensions ?? [] {
      switch dimension {
      case .known(let extent):
        let extent = Int64(extent)
        dimensions.append(PlacedDimension(extent: extent, symbol: nil, minimum: extent, maximum: extent, multiple: 1))
      case .symbol(let id) where id >= 0 && Int(id) < symbols.count:
        let symbol = symbols[Int(id)]
        dimensions.append(
          PlacedDimension(
            extent: Int64(APUS_EXTENT_UNKNOWN), symbol: add(symbol.name), minimum: Int64(symbol.minimum),
            maximum: Int64(symbol.maximum ?? .max), multiple: Int64(symbol.multiple)))
      case .symbol, .unknown:
        dimensions.append(
          PlacedDimension(extent: Int64(APUS_EXTENT_UNKNOWN), symbol: nil, minimum: 0, maximum: .max, multiple: 1))
      }
    }
    return TensorPlace(
      name: name, elementType: port.elementType, firstDimension: first, rank: port.shape?.rank, state: port.state,
      kind: port.type.kindNumber, quantization: port.quantization)
  }
}

/// Strings and dimensions at fixed addresses, in one piece of bulk memory.
final class CText: @unchecked Sendable {
  private let buffer: BulkBuffer
  private let textOffset: Int

  convenience init(_ builder: CTextBuilder, memory: BulkMemory) throws(ApusError) {
    // Both are in memory as arrays already, so neither product nor sum can overflow.
    let textOffset = builder.dimensions.count * MemoryLayout<apus_dimension>.stride
    let buffer = try memory.allocate(byteCount: textOffset + builder.bytes.count, purpose: "names and shapes")
    self.init(builder, buffer, textOffset)
  }

  private init(_ builder: CTextBuilder, _ buffer: BulkBuffer, _ textOffset: Int) {
    self.buffer = buffer
    self.textOffset = textOffset
    let stride = MemoryLayout<apus_dimension>.stride
    let text = buffer.pointer + textOffset
    builder.bytes.withUnsafeBytes { bytes in
      if let base = bytes.baseAddress { text.copyMemory(from: base, byteCount: bytes.count) }
    }
    for (index, dimension) in builder.dimensions.enumerated() {
      let symbol = dimension.symbol.map { UnsafePointer((text + $0).assumingMemoryBound(to: CChar.self)) }
      (buffer.pointer + index * stride).initializeMemory(
        as: apus_dimension.self,
        to: apus_dimension(
          extent: dimension.extent, symbol: symbol, minimum: dimension.minimum, maximum: dimension.maximum,
          multiple: dimension.multiple))
    }
  }

  func string(_ place: Int) -> UnsafePointer<CChar> {
    UnsafePointer((buffer.pointer + textOffset + place).assumingMemoryBound(to: CChar.self))
  }

  func tensorInfo(_ place: CTextBuilder.TensorPlace) -> apus_tensor_info {
    var info = apus_tensor_info()
    info.name = string(place.name)
    info.element_type = place.elementType.rawValue
    info.rank = place.rank.map { Int32(clamping: $0) } ?? APUS_RANK_UNKNOWN
    if let rank = place.rank, rank > 0 {
      info.dimensions = UnsafePointer(
        (buffer.pointer + place.firstDimension * MemoryLayout<apus_dimension>.stride)
          .assumingMemoryBound(to: apus_dimension.self))
    }
    info.kind = place.kind
    info.state = place.state.map { Int32(clamping: $0) } ?? -1
    if let quantization = place.quantization {
      info.is_quantized = 1
      info.scale = quantization.scale
      info.zero_point = quantization.zeroPoint
    }
    return info
  }
}

extension ValueType {
  /// `APUS_KIND_*`.
  fileprivate var kindNumber: Int32 {
    switch self {
    case .tensor: APUS_KIND_TENSOR
    case .sequence: APUS_KIND_SEQUENCE
    case .optional: APUS_KIND_OPTIONAL
    case .map: APUS_KIND_MAP
    }
  }
}
