import ApusGraph
import CApusKernels

extension KernelBinding {
  /// Channels-last convolution. Over one or two axes, float32: kernels of their own; else those of any number of axes.
  static let conv = KernelBinding("Conv", native: TypeSet(.float32, .float64)) { builder, node throws(ApusError) in
    let rank = try builder.extents(node.input(0)).count
    if try builder.elementType(node.input(0)) == .float32, rank <= 4 {
      try emitPlanar(builder, node)
    } else {
      let window = try ConvolutionGeometry(builder, node, input: 0, weights: 1)
      try builder.emitConvolution(window.geometry, node)
    }
  }

  private static func emitPlanar(_ builder: PlanBuilder, _ node: BoundNode) throws(ApusError) {
    let x = try builder.extents(node.input(0))
    let w = try builder.extents(node.input(1))
    let y = try builder.extents(node.output(0))
    let window = try Window(node.context, kernel: Array(w[2...]))
    let isPlanar = x.count == 4
    let last = x.count - 3
    let vertical = isPlanar ? try window.resolve(0, extent: x[2], node.context).begin : 0
    let horizontal = try window.resolve(last, extent: x[x.count - 1], node.context).begin

    var arguments = apusk_conv2d_f32_args()
    arguments.batch = Int64(x[0])
    arguments.cin = Int64(x[1])
    arguments.ih = isPlanar ? Int64(x[2]) : 1
    arguments.iw = Int64(x[x.count - 1])
    arguments.cout = Int64(w[0])
    arguments.oh = isPlanar ? Int64(y[2]) : 1
    arguments.ow = Int64(y[y.count - 1])
    arguments.groups = Int64(node.attributes.int("group") ?? 1)
    arguments.kh = isPlanar ? Int64(w[2]) : 1
    arguments.kw = Int64(w[w.count - 1])
    arguments.stride_h = isPlanar ? Int64(window.strides[0]) : 1
    arguments.stride_w = Int64(window.strides[last])
    arguments.dilation_h = isPlanar ? Int64(window.dilations[0]) : 1
    arguments.dilation_w = Int64(window.dilations[last])
    arguments.pad_top = Int64(vertical)
    arguments.pad_left = Int64(horizontal)
    arguments.tail = apusk_tail_none()
    node.node.activation.apply(to: &arguments.tail)

    let bias = try node.optionalInput(2).map { id throws(ApusError) in try builder.input(id) }
    let residual = try node.node.residual.map { id throws(ApusError) in try builder.input(id, .channelsLast) }
    if residual != nil { arguments.tail.residual_row_stride = arguments.cout }
    let kernels = apusk_conv_kernels_for(builder.level)
    let source = try builder.pixels(node.input(0))
    var factors: BufferID?
    if let left = builder.unscaled, left.value == node.input(0) {
      (factors, arguments.scaled) = (left.factors, 1)
      builder.unscaled = nil
    }
    arguments.x_pixel_stride = Int64(source.stride)
    arguments.winograd = builder.winogradTile(&arguments, weights: node.input(1))
    let target = try builder.outputPixels(try pooledResult(builder, node, &arguments) ?? node.output(0))
    arguments.y_pixel_stride = Int64(target.stride)
    let packed = try builder.packedPlanarWeights(node.input(1), arguments)
    builder.note = choice(arguments)
    var expected = InlineArray<4, Float>(repeating: 0)
    var times = expected.mutableSpan
    if times.withUnsafeMutableBufferPointer({ apusk_conv2d_f32_expected(kernels, &arguments, $0.baseAddress) }) > 0 {
      builder.expected = expected.indices.map { expected[$0] }
    }
    let convolution = PlacedConvolution(
      sizes: arguments, input: source.buffer, packed: packed, bias: bias, residual: residual,
      factors: factors, output: target.buffer)
    try builder.emit(convolution, of: node.input(0), to: node.output(0))
  }
}

extension KernelBinding {
  /// The result of the MaxPool over 2x2 pixels that alone reads a convolution's, where the kernel can take their maxima; then
  /// nothing is left of that node.
  private static func pooledResult(
    _ builder: PlanBuilder, _ node: BoundNode, _ sizes: inout apusk_conv2d_f32_args
  ) throws(ApusError) -> ValueID? {
    guard node.node.residual == nil,
      let (reader, position) = try builder.onlyReader(of: node.output(0)),
      reader.node.node.domain == .onnx, reader.node.node.operatorName == "MaxPool", reader.node.node.outputs.count == 1,
      reader.node.isPlain
    else { return nil }
    let pool = try planarPool(builder, reader)
    guard pool.kernel_height == 2, pool.kernel_width == 2, pool.stride_height == 2, pool.stride_width == 2,
      pool.dilation_height == 1, pool.dilation_width == 1, pool.pad_top == 0, pool.pad_left == 0,
      pool.output_height == sizes.oh / 2, pool.output_width == sizes.ow / 2
    else { return nil }
    sizes.pool = 1
    guard apusk_conv2d_f32_pool_fits(&sizes) != 0 else {
      sizes.pool = 0
      return nil
    }
    builder.absorb(position)
    return reader.output(0)
  }

  /// The kernel that computes a convolution, and why.
  private static func choice(_ sizes: apusk_conv2d_f32_args) -> StaticString {
    if sizes.pool != 0 && sizes.winograd == 0 { return "direct: pixels side by side, and maxima of 2x2" }
    if sizes.pool != 0 { return "Winograd: fewer products, and maxima of 2x2 pixels" }
    if sizes.winograd == 2 { return "Winograd F(2x2, 3x3): fewer products" }
    if sizes.winograd == 4 { return "Winograd F(4x4, 3x3): fewer products" }
    if sizes.winograd == 6 { return "Winograd F(6x6, 3x3): fewer products" }
    if sizes.groups > 1 && sizes.groups == sizes.cin { return "depthwise: one input channel a group" }
    if sizes.scaled != 0 { return "product of pixels: 1x1, scaled channel by channel" }
    let isPixelwise = sizes.kh == 1 && sizes.kw == 1 && sizes.stride_h == 1 && sizes.stride_w == 1
    if isPixelwise && sizes.oh == sizes.ih && sizes.ow == sizes.iw { return "product of pixels: 1x1" }
    return "direct: windows of pixels"
  }
}

extension PlanBuilder {
  /// The algorithm of a convolution: 0 for the direct sum, else outputs of a Winograd tile on each axis.
  fileprivate func winogradTile(_ sizes: inout apusk_conv2d_f32_args, weights: ValueID) -> Int32 {
    switch convolution {
    case .automatic:
      // Weights of another value would be transformed in each run.
      constantTensor(weights) == nil ? 0 : apusk_conv2d_f32_fastest(&sizes)
    case .direct: 0
    case .winograd2, .winograd4, .winograd6: apusk_conv2d_f32_winograd_fits(&sizes) != 0 ? convolution.rawValue : 0
    }
  }

  /// Weights `[cout, cin/groups, kh, kw]` in packed form: a constant's once a model, another value's by a step of each run.
  func packedPlanarWeights(_ weights: ValueID, _ sizes: apusk_conv2d_f32_args) throws(ApusError) -> BufferID {
    let kernels = apusk_conv_kernels_for(level)
    var sizes = sizes
    let byteCount = apusk_conv2d_f32_packed_bytes(kernels, &sizes)
    guard byteCount >= 0 else { throw Int.overflowError("packed weights of '" + name(weights) + "'") }
    if let constant = constantTensor(weights) {
      let base = sizes
      return packed(
        PackedRequest(
          tensor: constant,
          packing: Packing(
            .convolution, level: level,
            [
              Int(sizes.cout), Int(sizes.cin), Int(sizes.groups), Int(sizes.kh), Int(sizes.kw), Int(sizes.winograd),
            ]),
          byteCount: Int(byteCount)
        ) { source, target in
          var sizes = base
          apusk_conv2d_f32_pack(
            kernels, &sizes, source.assumingMemoryBound(to: Float.self), target.assumingMemoryBound(to: Float.self))
        })
    }
    var arguments = apusk_conv2d_pack_f32_args()
    arguments.cin = sizes.cin
    arguments.cout = sizes.cout
    arguments.groups = sizes.groups
    arguments.kh = sizes.kh
    arguments.kw = sizes.kw
    arguments.winograd = sizes.winograd
    var plan = apusk_plan()
    try check(apusk_conv2d_pack_f32_plan(kernels, &arguments, &plan))
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
