import ApusGraph
import CApusKernels

extension PlanBuilder {
  /// 8-bit weights in packed form: a constant's once a model, another value's by a step of each run.
  private func packedIntegerWeights(
    _ weights: ValueID, _ geometry: apusk_conv_geometry
  ) throws(ApusError) -> BufferID {
    var geometry = geometry
    let byteCount = apusk_integer_conv_packed_bytes(&geometry)
    guard byteCount >= 0 else { throw Int.overflowError("packed weights of '" + name(weights) + "'") }
    var arguments = apusk_integer_conv_pack_args()
    arguments.geometry = geometry
    arguments.type = try elementType(weights).rawValue
    var plan = apusk_plan()
    try check(apusk_integer_conv_pack_plan(&arguments, &plan))
    let base = arguments
    if let constant = constantTensor(weights) {
      return packed(
        PackedRequest(
          tensor: constant, packing: Packing(.convolutionInteger, level: 0, geometry.packingParameters()),
          byteCount: Int(byteCount)
        ) { source, target in
          var arguments = base
          arguments.weights = source
          arguments.packed = target.assumingMemoryBound(to: Int8.self)
          apusk_integer_conv_pack(&arguments)
        })
    }
    let source = try input(weights)
    let target = temporary(byteCount: Int(byteCount))
    try emit(plan, [source, target]) { pointers in
      var arguments = base
      arguments.weights = UnsafeRawPointer(pointers[source])
      arguments.packed = pointers[target]?.assumingMemoryBound(to: Int8.self)
      return arguments
    }
    return target
  }

  fileprivate func emitIntegerConvolution(_ node: BoundNode, _ roles: IntegerRoles) throws(ApusError) {
    let geometry = try ConvolutionGeometry(self, node, input: roles.a, weights: roles.b).geometry
    let tail = try integerTail(
      node, roles, rows: 1, columns: Int(geometry.cout), matricesA: 1, matricesB: 1, .channelsLast)
    var arguments = apusk_integer_conv_args()
    arguments.geometry = geometry
    arguments.x_type = try elementType(node.input(roles.a)).rawValue
    arguments.w_type = try elementType(node.input(roles.b)).rawValue
    arguments.tail = tail.tail
    var plan = apusk_plan()
    try check(apusk_integer_conv_plan(level, &arguments, &plan))
    let source = try input(node.input(roles.a), .channelsLast)
    let weights = try packedIntegerWeights(node.input(roles.b), geometry)
    let target = try output(node.output(0), .channelsLast)
    let base = arguments
    try emit(plan, [source, weights, target] + tail.touched) { pointers in
      var arguments = base
      arguments.x = UnsafeRawPointer(pointers[source])
      arguments.w = UnsafePointer(pointers[weights]?.assumingMemoryBound(to: Int8.self))
      arguments.y = pointers[target]
      arguments.tail = tail.resolved(pointers)
      return arguments
    }
  }
}

extension KernelBinding {
  static let convInteger = KernelBinding(
    "ConvInteger", native: TypeSet(.int8, .uint8, .int32)
  ) { builder, node throws(ApusError) in
    try builder.emitIntegerConvolution(node, IntegerRoles(b: 1, zeroA: 2, zeroB: 3))
  }

  static let qLinearConv = KernelBinding(
    "QLinearConv", native: TypeSet(.int8, .uint8, .int32, .float32), tail: [.bounds, .addition]
  ) { builder, node throws(ApusError) in
    try builder.emitIntegerConvolution(
      node, IntegerRoles(b: 3, zeroA: 2, zeroB: 5, scaleA: 1, scaleB: 4, scaleY: 6, zeroY: 7, bias: 8))
  }
}
