import ApusGraph

// Broadcasting before operator set 7, and attributes whose names, kinds or defaults changed.

extension Adapter {
  /// Before 7 the second operand is aligned to an axis of the first, where attributes say so; else operands have one shape.
  static func alignSecondOperand(_ node: Adaptation) throws(ApusError) {
    let broadcasts = try node.takeInt("broadcast") ?? 0
    let axis = try node.takeInt("axis")
    guard broadcasts != 0, let axis else { return }
    try node.requireInputs(2)
    let rank = try node.rank(node.input(0))
    let operandRank = try node.rank(node.input(1))
    let first = axis < 0 ? Int64(rank) + axis : axis
    guard first >= 0, first + Int64(operandRank) <= Int64(rank) else {
      throw ApusError(
        .invalidAttribute, "attribute 'axis' is out of range", operatorName: node.node.label,
        expected: "room for \(operandRank) of \(rank) axes", actual: "\(axis)")
    }
    let trailing = rank - operandRank - Int(first)
    guard trailing > 0 else { return }
    let axes = (0..<trailing).map { Int64(operandRank + $0) }
    node.setInput(1, try node.emit("Unsqueeze", [node.input(1), try node.constant(axes)]))
  }

  /// PRelu before 7: a slope a channel, without further axes.
  static func alignSlope(_ node: Adaptation) throws(ApusError) {
    try node.requireInputs(2)
    if let slope = node.shape(node.input(1))?.known, (elementCount(slope) ?? 0) == 1 { return }
    guard try node.rank(node.input(1)) == 1 else { return }
    let rank = try node.rank(node.input(0))
    guard rank > 2 else { return }
    let axes = (1..<rank - 1).map { Int64($0) }
    node.setInput(1, try node.emit("Unsqueeze", [node.input(1), try node.constant(axes)]))
  }

  /// Cast before 6 names its target.
  static func nameCastTarget(_ node: Adaptation) throws(ApusError) {
    guard let name = try node.takeString("to") else { throw node.missing("to") }
    let names: [(Name, ElementType)] = [
      ("FLOAT", .float32), ("UINT8", .uint8), ("INT8", .int8), ("UINT16", .uint16), ("INT16", .int16), ("INT32", .int32),
      ("INT64", .int64), ("STRING", .string), ("BOOL", .bool), ("FLOAT16", .float16), ("DOUBLE", .float64),
      ("UINT32", .uint32), ("UINT64", .uint64), ("COMPLEX64", .complex64), ("COMPLEX128", .complex128),
    ]
    guard let type = names.first(where: { $0.0 == name })?.1 else {
      throw ApusError(
        .invalidAttribute, "attribute 'to' names no element type", operatorName: node.node.label, actual: name.string)
    }
    node.set("to", .int(Int64(type.rawValue)))
  }

  /// LpPool and GlobalLpPool before 2 state the norm's order as a float.
  static func roundNormOrder(_ node: Adaptation) throws(ApusError) {
    let order = try node.takeFloat("p") ?? 2
    guard let exact = Int64(exactly: order) else {
      throw node.unsupported("the order of the norm is no integer", actual: "\(order)")
    }
    node.set("p", .int(exact))
  }

  /// GridSample before 20 calls its modes by the names of two dimensions.
  static func renameInterpolation(_ node: Adaptation) throws(ApusError) {
    switch try node.takeString("mode") {
    case "bicubic": node.set("mode", .string("cubic"))
    case "bilinear", nil: node.set("mode", .string("linear"))
    case let mode?: node.set("mode", .string(mode))
    }
  }
}
