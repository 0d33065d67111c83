import ApusGraph

extension DecodedTensor {
  /// The dense form of a sparse tensor: zero where it states no element.
  init(sparse proto: ONNXSparseTensorProto, folder: ModelFolder?) throws(ApusError) {
    let values = try DecodedTensor(proto.values, folder: folder)
    let indices = try DecodedTensor(proto.indices, folder: folder)
    do {
      self = try DecodedTensor.dense(values, indices, proto.dims)
    } catch {
      var error = error
      error.tensorName = values.name.string
      throw error
    }
  }

  /// Elements of a dense tensor made of a sparse one: a few bytes of a file could ask for any amount of memory otherwise.
  private static let maximumBytes = 1 << 30

  private static func dense(
    _ values: DecodedTensor, _ indices: DecodedTensor, _ dims: [Int64]
  ) throws(ApusError) -> DecodedTensor {
    guard let width = values.elementType.byteWidth else {
      throw ApusError(
        .unsupportedType, "a sparse tensor has elements of less than a byte or of no fixed size",
        actual: values.elementType.name.text)
    }
    guard dims.count <= TypeInference.maximumRank, dims.allSatisfy({ $0 >= 0 }) else {
      throw ApusError(.malformed, "a sparse tensor has impossible extents", actual: "\(dims)")
    }
    let extents = dims.map { Int($0) }
    guard let count = elementCount(extents), let size = values.elementType.byteCount(of: count), size <= maximumBytes else {
      throw ApusError(
        .limitExceeded, "a sparse tensor is too large to be made dense", expected: "at most \(maximumBytes) bytes",
        actual: Shape(extents).text(symbols: []))
    }
    guard values.dimensions.count == 1, indices.elementType == .int64,
      let positions = ElementType.int64.integers(try indices.bytes())
    else {
      throw ApusError(
        .malformed, "a sparse tensor has no list of values with indices of int64", actual: indices.elementType.name.text)
    }
    let stored = values.dimensions[0]
    let isFlat = indices.dimensions == [stored]
    guard isFlat || indices.dimensions == [stored, extents.count] else {
      throw ApusError(
        .malformed, "a sparse tensor's indices do not fit its values", expected: "[\(stored)] or [\(stored), \(extents.count)]",
        actual: Shape(indices.dimensions).text(symbols: []))
    }
    let source = try values.bytes()
    var bytes = [UInt8](repeating: 0, count: size)
    for element in 0..<stored {
      var position = 0
      for axis in 0..<(isFlat ? 1 : extents.count) {
        let extent = isFlat ? count : extents[axis]
        let index = positions[isFlat ? element : element * extents.count + axis]
        guard index >= 0, index < extent else {
          throw ApusError(
            .malformed, "an index of a sparse tensor is out of range", expected: "below \(extent)", actual: "\(index)")
        }
        // Each index is below its extent, so the position stays below the element count.
        position = isFlat ? Int(index) : position * extent + Int(index)
      }
      bytes.replaceSubrange(position * width..<(position + 1) * width, with: source[element * width..<(element + 1) * width])
    }
    return DecodedTensor(name: values.name, elementType: values.elementType, dimensions: extents, contents: .bytes(bytes))
  }

  init(name: Name, elementType: ElementType, dimensions: [Int], contents: TensorContents) {
    self.name = name
    self.elementType = elementType
    self.dimensions = dimensions
    self.contents = contents
  }
}
