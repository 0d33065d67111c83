import ApusGraph
import CApusKernels

extension PlanBuilder {
  /// Sum or mean of `source`, dense with `extents`, over the axes of a mask.
  fileprivate func emitReduction(
    _ source: BufferID, _ target: BufferID, extents: [Int], axes: UInt64, type: ElementType, mean: Bool, of value: ValueID
  ) throws(ApusError) {
    var arguments = apusk_reduce_args()
    try check(apusk_reduce_set_shape(&arguments, Int32(extents.count), extents.map { Int64($0) }, axes))
    var plan = apusk_plan()
    try check(
      apusk_reduce_plan(level, mean ? APUSK_REDUCE_MEAN : APUSK_REDUCE_SUM, type.rawValue, &arguments, &plan), type, of: value)
    try emit(plan, arguments, from: source, to: target)
  }
}

extension KernelBinding {
  private static func reduction(_ name: Name, mean: Bool) -> KernelBinding {
    KernelBinding(name, native: TypeSet(.float32, .float64, .int32, .int64)) { builder, node throws(ApusError) in
      let extents = try builder.extents(node.input(0))
      guard let axes = try reducedAxes(node.context, rank: extents.count) else {
        throw node.unsupported("reduction over axes that are computed", expected: "constant axes")
      }
      let source = try builder.input(node.input(0))
      if axes.isEmpty { return builder.alias(node.output(0), to: source) }
      var mask: UInt64 = 0
      for axis in axes where axis < 64 { mask |= 1 << UInt64(axis) }
      try builder.emitReduction(
        source, try builder.output(node.output(0)), extents: extents, axes: mask,
        type: try builder.elementType(node.input(0)), mean: mean, of: node.input(0))
    }
  }

  static let reduceMean = reduction("ReduceMean", mean: true)
  static let reduceSum = reduction("ReduceSum", mean: false)

  private static func softmaxLike(
    _ name: Name, _ function: Int32
  ) -> KernelBinding {
    KernelBinding(name) { builder, node throws(ApusError) in
      try builder.require(node.input(0), TypeSet(.float32))
      let extents = try builder.extents(node.input(0))
      var arguments = apusk_softmax_args()
      if extents.isEmpty {
        (arguments.outer, arguments.n, arguments.inner) = (1, 1, 1)
      } else {
        let axis = try node.context.normalizedAxis(node.attributes.int("axis") ?? -1, rank: extents.count)
        arguments.outer = Int64(try checkedElementCount(Array(extents[..<axis])))
        arguments.n = Int64(extents[axis])
        arguments.inner = Int64(try checkedElementCount(Array(extents[(axis + 1)...])))
      }
      let source = try builder.input(node.input(0))
      let target = try builder.output(node.output(0), .plain, over: node.input(0))
      var plan = apusk_plan()
      try builder.check(apusk_softmax_plan(builder.level, function, &arguments, &plan))
      try builder.emit(plan, arguments, from: source, to: target)
    }
  }

  static let softmax = softmaxLike("Softmax", APUSK_SOFTMAX)
  static let logSoftmax = softmaxLike("LogSoftmax", APUSK_LOG_SOFTMAX)
}
