import ApusGraph
import CApusKernels

extension PlanBuilder {
  /// The layout in which a value lies already; plain where both do.
  func layout(of id: ValueID) throws(ApusError) -> Layout {
    try isAvailable(id, .plain) || constantTensor(id) != nil ? .plain : .channelsLast
  }
}

extension KernelBinding {
  /// BatchNormalization that was not folded into a convolution: the compiler has made its statistics two vectors.
  static let batchNormalization = KernelBinding("BatchNormalization") { builder, node throws(ApusError) in
    try builder.require(node.input(0), TypeSet(.float32))
    guard node.node.node.inputs.count == 3 else {
      throw node.unsupported("batch normalization with statistics that are computed", expected: "constant statistics")
    }
    let extents = try builder.extents(node.input(0))
    let layout = try builder.layout(of: node.input(0))
    let channels = extents.count > 1 ? extents[1] : 1
    let spatial = try checkedElementCount(Array(extents.dropFirst(2)))
    var arguments = apusk_affine_args()
    let items = extents.first ?? 1
    arguments.outer = Int64(layout == .channelsLast ? try items.checkedMultiplied(by: spatial) : items)
    arguments.channels = Int64(channels)
    arguments.inner = Int64(layout == .channelsLast ? 1 : spatial)
    var tail = apusk_tail_none()
    node.node.activation.apply(to: &tail)
    arguments.activation = tail.activation
    arguments.alpha = tail.alpha
    let source = try builder.input(node.input(0), layout)
    let scale = try builder.input(node.input(1))
    let shift = try builder.input(node.input(2))
    let target = try builder.output(node.output(0), layout, over: node.input(0))
    var plan = apusk_plan()
    try builder.check(apusk_affine_plan(builder.level, &arguments, &plan))
    let base = arguments
    try builder.emit(plan, [source, scale, shift, target]) { pointers in
      var arguments = base
      arguments.input = UnsafePointer(pointers.floats(source))
      arguments.scale = UnsafePointer(pointers.floats(scale))
      arguments.shift = UnsafePointer(pointers.floats(shift))
      arguments.output = pointers.floats(target)
      return arguments
    }
  }
}
