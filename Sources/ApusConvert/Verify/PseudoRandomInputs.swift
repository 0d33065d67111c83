import Apus
import ApusGraph

/// Inputs for a model of which nobody has any: a fixed sequence, the same on every machine.
enum PseudoRandomInputs {
  /// Floats in [-1, 1), integers 0 and 1 (which are valid as indices almost everywhere), bools.
  ///
  /// - Parameter shapes: of inputs by name; those left out take their smallest allowed extents.
  /// - Throws: `shapeMismatch` where a shape stays open; `unsupportedType` for inputs that are no tensors of such elements.
  static func values(of model: Model, shapes: [Name: [Int]]) throws(ApusError) -> [Name: StoredValue] {
    guard let extents = try model.definition.inputShapes(shapes) else {
      throw ApusError(.shapeMismatch, "the shape of an input is open: give it with --shape name=1,28,28")
    }
    var state: UInt64 = 1
    var values: [Name: StoredValue] = [:]
    for (port, extents) in zip(model.inputs, extents) where port.state == nil {
      guard case .tensor(let type) = port.type else {
        throw ApusError(
          .unsupportedType, "no inputs are made up for values of this kind: give some with --against",
          tensorName: port.name.string, actual: port.type.kindText)
      }
      values[port.name] = .tensor(try array(type.elementType, extents, port.name, &state))
    }
    return values
  }

  private static func array(
    _ type: ElementType, _ extents: [Int], _ name: Name, _ state: inout UInt64
  ) throws(ApusError) -> NpyArray {
    guard let count = elementCount(extents), let byteCount = type.byteCount(of: count) else {
      throw ApusError(
        .unsupportedType, "no inputs are made up for elements of this type: give some with --against", tensorName: name.string,
        actual: type.name.text)
    }
    func next(_ state: inout UInt64) -> UInt64 {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return state >> 32
    }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(byteCount)
    func append(_ bits: UInt64) {
      for byte in 0..<type.bitWidth / 8 { bytes.append(UInt8(truncatingIfNeeded: bits >> UInt64(8 * byte))) }
    }
    switch type {
    case .float32, .float64, .float16, .bfloat16:
      for _ in 0..<count {
        let value = Float(Int32(truncatingIfNeeded: next(&state))) / 0x1p31
        switch type {
        case .float32: append(UInt64(value.bitPattern))
        case .float64: append(Double(value).bitPattern)
        case .float16: append(UInt64(Float16(value).bitPattern))
        default: append(UInt64(value.bitPattern >> 16))
        }
      }
    case .bool, .int8, .int16, .int32, .int64, .uint8, .uint16, .uint32, .uint64:
      for _ in 0..<count { append(next(&state) >> 20 & 1) }
    default: bytes = Array(repeating: 0, count: byteCount)
    }
    return NpyArray(elementType: type, dimensions: extents, bytes: bytes)
  }
}
