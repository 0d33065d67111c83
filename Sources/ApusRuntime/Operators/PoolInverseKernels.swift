import ApusGraph
import CApusKernels

extension apusk_col2im_args: MapArguments {}

extension KernelBinding {
  static let maxUnpool = KernelBinding("MaxUnpool", native: .wholeBytes) { builder, node throws(ApusError) in
    let y = try builder.extents(node.output(0))
    guard let inferred = try node.context.unpooledShape()?.known else {
      throw node.unsupported("unpooling of a shape that depends on data")
    }
    guard y.count <= Int(APUSK_MAX_RANK) else {
      throw node.unsupported("unpooling of this rank", expected: "at most \(APUSK_MAX_RANK)", actual: "\(y.count)")
    }
    var arguments = apusk_max_unpool_args()
    arguments.count = Int64(try checkedElementCount(try builder.extents(node.input(0))))
    arguments.element_bytes = Int64(try builder.elementType(node.input(0)).byteWidth ?? 0)
    arguments.rank = Int32(y.count)
    for axis in y.indices { apusk_max_unpool_set(&arguments, Int32(axis), Int64(inferred[axis]), Int64(y[axis])) }
    var plan = apusk_plan()
    try builder.check(apusk_max_unpool_plan(&arguments, &plan))
    let source = try builder.input(node.input(0))
    let places = try builder.input(node.input(1))
    let target = try builder.output(node.output(0))
    let base = arguments
    try builder.emit(plan, [source, places, target]) { pointers in
      var arguments = base
      arguments.input = UnsafeRawPointer(pointers[source])
      arguments.indices = UnsafePointer(pointers.integers(places))
      arguments.output = pointers[target]
      return arguments
    }
  }

  static let col2Im = KernelBinding(
    "Col2Im", native: TypeSet(.float32, .float64, .int32, .int64)
  ) { builder, node throws(ApusError) in
    let y = try builder.extents(node.output(0))
    let block = (node.context.input(2)?.integers ?? []).map { Int($0) }
    let window = try Window(node.context, kernel: block)
    guard block.count <= Int(APUSK_POOL_MAX_AXES), y.count == block.count + 2 else {
      throw node.unsupported(
        "columns of this many axes", expected: "at most \(APUSK_POOL_MAX_AXES)", actual: "\(block.count)")
    }
    var arguments = apusk_col2im_args()
    arguments.planes = Int64(try y[0].checkedMultiplied(by: y[1]))
    arguments.axes = Int32(block.count)
    arguments.element_type = try builder.elementType(node.input(0)).rawValue
    for index in block.indices {
      let resolved = try window.resolve(index, extent: y[index + 2], node.context)
      var axis = apusk_pool_axis()
      axis.input = Int64(resolved.output)
      axis.output = Int64(y[index + 2])
      axis.kernel = Int64(block[index])
      axis.stride = Int64(window.strides[index])
      axis.dilation = Int64(window.dilations[index])
      axis.pad_begin = Int64(resolved.begin)
      axis.pad_end = Int64(resolved.end)
      apusk_col2im_set(&arguments, Int32(index), &axis)
    }
    var plan = apusk_plan()
    try builder.check(apusk_col2im_plan(&arguments, &plan))
    try builder.emit(plan, arguments, from: try builder.input(node.input(0)), to: try builder.output(node.output(0)))
  }
}
