import ApusGraph
import ApusSafetensors
import Foundation
import SwiftProtobuf

/// Values in files: NumPy's .npy, and ONNX's messages (.pb), which say which kind of value they are only by what reads them.
public enum ValueFile {
  /// Reads a value.
  ///
  /// - Parameter type: what the value has to be. Its kind tells which message a .pb file holds; an array's element type and
  ///   shape are the caller's to check.
  /// - Throws: what reading throws, `unsupportedFeature` for a name that ends in neither .pb nor .npy.
  public static func read(_ path: String, as type: ValueType) throws(ApusError) -> StoredValue {
    if path.hasSuffix(".npy") { return .tensor(try NpyArray(path: path)) }
    guard path.hasSuffix(".pb") else {
      throw ApusError(.unsupportedFeature, "this kind of file holds no value", file: path, expected: "*.pb or *.npy")
    }
    do throws(ApusError) {
      switch type {
      case .tensor: return .tensor(try array(try ONNXFile.read(ONNXTensorProto.self, path: path)))
      case .sequence(let element): return try sequence(try ONNXFile.read(ONNXSequenceProto.self, path: path), of: element)
      case .optional(let element): return try optional(try ONNXFile.read(ONNXOptionalProto.self, path: path), of: element)
      case .map:
        throw ApusError(.unsupported, "this release runs no models that take or give maps")
      }
    } catch { throw error.inFile(path) }
  }

  /// Writes a value as ONNX's message: TensorProto, SequenceProto or OptionalProto. Nothing is left behind on failure.
  ///
  /// - Parameter type: what the model declares; an optional's value is wrapped.
  public static func write(_ value: StoredValue, as type: ValueType, to path: String) throws(ApusError) {
    let message: any Message
    if case .optional = type {
      message = optional(value)
    } else {
      switch value {
      case .tensor(let array): message = tensor(array)
      case .sequence(let elements, let element): message = sequence(elements, of: element)
      case .absent: message = optional(value)
      }
    }
    let bytes: [UInt8]
    do { bytes = try message.serializedBytes() } catch {
      throw ApusError(.limitExceeded, "the value is too large for a protobuf message", file: path, actual: value.text)
    }
    let file = try AtomicFile(path: path)
    try file.append(bytes)
    try file.commit()
  }

  // MARK: Reading

  static func array(_ proto: ONNXTensorProto) throws(ApusError) -> NpyArray {
    let tensor = try DecodedTensor(proto, folder: nil)
    return NpyArray(elementType: tensor.elementType, dimensions: tensor.dimensions, bytes: try tensor.bytes())
  }

  private static func sequence(_ proto: ONNXSequenceProto, of element: ValueType) throws(ApusError) -> StoredValue {
    var elements: [StoredValue] = []
    for tensor in proto.tensorValues { elements.append(.tensor(try array(tensor))) }
    for inner in proto.sequenceValues {
      guard case .sequence(let innermost) = element else { throw mismatch(element, "sequence") }
      elements.append(try sequence(inner, of: innermost))
    }
    for inner in proto.optionalValues {
      guard case .optional(let innermost) = element else { throw mismatch(element, "optional") }
      elements.append(try optional(inner, of: innermost))
    }
    guard proto.sparseTensorValues.isEmpty, proto.mapValues.isEmpty else {
      throw ApusError(.unsupportedType, "a sequence of sparse tensors or maps")
    }
    return .sequence(elements, element)
  }

  private static func optional(_ proto: ONNXOptionalProto, of element: ValueType) throws(ApusError) -> StoredValue {
    if proto.hasTensorValue { return .tensor(try array(proto.tensorValue)) }
    if proto.hasSequenceValue {
      guard case .sequence(let innermost) = element else { throw mismatch(element, "sequence") }
      return try sequence(proto.sequenceValue, of: innermost)
    }
    guard !proto.hasSparseTensorValue, !proto.hasMapValue, !proto.hasOptionalValue else {
      throw ApusError(.unsupportedType, "an optional of a sparse tensor, map or optional")
    }
    return .absent(element)
  }

  private static func mismatch(_ type: ValueType, _ kind: String) -> ApusError {
    ApusError(.typeMismatch, "the file holds another kind of value", expected: type.kindText, actual: kind)
  }

  // MARK: Writing

  private static func tensor(_ array: NpyArray) -> ONNXTensorProto {
    var proto = ONNXTensorProto()
    proto.dims = array.dimensions.map { Int64($0) }
    proto.dataType = array.elementType.rawValue
    if array.elementType == .string {
      proto.stringData = array.strings.map { Data($0) }
    } else {
      proto.rawData = Data(array.bytes)
    }
    return proto
  }

  private static func sequence(_ elements: [StoredValue], of type: ValueType) -> ONNXSequenceProto {
    var proto = ONNXSequenceProto()
    let kind: ONNXSequenceProto.DataType =
      switch type {
      case .tensor: .tensor
      case .sequence: .sequence
      case .optional: .optional
      case .map: .map
      }
    proto.elemType = Int32(kind.rawValue)
    for element in elements {
      if case .optional = type {
        proto.optionalValues.append(optional(element))
        continue
      }
      switch element {
      case .tensor(let array): proto.tensorValues.append(tensor(array))
      case .sequence(let inner, let innermost): proto.sequenceValues.append(sequence(inner, of: innermost))
      case .absent: proto.optionalValues.append(optional(element))
      }
    }
    return proto
  }

  private static func optional(_ value: StoredValue) -> ONNXOptionalProto {
    var proto = ONNXOptionalProto()
    switch value {
    case .tensor(let array):
      proto.elemType = Int32(ONNXSequenceProto.DataType.tensor.rawValue)
      proto.tensorValue = tensor(array)
    case .sequence(let elements, let type):
      proto.elemType = Int32(ONNXSequenceProto.DataType.sequence.rawValue)
      proto.sequenceValue = sequence(elements, of: type)
    case .absent: break
    }
    return proto
  }
}
