import ApusGraph
import CApusKernels

/// Which inputs of a convolution of integers are what; nil for those that the operator has not.
private struct IntegerConvolution {
  let weights: Int
  let inputZero: Int
  let weightsZero: Int
  var inputScale: Int?
  var weightsScale: Int?
  var outputScale: Int?
  var outputZero: Int?
  var bias: Int?
}

extension PlanBuilder {
  /// 8-bit weights, widened to 16 bits: a constant's once a model, another value's by a step of each run.
  private func packedIntegerWeights(
    _ weights: ValueID, _ geometry: apusk_conv_geometry
  ) throws(ApusError) -> BufferID {
    var geometry = geometry
    let byteCount = apusk_conv_integer_packed_bytes(&geometry)
    guard byteCount >= 0 else { throw Int.overflowError("packed weights of '" + name(weights) + "'") }
    var arguments = apusk_conv_integer_pack_args()
    arguments.geometry = geometry
    arguments.w_type = try elementType(weights).rawValue
    var plan = apusk_plan()
    try check(apusk_conv_integer_pack_plan(&arguments, &plan))
    let base = arguments
    if let constant = constantTensor(weights) {
      return packed(
        PackedRequest(
          tensor: constant, packing: Packing(.convolutionInteger, level: 0, geometry.packingParameters()),
          byteCount: Int(byteCount)
        ) { source, target in
          var arguments = base
          arguments.weights = source
          arguments.packed = target.assumingMemoryBound(to: Int16.self)
          apusk_conv_integer_pack(&arguments)
        })
    }
    let source = try input(weights)
    let target = temporary(byteCount: Int(byteCount))
    try emit(plan, [source, target]) { pointers in
      var arguments = base
      arguments.weights = UnsafeRawPointer(pointers[source])
      arguments.packed = pointers[target]?.assumingMemoryBound(to: Int16.self)
      return arguments
    }
    return target
  }

  private func parameter(_ node: BoundNode, _ index: Int?) throws(ApusError) -> BufferID? {
    guard let index, let id = node.optionalInput(index) else { return nil }
    return try input(id)
  }

  /// Elements of a scalar or of a tensor with one for each channel.
  private func parameterCount(_ node: BoundNode, _ index: Int?) throws(ApusError) -> Int64 {
    guard let index, let id = node.optionalInput(index) else { return 1 }
    return Int64(try checkedElementCount(try extents(id)))
  }

  fileprivate func emitIntegerConvolution(_ node: BoundNode, _ roles: IntegerConvolution) throws(ApusError) {
    let geometry = try ConvolutionGeometry(self, node, input: 0, weights: roles.weights).geometry
    var arguments = apusk_conv_integer_args()
    arguments.geometry = geometry
    arguments.x_type = try elementType(node.input(0)).rawValue
    arguments.w_type = try elementType(node.input(roles.weights)).rawValue
    arguments.y_type = try elementType(node.output(0)).rawValue
    arguments.w_zeros = try parameterCount(node, roles.weightsZero)
    arguments.w_scales = try parameterCount(node, roles.weightsScale)
    var plan = apusk_plan()
    try check(apusk_conv_integer_plan(level, &arguments, &plan))
    let source = try input(node.input(0), .channelsLast)
    let weights = try packedIntegerWeights(node.input(roles.weights), geometry)
    let inputZero = try parameter(node, roles.inputZero)
    let weightsZero = try parameter(node, roles.weightsZero)
    let inputScale = try parameter(node, roles.inputScale)
    let weightsScale = try parameter(node, roles.weightsScale)
    let outputScale = try parameter(node, roles.outputScale)
    let outputZero = try parameter(node, roles.outputZero)
    let bias = try parameter(node, roles.bias)
    let target = try output(node.output(0), .channelsLast)
    let base = arguments
    let touched = [source, weights, inputZero, weightsZero, inputScale, weightsScale, outputScale, outputZero, bias, target]
    try emit(plan, touched) { pointers in
      var arguments = base
      arguments.x = UnsafeRawPointer(pointers[source])
      arguments.w = pointers[weights].map { UnsafePointer($0.assumingMemoryBound(to: Int16.self)) }
      arguments.y = pointers[target]
      arguments.bias = bias.flatMap { pointers[$0] }.map { UnsafePointer($0.assumingMemoryBound(to: Int32.self)) }
      arguments.x_zero = inputZero.flatMap { UnsafeRawPointer(pointers[$0]) }
      arguments.w_zero = weightsZero.flatMap { UnsafeRawPointer(pointers[$0]) }
      arguments.y_zero = outputZero.flatMap { UnsafeRawPointer(pointers[$0]) }
      arguments.x_scale = UnsafePointer(pointers.floats(inputScale))
      arguments.w_scale = UnsafePointer(pointers.floats(weightsScale))
      arguments.y_scale = UnsafePointer(pointers.floats(outputScale))
      return arguments
    }
  }
}

extension KernelBinding {
  static let convInteger = KernelBinding(
    "ConvInteger", native: TypeSet(.int8, .uint8, .int32)
  ) { builder, node throws(ApusError) in
    try builder.emitIntegerConvolution(node, IntegerConvolution(weights: 1, inputZero: 2, weightsZero: 3))
  }

  static let qLinearConv = KernelBinding(
    "QLinearConv", native: TypeSet(.int8, .uint8, .int32, .float32)
  ) { builder, node throws(ApusError) in
    try builder.emitIntegerConvolution(
      node,
      IntegerConvolution(
        weights: 3, inputZero: 2, weightsZero: 5, inputScale: 1, weightsScale: 4, outputScale: 6, outputZero: 7, bias: 8))
  }
}
