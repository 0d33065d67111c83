import ApusGraph

/// The symbolic dimensions of a model: equal names are equal extents.
struct SymbolTable {
  private(set) var symbols: [Symbol] = []
  private var ids: [Name: SymbolID] = [:]
  private var bound: [Name: Int] = [:]

  /// Gives a symbol an extent, before any type is read. Returns the extent that it has: an earlier one stays.
  mutating func bind(_ name: Name, to extent: Int) -> Int {
    let extent = bound[name] ?? extent
    bound[name] = extent
    return extent
  }

  /// Whether a dimension's name stands for no particular extent: PaddlePaddle's exporter calls all open ones "?".
  static func saysNothing(_ name: Name) -> Bool { name.isEmpty || name == "?" }

  private mutating func dimension(_ name: Name) -> Dimension {
    if let extent = bound[name] { return .known(extent) }
    return SymbolTable.saysNothing(name) ? .unknown : .symbol(id(of: name))
  }

  mutating func id(of name: Name) -> SymbolID {
    if let id = ids[name] { return id }
    let id = SymbolID(symbols.count)
    symbols.append(Symbol(name: name))
    ids[name] = id
    return id
  }

  /// The type that a message states; nil where it states none.
  /// - Throws: `unsupportedType`, `malformed`.
  mutating func type(_ proto: ONNXTypeProto) throws(ApusError) -> ValueType? {
    switch proto.value {
    case .tensorType(let tensor):
      guard tensor.elemType != 0 else { return nil }
      return .tensor(
        TensorType(
          try DecodedTensor.elementType(tensor.elemType), tensor.hasShape ? try shape(tensor.shape) : nil))
    case .sequenceType(let sequence): return .sequence(try element(sequence.elemType))
    case .optionalType(let optional): return .optional(try element(optional.elemType))
    case .mapType(let map):
      let key = try DecodedTensor.elementType(map.keyType)
      return .map(key: key, value: try element(map.valueType))
    case .sparseTensorType:
      throw ApusError(.unsupportedType, "a value is a sparse tensor", expected: "a dense tensor, sequence, optional or map")
    case .opaqueType(let type):
      throw ApusError(.unsupportedType, "a value has an opaque type", actual: type.domain + "." + type.name)
    case nil: return nil
    }
  }

  private mutating func element(_ proto: ONNXTypeProto) throws(ApusError) -> ValueType {
    guard let type = try type(proto) else {
      throw ApusError(.malformed, "a sequence, optional or map does not say what it holds")
    }
    return type
  }

  private mutating func shape(_ proto: ONNXTensorShapeProto) throws(ApusError) -> Shape {
    guard proto.dim.count <= TypeInference.maximumRank else {
      throw ApusError(
        .limitExceeded, "a value has too many axes", expected: "at most \(TypeInference.maximumRank)",
        actual: "\(proto.dim.count)")
    }
    var dimensions: [Dimension] = []
    for dimension in proto.dim {
      switch dimension.value {
      case .dimValue(let extent):
        guard extent >= -1, let extent = Int(exactly: extent) else {
          throw ApusError(.malformed, "a value has a negative extent", actual: "\(extent)")
        }
        // Some exporters write -1 for what is chosen later.
        dimensions.append(extent < 0 ? .unknown : .known(extent))
      case .dimParam(let name): dimensions.append(self.dimension(Name(name)))
      case nil: dimensions.append(.unknown)
      }
    }
    return Shape(dimensions)
  }
}
