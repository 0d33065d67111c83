import ApusGraph
import CApusKernels

extension KernelBinding {
  static let maxPool = KernelBinding(
    "MaxPool", native: TypeSet(.float32, .float64, .int8, .uint8)
  ) { builder, node throws(ApusError) in
    try emitPool(builder, node, APUSK_POOL_ND_MAX, planar: node.optionalOutput(1) == nil ? APUSK_POOL_MAX : nil)
  }

  static let averagePool = KernelBinding(
    "AveragePool", native: TypeSet(.float32, .float64)
  ) { builder, node throws(ApusError) in
    try emitPool(builder, node, APUSK_POOL_ND_AVERAGE, planar: APUSK_POOL_AVERAGE)
  }

  static let lpPool = KernelBinding("LpPool", native: TypeSet(.float32, .float64)) { builder, node throws(ApusError) in
    try emitPool(builder, node, APUSK_POOL_ND_LP, planar: nil)
  }

  static let globalMaxPool = KernelBinding(
    "GlobalMaxPool", native: TypeSet(.float32, .float64)
  ) { builder, node throws(ApusError) in
    try emitGlobalPool(builder, node, APUSK_POOL_ND_MAX)
  }

  static let globalLpPool = KernelBinding(
    "GlobalLpPool", native: TypeSet(.float32, .float64)
  ) { builder, node throws(ApusError) in
    try emitGlobalPool(builder, node, APUSK_POOL_ND_LP)
  }

  static let globalAveragePool = KernelBinding(
    "GlobalAveragePool", native: TypeSet(.float32, .float64)
  ) { builder, node throws(ApusError) in
    if try builder.elementType(node.input(0)) == .float32 {
      try emitSpatialMean(builder, node)
    } else {
      try emitGlobalPool(builder, node, APUSK_POOL_ND_AVERAGE)
    }
  }

  /// The mean over all spatial axes, float32, in whichever layout the input lies.
  private static func emitSpatialMean(_ builder: PlanBuilder, _ node: BoundNode) throws(ApusError) {
    let extents = try builder.extents(node.input(0))
    let isPlain = try builder.isAvailable(node.input(0), .plain)
    let stored = isPlain ? extents : Layout.channelsLastOrder(rank: extents.count).map { extents[$0] }
    let axes: UInt64 = ((1 << UInt64(extents.count - 2)) - 1) << (isPlain ? 2 : 1)
    var arguments = apusk_reduce_args()
    try builder.check(apusk_reduce_set_shape(&arguments, Int32(extents.count), stored.map { Int64($0) }, axes))
    arguments.function = APUSK_REDUCE_MEAN
    arguments.element_type = APUSK_FLOAT32
    var plan = apusk_plan()
    try builder.check(apusk_reduce_plan(builder.level, &arguments, &plan))
    let source = try builder.input(node.input(0), isPlain ? .plain : .channelsLast)
    // One number a channel: the result lies the same way in both layouts.
    try builder.emit(plan, arguments, from: source, to: try builder.output(node.output(0)))
  }

  /// Channels-last pooling. `planar` is the function of the kernels for float32 over one or two axes, where there is one.
  private static func emitPool(
    _ builder: PlanBuilder, _ node: BoundNode, _ function: Int32, planar: Int32?
  ) throws(ApusError) {
    let x = try builder.extents(node.input(0))
    let y = try builder.extents(node.output(0))
    let window = try Window(
      node.context, kernel: node.attributes.ints("kernel_shape") ?? [], ceilMode: node.attributes.flag("ceil_mode"))
    let pads = try resolvedPads(node, window, x)
    if let planar, x.count <= 4 {
      let type = try builder.elementType(node.input(0))
      if type == .float32 { return try emitPlanarPool(builder, node, planar, window, pads) }
      if planar == APUSK_POOL_MAX, type == .int8 || type == .uint8 {
        return try builder.emitQuantizedPool(node, try planarPool(builder, node, window, pads), nil)
      }
    }
    var arguments = try poolArguments(builder, node, function, axes: pads.count)
    arguments.count_include_pad = node.attributes.flag("count_include_pad") ? 1 : 0
    arguments.column_major = node.attributes.flag("storage_order") ? 1 : 0
    for index in pads.indices {
      var axis = apusk_pool_axis()
      axis.input = Int64(x[index + 2])
      axis.output = Int64(y[index + 2])
      axis.kernel = Int64(window.kernel[index])
      axis.stride = Int64(window.strides[index])
      axis.dilation = Int64(window.dilations[index])
      axis.pad_begin = Int64(pads[index].begin)
      axis.pad_end = Int64(pads[index].end)
      apusk_pool_nd_set(&arguments, Int32(index), &axis)
    }
    try emitPool(builder, node, arguments)
  }

  /// One window over all that is spatial.
  private static func emitGlobalPool(_ builder: PlanBuilder, _ node: BoundNode, _ function: Int32) throws(ApusError) {
    let x = try builder.extents(node.input(0))
    var arguments = try poolArguments(builder, node, function, axes: x.count - 2)
    for index in 0..<(x.count - 2) {
      var axis = apusk_pool_axis()
      axis.input = Int64(x[index + 2])
      axis.output = 1
      axis.kernel = max(Int64(x[index + 2]), 1)
      axis.stride = 1
      axis.dilation = 1
      apusk_pool_nd_set(&arguments, Int32(index), &axis)
    }
    try emitPool(builder, node, arguments)
  }

  private static func poolArguments(
    _ builder: PlanBuilder, _ node: BoundNode, _ function: Int32, axes: Int
  ) throws(ApusError) -> apusk_pool_nd_args {
    guard axes <= Int(APUSK_POOL_MAX_AXES) else {
      throw node.unsupported(
        "pooling over this many axes", expected: "at most \(APUSK_POOL_MAX_AXES) spatial axes", actual: "\(axes)")
    }
    let x = try builder.extents(node.input(0))
    var arguments = apusk_pool_nd_args()
    arguments.batch = Int64(x[0])
    arguments.channels = Int64(x[1])
    arguments.axes = Int32(axes)
    arguments.function = function
    arguments.element_type = try builder.elementType(node.input(0)).rawValue
    arguments.p = Int32(clamping: node.attributes.int("p") ?? 2)
    return arguments
  }

  private static func emitPool(
    _ builder: PlanBuilder, _ node: BoundNode, _ arguments: apusk_pool_nd_args
  ) throws(ApusError) {
    var arguments = arguments
    var plan = apusk_plan()
    try builder.check(apusk_pool_nd_plan(&arguments, &plan))
    let source = try builder.input(node.input(0), .channelsLast)
    let target = try builder.output(node.output(0), .channelsLast)
    let indices = try node.optionalOutput(1).map { id throws(ApusError) in try builder.output(id, .channelsLast) }
    let base = arguments
    try builder.emit(plan, [source, target, indices]) { pointers in
      var arguments = base
      arguments.input = UnsafeRawPointer(pointers[source])
      arguments.output = pointers[target]
      arguments.indices = pointers.integers(indices)
      return arguments
    }
  }

  /// The argument block of pooling over one or two axes, without pointers and pixel strides.
  private static func planarPool(
    _ builder: PlanBuilder, _ node: BoundNode, _ window: Window, _ pads: [(begin: Int, end: Int)]
  ) throws(ApusError) -> apusk_pool_args {
    let x = try builder.extents(node.input(0))
    let y = try builder.extents(node.output(0))
    let isPlanar = x.count == 4
    let last = x.count - 3
    let vertical = isPlanar ? pads[0] : (begin: 0, end: 0)
    var arguments = apusk_pool_args()
    arguments.batch = Int64(x[0])
    arguments.channels = Int64(x[1])
    arguments.input_height = isPlanar ? Int64(x[2]) : 1
    arguments.input_width = Int64(x[last + 2])
    arguments.output_height = isPlanar ? Int64(y[2]) : 1
    arguments.output_width = Int64(y[last + 2])
    arguments.kernel_height = isPlanar ? Int64(window.kernel[0]) : 1
    arguments.kernel_width = Int64(window.kernel[last])
    arguments.stride_height = isPlanar ? Int64(window.strides[0]) : 1
    arguments.stride_width = Int64(window.strides[last])
    arguments.dilation_height = isPlanar ? Int64(window.dilations[0]) : 1
    arguments.dilation_width = Int64(window.dilations[last])
    arguments.pad_top = Int64(vertical.begin)
    arguments.pad_bottom = Int64(vertical.end)
    arguments.pad_left = Int64(pads[last].begin)
    arguments.pad_right = Int64(pads[last].end)
    arguments.count_include_pad = node.attributes.flag("count_include_pad") ? 1 : 0
    return arguments
  }

  /// The same of a node's own window, or of all that is spatial where it has none.
  static func planarPool(_ builder: PlanBuilder, _ node: BoundNode) throws(ApusError) -> apusk_pool_args {
    let x = try builder.extents(node.input(0))
    let window = try Window(
      node.context, kernel: node.attributes.ints("kernel_shape") ?? [], ceilMode: node.attributes.flag("ceil_mode"))
    return try planarPool(builder, node, window, try resolvedPads(node, window, x))
  }

  private static func resolvedPads(
    _ node: BoundNode, _ window: Window, _ x: [Int]
  ) throws(ApusError) -> [(begin: Int, end: Int)] {
    var pads: [(begin: Int, end: Int)] = []
    for axis in window.kernel.indices {
      let resolved = try window.resolve(axis, extent: x[axis + 2], node.context)
      pads.append((resolved.begin, resolved.end))
    }
    return pads
  }

  private static func emitPlanarPool(
    _ builder: PlanBuilder, _ node: BoundNode, _ function: Int32, _ window: Window, _ pads: [(begin: Int, end: Int)]
  ) throws(ApusError) {
    var arguments = try planarPool(builder, node, window, pads)
    let source = try builder.pixels(node.input(0))
    let target = try builder.outputPixels(node.output(0))
    arguments.input_pixel_stride = Int64(source.stride)
    arguments.output_pixel_stride = Int64(target.stride)
    var plan = apusk_plan()
    try builder.check(apusk_pool_plan(builder.level, function, &arguments, &plan))
    try builder.emit(plan, arguments, from: source.buffer, to: target.buffer)
  }
}
