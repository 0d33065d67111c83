import ApusGraph

/// An operator of floats whose operands and result are tensors of 8-bit integers: the node keeps the operator's name, and this
/// says what is computed. Made by the compiler of an operator between DequantizeLinear and QuantizeLinear.
enum QuantizedForm: Sendable {
  /// By operand the byte that each byte becomes, nil where bytes stay: a map of elements has one operand, a Concat any number.
  case tables([[UInt8]?])
  /// Add and Sub.
  case addition(QuantizedAddition)
  /// Mul.
  case product(QuantizedProduct)
  /// AveragePool, GlobalAveragePool.
  case average(QuantizedAverage)

  /// As it stands behind the operator in listings.
  var text: String {
    if case .tables(let tables) = self, tables.count == 1 { return " as a table of bytes" }
    return " of 8 bits"
  }
}

/// `clamp(roundTiesToEven(Float((a - zeroA) * (b - zeroB)) * factor) + zero, low, high)`; factor is the product of the operands'
/// scales divided by the result's.
struct QuantizedProduct: Sendable, Equatable {
  var factor: Float
  var zeroA: Int32
  var zeroB: Int32
  var zero: Int32
  var low: Int32
  var high: Int32
}

/// `clamp(roundTiesToEven(Float(sum of (x - zeroX)) * (scaleX / (Float(count) * scale))) + zero, low, high)`.
struct QuantizedAverage: Sendable, Equatable {
  var scaleX: Float
  var zeroX: Int32
  var scale: Float
  var zero: Int32
  var low: Int32
  var high: Int32
}

/// How a tensor of 8-bit integers stands for real numbers: `real = (q - zero) * scale`.
struct Quantum: Sendable {
  let type: ElementType
  let scale: Float
  let zero: Int32
  /// The constants that say so, as values of the program; the zero point may be left out.
  let scaleValue: ValueID
  let zeroValue: ValueID

  var low: Int32 { type == .int8 ? -128 : 0 }
  var high: Int32 { type == .int8 ? 127 : 255 }

  func isEqual(_ other: Quantum) -> Bool { type == other.type && scale == other.scale && zero == other.zero }

  /// As QuantizeLinear computes it.
  func quantized(_ real: Float) -> Int32 {
    let q = (real / scale).rounded(.toNearestOrEven)
    return min(max((Int32(exactly: min(max(q, -65536), 65536)) ?? 0) + zero, low), high)
  }
}

extension StagePlanner {
  /// Runs the shape rule of a node. That of an operator on 8-bit integers is the operator's own, which is one of floats.
  func infer(_ node: ProgramNode, _ definition: Node, _ schema: OperatorSchema, _ inference: inout TypeInference)
    throws(ApusError)
  {
    guard let form = node.quantized else {
      return try inference.infer(definition, schema: schema, tensors: evaluator.constants.tensors)
    }
    guard let result = program.graph.values[Int(node.node.outputs[0])].type?.tensor?.elementType else {
      throw ApusError(.internal, "a value made by a pass has no type")
    }
    if case .tables = form, node.node.inputs.count == 1 {
      let shape = inference.type(node.node.inputs[0])?.shape
      return inference.setType(.tensor(TensorType(result, shape)), of: node.node.outputs[0])
    }
    let operands = node.node.inputs.map { inference.type($0) }
    for (id, type) in zip(node.node.inputs, operands) {
      if let type, type.elementType.byteWidth == 1 { inference.setType(.tensor(TensorType(.float32, type.shape)), of: id) }
    }
    defer {
      for (id, type) in zip(node.node.inputs, operands) {
        if let type { inference.setType(.tensor(type), of: id) }
      }
    }
    try inference.infer(definition, schema: schema, tensors: evaluator.constants.tensors)
    let shape = inference.type(node.node.outputs[0])?.shape
    inference.setType(.tensor(TensorType(result, shape)), of: node.node.outputs[0])
  }
}
