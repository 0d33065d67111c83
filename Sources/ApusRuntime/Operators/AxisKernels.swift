import ApusGraph
import CApusKernels

/// A tensor as [outer, n, inner]: the axis that a kernel goes along, and those before and behind it.
struct AxisExtents {
  let outer: Int64
  let n: Int64
  let inner: Int64

  /// A scalar is one row of one element.
  init(_ extents: [Int], axis: Int) throws(ApusError) {
    guard axis < extents.count else {
      (outer, n, inner) = (1, 1, 1)
      return
    }
    outer = Int64(try checkedElementCount(Array(extents[..<axis])))
    n = Int64(extents[axis])
    inner = Int64(try checkedElementCount(Array(extents[(axis + 1)...])))
  }

  /// Of input 0, along attribute `axis`.
  init(_ builder: PlanBuilder, _ node: BoundNode, default axis: Int) throws(ApusError) {
    let extents = try builder.extents(node.input(0))
    let stated = node.attributes.int("axis") ?? axis
    try self.init(extents, axis: try node.context.normalizedAxis(stated, rank: max(extents.count, 1)))
  }
}

extension apusk_axis_args {
  init(_ function: Int32, _ type: ElementType, _ extents: AxisExtents) {
    self.init()
    self.function = function
    element_type = type.rawValue
    (outer, n, inner) = (extents.outer, extents.n, extents.inner)
  }
}

extension PlanBuilder {
  fileprivate func emitAxis(
    _ arguments: apusk_axis_args, from source: BufferID, to target: BufferID, of id: ValueID
  ) throws(ApusError) {
    var arguments = arguments
    var plan = apusk_plan()
    try check(apusk_axis_plan(&arguments, &plan), try elementType(id), of: id)
    try emit(plan, arguments, from: source, to: target)
  }

  /// Softmax, or its logarithm, of float32 or float64.
  func emitSoftmax(
    _ source: BufferID, _ target: BufferID, _ extents: AxisExtents, logarithmic: Bool, of id: ValueID
  ) throws(ApusError) {
    guard try elementType(id) == .float32 else {
      let function = logarithmic ? APUSK_AXIS_LOG_SOFTMAX : APUSK_AXIS_SOFTMAX
      return try emitAxis(apusk_axis_args(function, try elementType(id), extents), from: source, to: target, of: id)
    }
    var arguments = apusk_softmax_args()
    (arguments.outer, arguments.n, arguments.inner) = (extents.outer, extents.n, extents.inner)
    var plan = apusk_plan()
    try check(apusk_softmax_plan(level, logarithmic ? APUSK_LOG_SOFTMAX : APUSK_SOFTMAX, &arguments, &plan))
    try emit(plan, arguments, from: source, to: target)
  }
}

extension KernelBinding {
  private static let floats = TypeSet(.float32, .float64)

  private static func softmaxLike(_ name: StaticString, logarithmic: Bool) -> KernelBinding {
    KernelBinding(name, native: floats) { builder, node throws(ApusError) in
      let extents = try builder.extents(node.input(0))
      let axis = try node.context.normalizedAxis(node.attributes.int("axis") ?? -1, rank: max(extents.count, 1))
      // A row is the same in each layout.
      let layout = try builder.presentLayout(node.input(0))
      let order = layout == .plain ? Array(extents.indices) : Layout.channelsLastOrder(rank: extents.count)
      let source = try builder.input(node.input(0), layout)
      let target = try builder.output(node.output(0), layout, over: node.input(0))
      try builder.emitSoftmax(
        source, target, AxisExtents(order.map { extents[$0] }, axis: order.firstIndex(of: axis) ?? axis),
        logarithmic: logarithmic, of: node.input(0))
    }
  }

  static let softmax = softmaxLike("Softmax", logarithmic: false)
  static let logSoftmax = softmaxLike("LogSoftmax", logarithmic: true)

  static let hardmax = KernelBinding("Hardmax", native: floats) { builder, node throws(ApusError) in
    let arguments = apusk_axis_args(
      APUSK_AXIS_HARDMAX, try builder.elementType(node.input(0)), try AxisExtents(builder, node, default: -1))
    try builder.emitAxis(
      arguments, from: try builder.input(node.input(0)), to: try builder.output(node.output(0)), of: node.input(0))
  }

  static let lpNormalization = KernelBinding("LpNormalization", native: floats) { builder, node throws(ApusError) in
    var arguments = apusk_axis_args(
      APUSK_AXIS_LP_NORMALIZE, try builder.elementType(node.input(0)), try AxisExtents(builder, node, default: -1))
    arguments.p = node.attributes.int("p") == 1 ? 1 : 2
    let source = try builder.input(node.input(0))
    let target = try builder.output(node.output(0), .plain, over: node.input(0))
    try builder.emitAxis(arguments, from: source, to: target, of: node.input(0))
  }

  private static func extreme(_ name: StaticString, _ function: Int32) -> KernelBinding {
    KernelBinding(name, native: .wideNumbers) { builder, node throws(ApusError) in
      var arguments = apusk_axis_args(
        function, try builder.elementType(node.input(0)), try AxisExtents(builder, node, default: 0))
      arguments.last = node.attributes.flag("select_last_index") ? 1 : 0
      try builder.emitAxis(
        arguments, from: try builder.input(node.input(0)), to: try builder.output(node.output(0)), of: node.input(0))
    }
  }

  static let argMax = extreme("ArgMax", APUSK_AXIS_ARG_MAX)
  static let argMin = extreme("ArgMin", APUSK_AXIS_ARG_MIN)

  private static func cumulative(_ name: StaticString, _ function: Int32) -> KernelBinding {
    KernelBinding(name, native: .wideNumbers) { builder, node throws(ApusError) in
      guard let stated = node.context.input(1)?.integers?.first else {
        throw node.unsupported("an axis that is computed", expected: "a known axis")
      }
      let extents = try builder.extents(node.input(0))
      let axis = try node.context.normalizedAxis(Int(stated), rank: max(extents.count, 1))
      var arguments = apusk_axis_args(
        function, try builder.elementType(node.input(0)), try AxisExtents(extents, axis: axis))
      arguments.exclusive = node.attributes.flag("exclusive") ? 1 : 0
      arguments.reverse = node.attributes.flag("reverse") ? 1 : 0
      let source = try builder.input(node.input(0))
      let target = try builder.output(node.output(0), .plain, over: node.input(0))
      try builder.emitAxis(arguments, from: source, to: target, of: node.input(0))
    }
  }

  static let cumSum = cumulative("CumSum", APUSK_AXIS_CUMULATIVE_SUM)
  static let cumProd = cumulative("CumProd", APUSK_AXIS_CUMULATIVE_PRODUCT)

  static let topK = KernelBinding("TopK", native: .wideNumbers) { builder, node throws(ApusError) in
    guard let k = node.context.input(1)?.integers?.first else {
      throw node.unsupported("a count that is computed", expected: "a known K")
    }
    let type = try builder.elementType(node.input(0))
    let extents = try AxisExtents(builder, node, default: -1)
    var base = apusk_top_k_args()
    base.element_type = type.rawValue
    base.smallest = node.attributes.flag("largest") ? 0 : 1
    (base.outer, base.n, base.inner, base.k) = (extents.outer, extents.n, extents.inner, k)
    var plan = apusk_plan()
    try builder.check(apusk_top_k_plan(&base, &plan), type, of: node.input(0))
    let source = try builder.input(node.input(0))
    let values = try builder.output(node.output(0))
    let indices = try builder.output(node.output(1))
    let made = base
    try builder.emit(plan, [source, values, indices]) { pointers in
      var arguments = made
      arguments.input = UnsafeRawPointer(pointers[source])
      arguments.values = pointers[values]
      arguments.indices = pointers.integers(indices)
      return arguments
    }
  }
}
