import ApusGraph
import CApusKernels

extension KernelBinding {
  private static let quantized = TypeSet(.float32, .int8, .uint8, .int32)

  static let matMulInteger = KernelBinding("MatMulInteger", native: quantized) { builder, node throws(ApusError) in
    let shape = try MatMulShape(try builder.extents(node.input(0)), try builder.extents(node.input(1)))
    try builder.emitIntegerProduct(node, IntegerProduct(shape, IntegerRoles(b: 1, zeroA: 2, zeroB: 3)))
  }

  static let matMulIntegerToFloat = KernelBinding(
    "MatMulIntegerToFloat", domain: .microsoft, native: quantized
  ) { builder, node throws(ApusError) in
    let shape = try MatMulShape(try builder.extents(node.input(0)), try builder.extents(node.input(1)))
    try builder.emitIntegerProduct(
      node, IntegerProduct(shape, IntegerRoles(b: 1, zeroA: 4, zeroB: 5, scaleA: 2, scaleB: 3, bias: 6)))
  }

  static let qLinearMatMul = KernelBinding(
    "QLinearMatMul", native: quantized, tail: [.bounds, .addition]
  ) { builder, node throws(ApusError) in
    let shape = try MatMulShape(try builder.extents(node.input(0)), try builder.extents(node.input(3)))
    try builder.emitIntegerProduct(
      node,
      IntegerProduct(shape, IntegerRoles(b: 3, zeroA: 2, zeroB: 5, scaleA: 1, scaleB: 4, scaleY: 6, zeroY: 7)))
  }

  static let qGemm = KernelBinding(
    "QGemm", domain: .microsoft, native: quantized, tail: [.bounds, .addition]
  ) { builder, node throws(ApusError) in
    let (turnedA, turnedB) = (node.attributes.flag("transA"), node.attributes.flag("transB"))
    let a = try builder.extents(node.input(0))
    let b = try builder.extents(node.input(3))
    let shape = try MatMulShape(turnedA ? [a[1], a[0]] : a, turnedB ? [b[1], b[0]] : b)
    var roles = IntegerRoles(b: 3, zeroA: 2, zeroB: 5, scaleA: 1, scaleB: 4)
    if let c = node.optionalInput(6) {
      let extents = try builder.extents(c)
      let rows = extents.count == 2 ? extents[0] : 1
      guard extents.count <= 2, rows == 1, (extents.last ?? 1) == 1 || extents.last == shape.n else {
        throw node.unsupported(
          "C with a row for each row of the result", expected: "one row", actual: Shape(extents).text(symbols: []))
      }
      roles.bias = 6
    }
    roles.alpha = node.attributes.float("alpha") ?? 1
    if try builder.elementType(node.output(0)) != .float32 { (roles.scaleY, roles.zeroY) = (7, 8) }
    try builder.emitIntegerProduct(node, IntegerProduct(shape, roles, turnedA: turnedA, turnedB: turnedB))
  }

  static let matMulNBits = KernelBinding(
    "MatMulNBits", domain: .microsoft, native: TypeSet(.float32, .uint8, .int32)
  ) { builder, node throws(ApusError) in
    if try builder.emitPackedNBits(node) { return }
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
