import ApusGraph
import CApusKernels

extension KernelBinding {
  static let deformConv = KernelBinding(
    "DeformConv", native: TypeSet(.float32, .float64)
  ) { builder, node throws(ApusError) in
    let x = try builder.extents(node.input(0))
    let w = try builder.extents(node.input(1))
    let y = try builder.extents(node.output(0))
    guard x.count == 4 else {
      throw node.unsupported(
        "deformable convolution over this many axes", expected: "2 spatial axes", actual: "\(x.count - 2)")
    }
    let window = try Window(node.context, kernel: Array(w[2...]))
    var arguments = apusk_deform_conv_args()
    arguments.batch = Int64(x[0])
    arguments.cin = Int64(x[1])
    arguments.ih = Int64(x[2])
    arguments.iw = Int64(x[3])
    arguments.cout = Int64(y[1])
    arguments.oh = Int64(y[2])
    arguments.ow = Int64(y[3])
    arguments.groups = Int64(node.attributes.int("group") ?? 1)
    arguments.offset_groups = Int64(node.attributes.int("offset_group") ?? 1)
    arguments.kh = Int64(w[2])
    arguments.kw = Int64(w[3])
    arguments.stride_h = Int64(window.strides[0])
    arguments.stride_w = Int64(window.strides[1])
    arguments.dilation_h = Int64(window.dilations[0])
    arguments.dilation_w = Int64(window.dilations[1])
    arguments.pad_top = Int64(window.padsBegin[0])
    arguments.pad_left = Int64(window.padsBegin[1])
    arguments.tail = apusk_tail_none()
    node.node.activation.apply(to: &arguments.tail)
    let isDouble = try builder.elementType(node.input(0)) == .float64
    var plan = apusk_plan()
    if isDouble {
      try builder.check(apusk_deform_conv_f64_plan(&arguments, &plan))
    } else {
      try builder.check(apusk_deform_conv_f32_plan(apusk_conv_kernels_for(builder.level), &arguments, &plan))
    }
    let input = try builder.input(node.input(0), .channelsLast)
    let weights: BufferID
    if isDouble {
      weights = try builder.input(node.input(1))
    } else {
      var sizes = apusk_conv2d_f32_args()
      sizes.cin = arguments.cin
      sizes.cout = arguments.cout
      sizes.groups = arguments.groups
      sizes.kh = arguments.kh
      sizes.kw = arguments.kw
      weights = try builder.packedPlanarWeights(node.input(1), sizes)
    }
    let offset = try builder.input(node.input(2))
    let bias = try node.optionalInput(3).map { id throws(ApusError) in try builder.input(id) }
    let mask = try node.optionalInput(4).map { id throws(ApusError) in try builder.input(id) }
    let output = try builder.output(node.output(0), .channelsLast)
    let base = arguments
    try builder.emit(plan, [input, weights, offset, bias, mask, output]) { pointers in
      var arguments = base
      arguments.x = UnsafeRawPointer(pointers[input])
      arguments.w = UnsafeRawPointer(pointers[weights])
      arguments.offset = UnsafeRawPointer(pointers[offset])
      arguments.mask = mask.flatMap { UnsafeRawPointer(pointers[$0]) }
      arguments.y = pointers[output]
      if isDouble {
        arguments.bias = bias.flatMap { pointers[$0] }.map { UnsafePointer($0.assumingMemoryBound(to: Double.self)) }
      } else {
        arguments.tail.bias = UnsafePointer(pointers.floats(bias))
      }
      return arguments
    }
  }
}
