/// How the integers of a quantized tensor stand for real numbers: `real = (q - zeroPoint) * scale`.
public struct Quantization: Equatable, Sendable {
  /// The tensor of scales: one element, one an axis' index, or one a block.
  public var scale: TensorID
  /// The tensor of zero points, of the scale's shape; nil means zero.
  public var zeroPoint: TensorID?
  /// The axis that scales run along; nil for one scale a tensor.
  public var axis: Int?
  /// Elements along `axis` that share a scale; 0 for one scale an index.
  public var blockSize: Int

  public init(scale: TensorID, zeroPoint: TensorID? = nil, axis: Int? = nil, blockSize: Int = 0) {
    self.scale = scale
    self.zeroPoint = zeroPoint
    self.axis = axis
    self.blockSize = blockSize
  }
}

public struct TensorType: Equatable, Sendable {
  public var elementType: ElementType
  /// nil where not even the rank is known.
  public var shape: Shape?
  public var quantization: Quantization?

  public init(_ elementType: ElementType, _ shape: Shape?, quantization: Quantization? = nil) {
    self.elementType = elementType
    self.shape = shape
    self.quantization = quantization
  }
}

/// What a value holds.
public indirect enum ValueType: Equatable, Sendable {
  case tensor(TensorType)
  case sequence(ValueType)
  case optional(ValueType)
  case map(key: ElementType, value: ValueType)

  /// Of the tensor, or of the tensors that the value holds; of a map's values.
  public var elementType: ElementType {
    switch self {
    case .tensor(let type): type.elementType
    case .sequence(let element), .optional(let element), .map(_, let element): element.elementType
    }
  }

  public var tensor: TensorType? {
    if case .tensor(let type) = self { type } else { nil }
  }
}
