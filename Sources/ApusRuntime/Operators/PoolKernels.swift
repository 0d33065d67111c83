import ApusGraph
import CApusKernels

extension KernelBinding {
  /// Channels-last pooling over one or two spatial axes.
  private static func pool(
    _ name: Name, _ function: Int32
  ) -> KernelBinding {
    KernelBinding(name) { builder, node throws(ApusError) in
      try builder.require(node.input(0), TypeSet(.float32))
      guard node.optionalOutput(1) == nil else {
        throw node.unsupported("the positions of maxima", expected: "one output")
      }
      let x = try builder.extents(node.input(0))
      let y = try builder.extents(node.output(0))
      guard x.count == 3 || x.count == 4 else {
        throw node.unsupported("pooling over this many axes", expected: "1 or 2 spatial axes", actual: "\(x.count - 2)")
      }
      let window = try Window(
        node.context, kernel: node.attributes.ints("kernel_shape") ?? [], ceilMode: node.attributes.flag("ceil_mode"))
      let isPlanar = x.count == 4
      let last = x.count - 3
      let horizontal = try window.resolve(last, extent: x[last + 2], node.context)
      let vertical = isPlanar ? try window.resolve(0, extent: x[2], node.context) : (begin: 0, end: 0, output: 1)
      var arguments = apusk_pool_args()
      arguments.batch = Int64(x[0])
      arguments.channels = Int64(x[1])
      arguments.input_height = isPlanar ? Int64(x[2]) : 1
      arguments.input_width = Int64(x[last + 2])
      arguments.input_pixel_stride = Int64(x[1])
      arguments.output_height = isPlanar ? Int64(y[2]) : 1
      arguments.output_width = Int64(y[last + 2])
      arguments.output_pixel_stride = Int64(x[1])
      arguments.kernel_height = isPlanar ? Int64(window.kernel[0]) : 1
      arguments.kernel_width = Int64(window.kernel[last])
      arguments.stride_height = isPlanar ? Int64(window.strides[0]) : 1
      arguments.stride_width = Int64(window.strides[last])
      arguments.dilation_height = isPlanar ? Int64(window.dilations[0]) : 1
      arguments.dilation_width = Int64(window.dilations[last])
      arguments.pad_top = Int64(vertical.begin)
      arguments.pad_bottom = Int64(vertical.end)
      arguments.pad_left = Int64(horizontal.begin)
      arguments.pad_right = Int64(horizontal.end)
      arguments.count_include_pad = node.attributes.flag("count_include_pad") ? 1 : 0
      let source = try builder.input(node.input(0), .channelsLast)
      let target = try builder.output(node.output(0), .channelsLast)
      var plan = apusk_plan()
      try builder.check(apusk_pool_plan(builder.level, function, &arguments, &plan))
      try builder.emit(plan, arguments, from: source, to: target)
    }
  }

  static let maxPool = pool("MaxPool", APUSK_POOL_MAX)
  static let averagePool = pool("AveragePool", APUSK_POOL_AVERAGE)
}
