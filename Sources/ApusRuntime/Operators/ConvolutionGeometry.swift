import ApusGraph
import CApusKernels

/// The sizes of a convolution over any number of axes, as the kernels take them.
struct ConvolutionGeometry {
  var geometry = apusk_conv_geometry()

  /// Of a convolution whose input is input number `input`, with weights `[M, C/group, k1, ...]`.
  init(_ builder: PlanBuilder, _ node: BoundNode, input: Int, weights: Int) throws(ApusError) {
    let x = try builder.extents(node.input(input))
    let w = try builder.extents(node.input(weights))
    let y = try builder.extents(node.output(0))
    let window = try Window(node.context, kernel: Array(w[2...]))
    var pads: [Int] = []
    for axis in window.kernel.indices {
      pads.append(try window.resolve(axis, extent: x[axis + 2], node.context).begin)
    }
    try self.init(node, x: x, y: y, window: window, pads: pads)
  }

  /// Of a transposed convolution with weights `[C, M/group, k1, ...]`.
  init(transposed builder: PlanBuilder, _ node: BoundNode) throws(ApusError) {
    let x = try builder.extents(node.input(0))
    let w = try builder.extents(node.input(1))
    let y = try builder.extents(node.output(0))
    let window = try TransposedWindow(node.context, kernel: Array(w[2...]))
    var pads: [Int] = []
    for axis in window.window.kernel.indices {
      pads.append(try window.resolve(axis, extent: x[axis + 2], node.context).begin)
    }
    try self.init(node, x: x, y: y, window: window.window, pads: pads)
    geometry.transposed = 1
  }

  private init(_ node: BoundNode, x: [Int], y: [Int], window: Window, pads: [Int]) throws(ApusError) {
    guard pads.count <= Int(APUSK_CONV_MAX_AXES) else {
      throw node.unsupported(
        "convolution over this many axes", expected: "at most \(APUSK_CONV_MAX_AXES) spatial axes", actual: "\(pads.count)")
    }
    geometry.batch = Int64(x[0])
    geometry.cin = Int64(x[1])
    geometry.cout = Int64(y[1])
    geometry.groups = Int64(node.attributes.int("group") ?? 1)
    geometry.axes = Int32(pads.count)
    for index in pads.indices {
      var axis = apusk_conv_axis()
      axis.input = Int64(x[index + 2])
      axis.output = Int64(y[index + 2])
      axis.kernel = Int64(window.kernel[index])
      axis.stride = Int64(window.strides[index])
      axis.dilation = Int64(window.dilations[index])
      axis.pad = Int64(pads[index])
      apusk_conv_geometry_set(&geometry, Int32(index), &axis)
    }
  }
}

extension apusk_conv_geometry {
  /// What packed weights depend on.
  func packingParameters() -> [Int] {
    var parameters = [Int(cin), Int(cout), Int(groups), Int(transposed)]
    var copy = self
    for index in 0..<axes {
      let axis = apusk_conv_geometry_axis(&copy, index)
      parameters.append(Int(axis.kernel))
      if transposed != 0 {
        parameters += [Int(axis.stride), Int(axis.dilation), Int(axis.pad), Int(min(axis.output, axis.stride))]
      }
    }
    return parameters
  }
}

extension PlanBuilder {
  /// Emits a convolution, plain or transposed, of inputs X, W and an optional B.
  func emitConvolution(_ geometry: apusk_conv_geometry, _ node: BoundNode) throws(ApusError) {
    var arguments = apusk_conv_nd_args()
    arguments.geometry = geometry
    arguments.tail = apusk_tail_none()
    var plan = apusk_plan()
    let bias = try node.optionalInput(2).map { id throws(ApusError) in try input(id) }
    if try elementType(node.input(0)) == .float64 {
      try check(apusk_conv_nd_f64_plan(&arguments, &plan))
      let source = try input(node.input(0), .channelsLast)
      let weights = try input(node.input(1))
      let target = try output(node.output(0), .channelsLast)
      let base = arguments
      return try emit(plan, [source, weights, bias, target]) { pointers in
        var arguments = base
        arguments.x = UnsafeRawPointer(pointers[source])
        arguments.w = UnsafeRawPointer(pointers[weights])
        arguments.bias = bias.flatMap { pointers[$0] }.map { UnsafePointer($0.assumingMemoryBound(to: Double.self)) }
        arguments.y = pointers[target]
        return arguments
      }
    }
    node.node.activation.apply(to: &arguments.tail)
    let residual = try node.node.residual.map { id throws(ApusError) in try input(id, .channelsLast) }
    if residual != nil { arguments.tail.residual_row_stride = geometry.cout }
    try check(apusk_conv_nd_f32_plan(apusk_conv_kernels_for(level), &arguments, &plan))
    let source = try input(node.input(0), .channelsLast)
    let weights = try packedWeights(node.input(1), geometry)
    let target = try output(node.output(0), .channelsLast)
    let base = arguments
    try emit(plan, [source, weights, bias, residual, target]) { pointers in
      var arguments = base
      arguments.x = UnsafeRawPointer(pointers[source])
      arguments.w = UnsafeRawPointer(pointers[weights])
      arguments.y = pointers[target]
      arguments.tail.bias = UnsafePointer(pointers.floats(bias))
      arguments.tail.residual = UnsafePointer(pointers.floats(residual))
      return arguments
    }
  }

  /// float32 weights in packed form: a constant's once a model, another value's by a step of each run.
  private func packedWeights(_ weights: ValueID, _ geometry: apusk_conv_geometry) throws(ApusError) -> BufferID {
    let kernels = apusk_conv_kernels_for(level)
    var geometry = geometry
    let byteCount = apusk_conv_nd_f32_packed_bytes(kernels, &geometry)
    guard byteCount >= 0 else { throw Int.overflowError("packed weights of '" + name(weights) + "'") }
    if let constant = constantTensor(weights) {
      let base = geometry
      return packed(
        PackedRequest(
          tensor: constant, packing: Packing(.convolutionAnyRank, level: level, geometry.packingParameters()),
          byteCount: Int(byteCount)
        ) { source, target in
          var geometry = base
          apusk_conv_nd_pack_f32(
            kernels, &geometry, source.assumingMemoryBound(to: Float.self), target.assumingMemoryBound(to: Float.self))
        })
    }
    var arguments = apusk_conv_nd_pack_f32_args()
    arguments.geometry = geometry
    var plan = apusk_plan()
    try check(apusk_conv_nd_pack_f32_plan(kernels, &arguments, &plan))
    let source = try input(weights)
    let target = temporary(byteCount: Int(byteCount))
    let base = arguments
    try emit(plan, [source, target]) { pointers in
      var arguments = base
      arguments.weights = UnsafePointer(pointers.floats(source))
      arguments.packed = pointers.floats(target)
      return arguments
    }
    return target
  }
}

extension KernelBinding {
  static let convTranspose = KernelBinding(
    "ConvTranspose", native: TypeSet(.float32, .float64)
  ) { builder, node throws(ApusError) in
    try builder.emitConvolution(try ConvolutionGeometry(transposed: builder, node).geometry, node)
  }
}
