import ApusGraph
import CApusKernels

/// Which inputs scale the sums of a quantized product; nil for those that the operator has not.
private struct Scaling {
  let a: Int
  let b: Int
  var y: Int?
  var zeroY: Int?
  var bias: Int?
  var alpha: Float = 1
}

extension PlanBuilder {
  fileprivate func emitScaling(
    _ node: BoundNode, _ scaling: Scaling, _ shape: MatMulShape, sums: BufferID, output: ValueID
  ) throws(ApusError) {
    let batches = try checkedElementCount(shape.batch)
    let scaleA = try quantization(node, scaling.a, alongRows: true, count: shape.m, matrices: shape.matricesA)
    let scaleB = try quantization(node, scaling.b, alongRows: false, count: shape.n, matrices: shape.matricesB)
    for (strides, matrices, input) in [
      (scaleA.strides, shape.matricesA, scaling.a), (scaleB.strides, shape.matricesB, scaling.b),
    ] where strides.batch != 0 && matrices != batches {
      throw node.context.error("scales for each matrix of an operand that is broadcast", input: input)
    }
    var arguments = apusk_int_scale_args()
    arguments.batches = Int64(batches)
    arguments.m = Int64(shape.m)
    arguments.n = Int64(shape.n)
    arguments.a_batch_stride = scaleA.strides.batch
    arguments.a_row_stride = scaleA.strides.along
    arguments.b_batch_stride = scaleB.strides.batch
    arguments.b_column_stride = scaleB.strides.along
    arguments.output_type = try elementType(output).rawValue
    arguments.alpha = scaling.alpha
    if let id = scaling.bias.flatMap({ node.optionalInput($0) }) {
      arguments.bias_is_integer = try elementType(id) == .int32 ? 1 : 0
      arguments.bias_stride = try checkedElementCount(try extents(id)) == 1 ? 0 : 1
    }
    var plan = apusk_plan()
    try check(apusk_int_scale_plan(&arguments, &plan))
    let base = arguments
    func operand(_ index: Int?) throws(ApusError) -> BufferID? {
      guard let id = index.flatMap({ node.optionalInput($0) }) else { return nil }
      return try input(id)
    }
    let (scale, zero, bias) = (try operand(scaling.y), try operand(scaling.zeroY), try operand(scaling.bias))
    let target = try self.output(output)
    try emit(plan, [sums, scaleA.buffer, scaleB.buffer, scale, zero, bias, target]) { pointers in
      var arguments = base
      arguments.sums = UnsafePointer(pointers[sums]?.assumingMemoryBound(to: Int32.self))
      arguments.a_scale = UnsafePointer(pointers.floats(scaleA.buffer))
      arguments.b_scale = UnsafePointer(pointers.floats(scaleB.buffer))
      arguments.y_scale = UnsafePointer(pointers.floats(scale))
      arguments.y_zero = UnsafeRawPointer(pointers.bytes(zero))
      arguments.bias = UnsafeRawPointer(pointers.bytes(bias))
      arguments.output = pointers[target]
      return arguments
    }
  }

  fileprivate func emitScaledProduct(
    _ node: BoundNode, _ product: IntegerProduct, _ scaling: Scaling
  ) throws(ApusError) {
    let count = try checkedElementCount(try extents(node.output(0)))
    let sums = temporary(byteCount: try count.checkedMultiplied(by: 4))
    try emitIntegerProduct(node, product, output: sums)
    try emitScaling(node, scaling, product.shape, sums: sums, output: node.output(0))
  }
}

extension KernelBinding {
  private static let quantized = TypeSet(.float32, .int8, .uint8, .int32)

  static let matMulInteger = KernelBinding("MatMulInteger", native: quantized) { builder, node throws(ApusError) in
    let shape = try MatMulShape(try builder.extents(node.input(0)), try builder.extents(node.input(1)))
    try builder.emitIntegerProduct(
      node, IntegerProduct(shape, a: 0, b: 1, zeroA: 2, zeroB: 3), output: try builder.output(node.output(0)))
  }

  static let matMulIntegerToFloat = KernelBinding(
    "MatMulIntegerToFloat", domain: .microsoft, native: quantized
  ) { builder, node throws(ApusError) in
    let shape = try MatMulShape(try builder.extents(node.input(0)), try builder.extents(node.input(1)))
    try builder.emitScaledProduct(
      node, IntegerProduct(shape, a: 0, b: 1, zeroA: 4, zeroB: 5), Scaling(a: 2, b: 3, bias: 6))
  }

  static let qLinearMatMul = KernelBinding("QLinearMatMul", native: quantized) { builder, node throws(ApusError) in
    let shape = try MatMulShape(try builder.extents(node.input(0)), try builder.extents(node.input(3)))
    for index in 6...7 where try checkedElementCount(try builder.extents(node.input(index))) != 1 {
      throw node.unsupported("a result with a scale for each row", expected: "one y_scale and one y_zero_point")
    }
    try builder.emitScaledProduct(
      node, IntegerProduct(shape, a: 0, b: 3, zeroA: 2, zeroB: 5), Scaling(a: 1, b: 4, y: 6, zeroY: 7))
  }

  static let qGemm = KernelBinding("QGemm", domain: .microsoft, native: quantized) { builder, node throws(ApusError) in
    let (turnedA, turnedB) = (node.attributes.flag("transA"), node.attributes.flag("transB"))
    let a = try builder.extents(node.input(0))
    let b = try builder.extents(node.input(3))
    let shape = try MatMulShape(turnedA ? [a[1], a[0]] : a, turnedB ? [b[1], b[0]] : b)
    var bias: Int?
    if let c = node.optionalInput(6) {
      let extents = try builder.extents(c)
      let rows = extents.count == 2 ? extents[0] : 1
      guard extents.count <= 2, rows == 1, (extents.last ?? 1) == 1 || extents.last == shape.n else {
        throw node.unsupported(
          "C with a row for each row of the result", expected: "one row", actual: Shape(extents).text(symbols: []))
      }
      bias = 6
    }
    let alpha = node.attributes.float("alpha") ?? 1
    let isFloat = try builder.elementType(node.output(0)) == .float32
    try builder.emitScaledProduct(
      node, IntegerProduct(shape, a: 0, b: 3, zeroA: 2, zeroB: 5, turnedA: turnedA, turnedB: turnedB),
      Scaling(a: 1, b: 4, y: isFloat ? nil : 7, zeroY: isFloat ? nil : 8, bias: bias, alpha: alpha))
  }

  static let matMulNBits = KernelBinding(
    "MatMulNBits", domain: .microsoft, native: TypeSet(.float32, .uint8, .int32)
  ) { builder, node throws(ApusError) in
    let a = try builder.extents(node.input(0))
    var arguments = apusk_block_quantized_args()
    arguments.m = Int64(try checkedElementCount(Array(a.dropLast())))
    arguments.k = Int64(a[a.count - 1])
    arguments.n = Int64(node.attributes.int("N") ?? 0)
    arguments.block = Int64(node.attributes.int("block_size") ?? 0)
    arguments.bits = Int32(truncatingIfNeeded: node.attributes.int("bits") ?? 4)
    var plan = apusk_plan()
    try builder.check(apusk_block_quantized_plan(builder.level, &arguments, &plan))
    let base = arguments
    var zeros: (bytes: BufferID?, floats: BufferID?)
    if let id = node.optionalInput(3) {
      let buffer = try builder.input(id)
      zeros = try builder.elementType(id) == .uint8 ? (buffer, nil) : (nil, buffer)
    }
    let bias = try node.optionalInput(5).map { id throws(ApusError) in try builder.input(id) }
    let (x, q, scales) = (
      try builder.input(node.input(0)), try builder.input(node.input(1)), try builder.input(node.input(2))
    )
    let output = try builder.output(node.output(0))
    let (zeroBytes, zeroFloats) = zeros
    try builder.emit(plan, [x, q, scales, zeroBytes, zeroFloats, bias, output]) { pointers in
      var arguments = base
      arguments.a = UnsafePointer(pointers.floats(x))
      arguments.q = UnsafePointer(pointers[q]?.assumingMemoryBound(to: UInt8.self))
      arguments.scales = UnsafePointer(pointers.floats(scales))
      arguments.zero_points = UnsafePointer(pointers.bytes(zeroBytes)?.assumingMemoryBound(to: UInt8.self))
      arguments.float_zeros = UnsafePointer(pointers.floats(zeroFloats))
      arguments.bias = UnsafePointer(pointers.floats(bias))
      arguments.output = pointers.floats(output)
      return arguments
    }
  }
}
