import ApusGraph

/// What a check is about, for its message: made into text only where something is wrong.
enum CheckedPlace {
  case tensor(Int)
  case value(graph: Int, id: Int)
  case attribute(Name)
  case named(String)

  var text: String {
    switch self {
    case .tensor(let index): "tensor \(index)"
    case .value(let graph, let id): "graph \(graph): value \(id)"
    case .attribute(let name): "attribute '" + name.string + "'"
    case .named(let text): text
    }
  }
}

/// The checks of constant tensors, types and quantization parameters.
struct TensorChecks {
  let tensors: [ConstantTensor]
  let symbols: [Symbol]
  let limits: Limits

  func check(
    _ tensor: ConstantTensor, label: CheckedPlace, segments: [SegmentRecord], role: SegmentRecord.Role
  ) throws(ApusError) {
    func refuse(_ message: StaticString, expected: String = "", actual: String = "") -> ApusError {
      ApusError(
        .invalidModel, label.text + ": " + message.text, tensorName: tensor.name.string, expected: expected, actual: actual)
    }
    try checkRank(tensor.dimensions.count, label)
    guard let count = elementCount(tensor.dimensions) else { throw refuse("negative extents, or too many elements") }
    guard count <= limits.elements else {
      throw ApusError(
        .limitExceeded, label.text + ": more elements than the limit", tensorName: tensor.name.string,
        expected: "at most \(limits.elements)", actual: "\(count)")
    }
    var size: Int?
    if tensor.elementType != .string {
      guard let bytes = tensor.elementType.byteCount(of: count) else { throw refuse("too many bytes") }
      size = bytes
    }
    switch tensor.storage {
    case .inline(let bytes):
      if let size, bytes.count != size {
        throw refuse("its bytes do not fit its shape", expected: "\(size) bytes", actual: "\(bytes.count) bytes")
      }
      do throws(ApusError) {
        try bytes.withUnsafeBufferPointer { (bytes) throws(ApusError) in
          try tensor.checkElements(UnsafeRawBufferPointer(bytes))
        }
      } catch {
        var error = error
        error.message = label.text + ": " + error.message
        throw error
      }
    case .segment(let index, let offset, let length):
      guard index >= 0, Int(index) < segments.count, segments[Int(index)].role == role else {
        throw refuse("it lies in no segment of its section", actual: "segment \(index)")
      }
      guard offset % 64 == 0, let end = Untrusted(offset).adding(Untrusted(length)),
        end <= Untrusted(segments[Int(index)].rawSize)
      else {
        throw refuse(
          "it does not lie in its segment at a multiple of 64", expected: "up to \(segments[Int(index)].rawSize)",
          actual: "\(length) bytes from \(offset)")
      }
      if let size, length != UInt64(size) {
        throw refuse("its bytes do not fit its shape", expected: "\(size) bytes", actual: "\(length) bytes")
      }
    }
    if let quantization = tensor.quantization {
      try check(quantization, extents: tensor.dimensions.map { .known($0) }, label: label)
    }
  }

  func check(_ type: ValueType, label: CheckedPlace) throws(ApusError) {
    switch type {
    case .tensor(let type):
      guard let shape = type.shape else {
        if let quantization = type.quantization { try check(quantization, extents: nil, label: label) }
        return
      }
      try checkRank(shape.rank, label)
      for dimension in shape.dimensions {
        switch dimension {
        case .known(let extent):
          guard extent >= 0 else { throw ApusError(.invalidModel, label.text + ": a negative extent", actual: "\(extent)") }
        case .symbol(let id):
          guard id >= 0, Int(id) < symbols.count else {
            throw ApusError(.invalidModel, label.text + ": a dimension names no symbol", actual: "\(id)")
          }
        case .unknown: break
        }
      }
      if let quantization = type.quantization { try check(quantization, extents: shape.dimensions, label: label) }
    case .sequence(let element), .optional(let element): try check(element, label: label)
    case .map(let key, let value):
      switch key {
      case .string, .int8, .int16, .int32, .int64, .uint8, .uint16, .uint32, .uint64: break
      default: throw ApusError(.invalidModel, label.text + ": a map's key is neither an integer nor a string")
      }
      try check(value, label: label)
    }
  }

  private func checkRank(_ rank: Int, _ label: CheckedPlace) throws(ApusError) {
    guard rank <= limits.rank else {
      throw ApusError(
        .limitExceeded, label.text + ": more dimensions than the limit", expected: "at most \(limits.rank)", actual: "\(rank)")
    }
  }

  /// - Parameter extents: of what is quantized; nil where not even the rank is known.
  private func check(
    _ quantization: Quantization, extents: [Dimension]?, label: CheckedPlace
  ) throws(ApusError) {
    func refuse(_ message: StaticString, expected: String = "", actual: String = "") -> ApusError {
      ApusError(.invalidModel, label.text + ": quantization: " + message.text, expected: expected, actual: actual)
    }
    let scale = try parameter(quantization.scale, label)
    switch scale.elementType {
    case .float32, .float16, .bfloat16, .float64, .float8e8m0: break
    default: throw refuse("scales are not of a floating-point type", actual: scale.elementType.name.text)
    }
    if let id = quantization.zeroPoint {
      let zeroPoint = try parameter(id, label)
      guard zeroPoint.dimensions == scale.dimensions else { throw refuse("zero points and scales of different shapes") }
    }
    guard quantization.blockSize >= 0 else { throw refuse("a negative block size") }
    guard let axis = quantization.axis else {
      guard quantization.blockSize == 0 else { throw refuse("blocks without an axis") }
      guard elementCount(scale.dimensions) == 1 else {
        throw refuse("scales without an axis to run along", expected: "1 element")
      }
      return
    }
    guard axis >= 0, axis < extents?.count ?? limits.rank else { throw refuse("no such axis", actual: "\(axis)") }
    guard let extents else { return }
    if quantization.blockSize == 0 {
      guard let extent = extents[axis].value else { return }
      guard scale.dimensions == [extent] else {
        throw refuse("not one scale for each index of the axis", expected: "[\(extent)]")
      }
      return
    }
    guard scale.dimensions.count == extents.count else { throw refuse("block scales of another rank") }
    for (index, dimension) in extents.enumerated() {
      guard let extent = dimension.value else { continue }
      let block = index == axis ? quantization.blockSize : 1
      let blocks = extent / block + (extent % block == 0 ? 0 : 1)
      guard scale.dimensions[index] == blocks else {
        throw refuse("not one scale for each block", expected: "\(blocks)", actual: "\(scale.dimensions[index])")
      }
    }
  }

  private func parameter(_ id: TensorID, _ label: CheckedPlace) throws(ApusError) -> ConstantTensor {
    guard id >= 0, Int(id) < tensors.count else {
      throw ApusError(.invalidModel, label.text + ": quantization names no tensor", actual: "\(id)")
    }
    guard tensors[Int(id)].quantization == nil else {
      throw ApusError(.invalidModel, label.text + ": scales or zero points that are themselves quantized")
    }
    return tensors[Int(id)]
  }
}

/// How many bytes of each segment tensors name. Overlapping tensors may not blow up the work of reading them all.
struct SegmentUse {
  /// How often, on average, the bytes of a segment may be named.
  static let sharing: UInt64 = 4

  private let segments: [SegmentRecord]
  private var used: [UInt64]

  init(_ segments: [SegmentRecord]) {
    self.segments = segments
    used = [UInt64](repeating: 0, count: segments.count)
  }

  /// Adds a tensor that has been checked.
  mutating func add(_ tensor: ConstantTensor) throws(ApusError) {
    guard case .segment(let index, _, let length) = tensor.storage else { return }
    let (sum, overflow) = used[Int(index)].addingReportingOverflow(length)
    guard !overflow, sum / Self.sharing <= segments[Int(index)].rawSize else {
      throw ApusError(
        .invalidModel, "too many tensors share the bytes of segment \(index)", tensorName: tensor.name.string,
        expected: "each byte in at most \(Self.sharing)")
    }
    used[Int(index)] = sum
  }
}

extension ConstantTensor {
  /// Whether bytes are what the element type allows: bool is 0 or 1, unused bits of packed types are 0, strings are offsets
  /// and UTF-8 text (FORMAT.md, "Tensor bytes").
  ///
  /// - Parameter bytes: the whole tensor, of the size that its type and shape ask for.
  /// - Throws: 500 invalid_model.
  package func checkElements(_ bytes: UnsafeRawBufferPointer) throws(ApusError) {
    switch elementType {
    case .bool:
      for index in 0..<bytes.count where bytes[index] > 1 {
        throw unsound("a bool that is neither 0 nor 1", expected: "0 or 1", actual: "\(bytes[index]) at \(index)")
      }
    case .uint4, .int4, .float4e2m1, .uint2, .int2:
      guard let count = elementCount(dimensions), let last = bytes.last else { return }
      let used = (count * elementType.bitWidth) % 8
      guard used == 0 || last >> UInt8(used) == 0 else {
        throw unsound("unused bits of the last byte are set", expected: "0", actual: "\(last)")
      }
    case .string: try checkStrings(bytes)
    default: break
    }
  }

  private func unsound(_ message: StaticString, expected: String = "", actual: String = "") -> ApusError {
    ApusError(.invalidModel, message.text, tensorName: name.string, expected: expected, actual: actual)
  }

  private func checkStrings(_ bytes: UnsafeRawBufferPointer) throws(ApusError) {
    guard let count = elementCount(dimensions), bytes.count >= 8, count <= (bytes.count - 8) / 8 else {
      throw unsound("too short for its strings' offsets", actual: "\(bytes.count) bytes")
    }
    let text = 8 * (count + 1)
    var end = 0
    for index in 0...count {
      let offset = Untrusted(UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: 8 * index, as: UInt64.self)))
      guard let next = offset.count(atMost: bytes.count - text), next >= end, index > 0 || next == 0 else {
        throw unsound("string offsets are not ascending from 0", actual: offset.text + " at \(index)")
      }
      guard isValidUTF8(Array(bytes[text + end..<text + next])) else { throw unsound("a string is not UTF-8") }
      end = next
    }
    guard end == bytes.count - text else { throw unsound("bytes behind the last string") }
  }
}
