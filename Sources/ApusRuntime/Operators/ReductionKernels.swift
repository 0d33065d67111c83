import ApusGraph
import CApusKernels

extension TypeSet {
  /// The types that reductions and kernels along an axis compute in.
  static let wideNumbers = TypeSet(.float32, .float64, .int32, .int64, .uint64)
}

extension PlanBuilder {
  /// Reduces `source`, dense with `extents`, over the axes of a mask by a function APUSK_REDUCE_*.
  func emitReduction(
    _ source: BufferID, _ target: BufferID, extents: [Int], axes: UInt64, type: ElementType, _ function: Int32, of value: ValueID
  ) throws(ApusError) {
    var arguments = apusk_reduce_args()
    try check(apusk_reduce_set_shape(&arguments, Int32(extents.count), extents.map { Int64($0) }, axes))
    arguments.function = function
    arguments.element_type = type.rawValue
    var plan = apusk_plan()
    try check(apusk_reduce_plan(level, &arguments, &plan), type, of: value)
    try emit(plan, arguments, from: source, to: target)
  }
}

extension KernelBinding {
  /// - Parameter isComposite: whether something is left to do where no axis is reduced.
  private static func reduction(
    _ name: StaticString, _ function: Int32, isComposite: Bool = false, native: TypeSet = .wideNumbers
  ) -> KernelBinding {
    KernelBinding(name, native: native) { builder, node throws(ApusError) in
      let extents = try builder.extents(node.input(0))
      guard let axes = try reducedAxes(node.context, rank: extents.count) else {
        throw node.unsupported("reduction over axes that are computed", expected: "constant axes")
      }
      if axes.isEmpty, !isComposite {
        return builder.alias(node.output(0), to: try builder.input(node.input(0)))
      }
      let keeps = node.attributes.flag("keepdims")
      let layout = try layout(builder, node, axes, rank: extents.count, keeps: keeps)
      let order = layout == .plain ? Array(extents.indices) : Layout.channelsLastOrder(rank: extents.count)
      var mask: UInt64 = 0
      for (position, axis) in order.enumerated() where axes.contains(axis) && position < 64 { mask |= 1 << UInt64(position) }
      try builder.emitReduction(
        try builder.input(node.input(0), layout), try builder.output(node.output(0), keeps ? layout : .plain),
        extents: order.map { extents[$0] }, axes: mask, type: try builder.elementType(node.input(0)), function,
        of: node.input(0))
    }
  }

  /// Channels-last where the operand lies so, the order of what is reduced is the same there, and the result needs no other one.
  private static func layout(
    _ builder: PlanBuilder, _ node: BoundNode, _ axes: [Int], rank: Int, keeps: Bool
  ) throws(ApusError) -> Layout {
    guard rank >= 3, try builder.presentLayout(node.input(0)) == .channelsLast else { return .plain }
    // Of the spatial axes alone, or of the channels alone.
    let isSpatial = axes.allSatisfy { $0 >= 2 }
    guard isSpatial || axes == [1] else { return .plain }
    return keeps || axes == [1] || axes.count == rank - 2 ? .channelsLast : .plain
  }

  static let reduceL1 = reduction("ReduceL1", APUSK_REDUCE_L1, isComposite: true)
  static let reduceL2 = reduction("ReduceL2", APUSK_REDUCE_L2, isComposite: true)
  static let reduceLogSum = reduction("ReduceLogSum", APUSK_REDUCE_LOG_SUM, isComposite: true)
  static let reduceLogSumExp = reduction("ReduceLogSumExp", APUSK_REDUCE_LOG_SUM_EXP, isComposite: true)
  static let reduceMax = reduction(
    "ReduceMax", APUSK_REDUCE_MAX, native: TypeSet.wideNumbers.union(TypeSet(.int8, .uint8, .bool)))
  static let reduceMean = reduction("ReduceMean", APUSK_REDUCE_MEAN)
  static let reduceMin = reduction(
    "ReduceMin", APUSK_REDUCE_MIN, native: TypeSet.wideNumbers.union(TypeSet(.int8, .uint8, .bool)))
  static let reduceProd = reduction("ReduceProd", APUSK_REDUCE_PROD)
  static let reduceSum = reduction("ReduceSum", APUSK_REDUCE_SUM)
  static let reduceSumSquare = reduction("ReduceSumSquare", APUSK_REDUCE_SUM_SQUARE, isComposite: true)
}
