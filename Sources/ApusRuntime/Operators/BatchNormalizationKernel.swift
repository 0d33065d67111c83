import ApusGraph
import CApusKernels

extension KernelBinding {
  static let batchNormalization = KernelBinding(
    "BatchNormalization", native: TypeSet(.float32, .float64)
  ) { builder, node throws(ApusError) in
    if node.node.node.inputs.count == 3 { return try emitAffine(builder, node) }
    let extents = try builder.extents(node.input(0))
    let batch = Batch(
      items: extents[0], channels: extents.count > 1 ? extents[1] : 1,
      spatial: try checkedElementCount(Array(extents.dropFirst(2))))
    let type = try builder.elementType(node.input(0))
    if node.attributes.flag("training_mode") {
      try emitTraining(builder, node, batch, type)
    } else {
      try emitStored(builder, node, batch, type)
    }
  }

  /// [N, C, ...]
  private struct Batch {
    let items: Int
    let channels: Int
    let spatial: Int
  }

  private static func arguments(
    _ node: BoundNode, _ function: Int32, _ type: ElementType, rows: Int, n: Int, groups: Int
  ) -> apusk_normalize_args {
    apusk_normalize_args(
      function, type, rows: rows, n: n, run: n, groups: groups, epsilon: Double(node.attributes.float("epsilon") ?? 1e-5))
  }

  /// With statistics that are computed, or that are not of float32.
  private static func emitStored(
    _ builder: PlanBuilder, _ node: BoundNode, _ batch: Batch, _ type: ElementType
  ) throws(ApusError) {
    let source = try builder.input(node.input(0))
    var buffers = NormalizationBuffers(
      input: source, output: try builder.output(node.output(0), .plain, over: node.input(0)))
    buffers.scale = try builder.input(node.input(1), as: type)
    buffers.bias = try builder.input(node.input(2), as: type)
    buffers.givenMean = try builder.input(node.input(3), as: type)
    buffers.givenVariance = try builder.input(node.input(4), as: type)
    try builder.emitNormalization(
      arguments(
        node, APUSK_NORMALIZE_GIVEN, type, rows: try batch.items.checkedMultiplied(by: batch.channels), n: batch.spatial,
        groups: batch.channels), buffers)
  }

  /// With the statistics of the batch: its channels are made rows.
  private static func emitTraining(
    _ builder: PlanBuilder, _ node: BoundNode, _ batch: Batch, _ type: ElementType
  ) throws(ApusError) {
    let width = type.bitWidth / 8
    let n = try batch.items.checkedMultiplied(by: batch.spatial)
    guard n > 0 else { throw node.unsupported("statistics of an empty batch", expected: "a batch with elements") }
    let extents = [batch.items, batch.channels, batch.spatial]
    let rows = builder.temporary(byteCount: try checkedElementCount(extents).checkedMultiplied(by: width))
    try builder.emitTranspose(
      try builder.input(node.input(0)), rows, extents: extents, order: [1, 0, 2], elementBytes: width)
    var buffers = NormalizationBuffers(input: rows, output: rows)
    buffers.scale = try builder.input(node.input(1), as: type)
    buffers.bias = try builder.input(node.input(2), as: type)
    let statistics = [
      builder.temporary(byteCount: batch.channels * width), builder.temporary(byteCount: batch.channels * width),
    ]
    (buffers.mean, buffers.variance) = (statistics[0], statistics[1])
    try builder.emitNormalization(
      arguments(node, APUSK_NORMALIZE_LAYER, type, rows: batch.channels, n: n, groups: batch.channels), buffers)
    try builder.emitTranspose(
      rows, try builder.output(node.output(0)), extents: [batch.channels, batch.items, batch.spatial], order: [1, 0, 2],
      elementBytes: width)
    for index in 1...2 {
      guard let id = node.optionalOutput(index) else { continue }
      let old = try builder.input(node.input(index + 2), as: type)
      let current = statistics[index - 1]
      let value = try builder.result(id, as: type)
      let output = try builder.output(value)
      var base = apusk_running_average_args()
      base.count = Int64(batch.channels)
      base.momentum = Double(node.attributes.float("momentum") ?? 0.9)
      base.element_type = type.rawValue
      var plan = apusk_plan()
      try builder.check(apusk_running_average_plan(&base, &plan), type, of: node.input(0))
      let made = base
      try builder.emit(plan, [old, current, output]) { pointers in
        var arguments = made
        arguments.old = UnsafeRawPointer(pointers[old])
        arguments.current = UnsafeRawPointer(pointers[current])
        arguments.output = pointers[output]
        return arguments
      }
      try builder.finish(id, from: value)
    }
  }

  /// With constant statistics, of which the compiler has made two vectors, where it was not folded into a convolution.
  private static func emitAffine(_ builder: PlanBuilder, _ node: BoundNode) throws(ApusError) {
    try builder.require(node.input(0), TypeSet(.float32))
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
    arguments.beta = tail.beta
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
