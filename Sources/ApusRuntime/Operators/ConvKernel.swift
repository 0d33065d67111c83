import ApusGraph
import CApusKernels

extension KernelBinding {
  /// Channels-last convolution of one or two spatial axes with constant weights, packed once a model.
  static let conv = KernelBinding("Conv") { builder, node throws(ApusError) in
    try builder.require(node.input(0), TypeSet(.float32))
    let x = try builder.extents(node.input(0))
    let w = try builder.extents(node.input(1))
    guard x.count == 3 || x.count == 4 else {
      throw node.unsupported("convolution over this many axes", expected: "1 or 2 spatial axes", actual: "\(x.count - 2)")
    }
    guard let weights = builder.constantTensor(node.input(1)) else {
      throw node.unsupported("convolution with weights that are computed", expected: "constant weights")
    }
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
    arguments.x_pixel_stride = arguments.cin
    arguments.y_pixel_stride = arguments.cout
    arguments.tail = apusk_tail_none()
    node.node.activation.apply(to: &arguments.tail)

    let bias = try node.optionalInput(2).map { id throws(ApusError) in try builder.input(id) }
    let residual = try node.node.residual.map { id throws(ApusError) in try builder.input(id, .channelsLast) }
    if residual != nil { arguments.tail.residual_row_stride = arguments.cout }
    let kernels = apusk_conv_kernels_for(builder.level)
    var plan = apusk_plan()
    try builder.check(apusk_conv2d_f32_plan(kernels, &arguments, &plan))
    let input = try builder.input(node.input(0), .channelsLast)
    let output = try builder.output(node.output(0), .channelsLast)

    let packedBytes = apusk_conv2d_f32_packed_bytes(kernels, &arguments)
    guard packedBytes >= 0 else { throw node.unsupported("convolution of these sizes") }
    let sizes = arguments
    let packed = builder.packed(
      PackedRequest(
        tensor: weights,
        packing: Packing(
          .convolution, level: builder.level,
          [w[0], x[1], Int(sizes.groups), Int(sizes.kh), Int(sizes.kw)]),
        byteCount: Int(packedBytes)
      ) { source, target in
        var sizes = sizes
        apusk_conv2d_f32_pack(
          kernels, &sizes, source.assumingMemoryBound(to: Float.self), target.assumingMemoryBound(to: Float.self))
      })
    let base = arguments
    try builder.emit(plan, [input, packed, bias, residual, output]) { pointers in
      var arguments = base
      arguments.x = UnsafePointer(pointers.floats(input))
      arguments.w = UnsafePointer(pointers.floats(packed))
      arguments.y = pointers.floats(output)
      arguments.tail.bias = UnsafePointer(pointers.floats(bias))
      arguments.tail.residual = UnsafePointer(pointers.floats(residual))
      return arguments
    }
  }
}
