import ApusGraph
import CApusKernels

/// The operands and results of a row normalization beside its sizes.
struct NormalizationBuffers {
  var input: BufferID
  var output: BufferID
  var scale: BufferID?
  var bias: BufferID?
  var givenMean: BufferID?
  var givenVariance: BufferID?
  var mean: BufferID?
  var inverse: BufferID?
  var variance: BufferID?

  var all: [BufferID?] { [input, output, scale, bias, givenMean, givenVariance, mean, inverse, variance] }
}

extension PlanBuilder {
  /// The elements of a value in a type that kernels compute in.
  func input(_ id: ValueID, as type: ElementType) throws(ApusError) -> BufferID {
    if try elementType(id) == type { return try input(id) }
    let value = addValue(type, try extents(id), name: program.graph.values[Int(id)].name, readers: 1)
    try emitCast(id, value)
    return try input(value)
  }

  /// Memory for the elements of a result in the type that kernels compute in; `finish` converts them once they are there.
  func result(_ id: ValueID, as type: ElementType) throws(ApusError) -> ValueID {
    if try elementType(id) == type { return id }
    return addValue(type, try extents(id), name: program.graph.values[Int(id)].name, readers: 1)
  }

  func finish(_ id: ValueID, from value: ValueID) throws(ApusError) {
    if value != id { try emitCast(value, id) }
  }

  func emitNormalization(_ base: apusk_normalize_args, _ buffers: NormalizationBuffers) throws(ApusError) {
    var sizes = base
    var plan = apusk_plan()
    try check(apusk_normalize_plan(level, &sizes, &plan))
    try emit(plan, buffers.all) { pointers in
      func address(_ buffer: BufferID?) -> UnsafeMutableRawPointer? { buffer.flatMap { pointers[$0] } }
      var arguments = base
      arguments.input = UnsafeRawPointer(address(buffers.input))
      arguments.output = address(buffers.output)
      arguments.scale = UnsafeRawPointer(address(buffers.scale))
      arguments.bias = UnsafeRawPointer(address(buffers.bias))
      arguments.given_mean = UnsafeRawPointer(address(buffers.givenMean))
      arguments.given_variance = UnsafeRawPointer(address(buffers.givenVariance))
      arguments.mean = address(buffers.mean)
      arguments.inverse = address(buffers.inverse)
      arguments.variance = address(buffers.variance)
      return arguments
    }
  }

  /// A tensor of `extents` repeated to `target`, in memory of its own.
  func emitExpansion(_ source: BufferID, _ extents: [Int], to target: [Int], elementBytes: Int) throws(ApusError) -> BufferID {
    let buffer = temporary(byteCount: try checkedElementCount(target).checkedMultiplied(by: elementBytes))
    var arguments = apusk_strided_copy_args()
    arguments.element_bytes = Int32(elementBytes)
    try check(
      apusk_strided_copy_set_expand(
        &arguments, Int32(extents.count), extents.map { Int64($0) }, Int32(target.count), target.map { Int64($0) }))
    var plan = apusk_plan()
    apusk_strided_copy_plan(&arguments, &plan)
    try emit(plan, arguments, from: source, to: buffer)
    return buffer
  }
}

extension apusk_normalize_args {
  init(_ function: Int32, _ type: ElementType, rows: Int, n: Int, run: Int, groups: Int, epsilon: Double) {
    self.init()
    self.function = function
    element_type = type.rawValue
    self.rows = Int64(rows)
    self.n = Int64(n)
    self.run = Int64(max(run, 1))
    self.groups = Int64(max(groups, 1))
    self.epsilon = epsilon
  }
}

extension KernelBinding {
  private static let floats = TypeSet(.float32, .float64)

  private static func epsilon(_ node: BoundNode) -> Double { Double(node.attributes.float("epsilon") ?? 1e-5) }

  // MARK: The last axes

  /// LayerNormalization and RMSNormalization: rows of the axes from `axis` on, with factors that broadcast to the input.
  private static func lastAxes(_ name: StaticString, _ function: Int32) -> KernelBinding {
    KernelBinding(name, native: floats) { builder, node throws(ApusError) in
      let extents = try builder.extents(node.input(0))
      let axis = try node.context.normalizedAxis(node.attributes.int("axis") ?? -1, rank: extents.count)
      let rows = try checkedElementCount(Array(extents[..<axis]))
      let n = try checkedElementCount(Array(extents[axis...]))
      let factors = [node.input(1)] + (node.optionalInput(2).map { [$0] } ?? [])
      var type = ElementType.float32
      for id in [node.input(0)] + factors where try builder.elementType(id) == .float64 { type = .float64 }
      // Factors of one row serve all rows; others are first repeated to the extents of the input.
      var isRowWise = true
      for id in factors where try !builder.extents(id).dropLast(extents.count - axis).allSatisfy({ $0 == 1 }) {
        isRowWise = false
      }
      let target = isRowWise ? Array(extents[axis...]) : extents
      var expanded: [BufferID] = []
      for id in factors {
        let own = try builder.extents(id)
        let buffer = try builder.input(id, as: type)
        let isWhole = isRowWise && elementCount(own) == n
        expanded.append(
          isWhole
            ? buffer
            : try builder.emitExpansion(
              buffer, isRowWise ? Array(own.suffix(target.count)) : own, to: target, elementBytes: type.bitWidth / 8))
      }
      let y = try builder.result(node.output(0), as: type)
      let source = try builder.input(node.input(0), as: type)
      let inputType = try builder.elementType(node.input(0))
      let isInPlace = y == node.output(0) && inputType == type
      var buffers = NormalizationBuffers(
        input: source, output: isInPlace ? try builder.output(y, .plain, over: node.input(0)) : try builder.output(y))
      buffers.scale = expanded[0]
      buffers.bias = expanded.count > 1 ? expanded[1] : nil
      var statistics: [(id: ValueID, value: ValueID)] = []
      for index in 1...2 {
        guard let id = node.optionalOutput(index) else { continue }
        let value = try builder.result(id, as: type)
        statistics.append((id, value))
        let buffer = try builder.output(value)
        if index == 1 { buffers.mean = buffer } else { buffers.inverse = buffer }
      }
      try builder.emitNormalization(
        apusk_normalize_args(
          function, type, rows: rows, n: n, run: 1, groups: isRowWise ? 1 : rows, epsilon: epsilon(node)), buffers)
      try builder.finish(node.output(0), from: y)
      for (id, value) in statistics { try builder.finish(id, from: value) }
    }
  }

  static let layerNormalization = lastAxes("LayerNormalization", APUSK_NORMALIZE_LAYER)
  static let rmsNormalization = lastAxes("RMSNormalization", APUSK_NORMALIZE_RMS)

  // MARK: Groups of channels

  /// [N, C, ...] in `groups` groups of channels, with a factor and a shift a channel.
  private static func channelGroups(_ builder: PlanBuilder, _ node: BoundNode, groups: Int) throws(ApusError) {
    let extents = try builder.extents(node.input(0))
    let spatial = try checkedElementCount(Array(extents.dropFirst(2)))
    let source = try builder.input(node.input(0))
    var buffers = NormalizationBuffers(
      input: source, output: try builder.output(node.output(0), .plain, over: node.input(0)))
    buffers.scale = try builder.input(node.input(1))
    buffers.bias = try builder.input(node.input(2))
    try builder.emitNormalization(
      apusk_normalize_args(
        APUSK_NORMALIZE_LAYER, try builder.elementType(node.input(0)), rows: try extents[0].checkedMultiplied(by: groups),
        n: try (extents[1] / groups).checkedMultiplied(by: spatial), run: spatial, groups: groups, epsilon: epsilon(node)),
      buffers)
  }

  static let groupNormalization = KernelBinding("GroupNormalization", native: floats) { builder, node throws(ApusError) in
    try channelGroups(builder, node, groups: max(node.attributes.int("num_groups") ?? 1, 1))
  }

  static let instanceNormalization = KernelBinding(
    "InstanceNormalization", native: floats
  ) { builder, node throws(ApusError) in
    try channelGroups(builder, node, groups: max(try builder.extents(node.input(0))[1], 1))
  }

  // MARK: Any axes

  static let meanVarianceNormalization = KernelBinding(
    "MeanVarianceNormalization", native: floats
  ) { builder, node throws(ApusError) in
    let extents = try builder.extents(node.input(0))
    let type = try builder.elementType(node.input(0))
    let axes = try normalizedAxes(node.context, rank: extents.count)
    let order = extents.indices.filter { !axes.contains($0) } + axes
    let rows = try checkedElementCount(order.dropLast(axes.count).map { extents[$0] })
    let n = try checkedElementCount(axes.map { extents[$0] })
    let arguments = apusk_normalize_args(
      APUSK_NORMALIZE_MEAN_VARIANCE, type, rows: rows, n: n, run: n, groups: 1, epsilon: 1e-9)
    let source = try builder.input(node.input(0))
    let target = try builder.output(node.output(0))
    try emitReordered(builder, source, target, extents, order, type) { rows, normalized throws(ApusError) in
      try builder.emitNormalization(arguments, NormalizationBuffers(input: rows, output: normalized))
    }
  }

  /// Lets `normalize` see the input with its axes in another order, and puts its result back.
  private static func emitReordered(
    _ builder: PlanBuilder, _ source: BufferID, _ target: BufferID, _ extents: [Int], _ order: [Int], _ type: ElementType,
    _ normalize: (BufferID, BufferID) throws(ApusError) -> Void
  ) throws(ApusError) {
    if order == Array(extents.indices) { return try normalize(source, target) }
    let width = type.bitWidth / 8
    let buffer = builder.temporary(byteCount: try checkedElementCount(extents).checkedMultiplied(by: width))
    try builder.emitTranspose(source, buffer, extents: extents, order: order, elementBytes: width)
    try normalize(buffer, buffer)
    var inverse = order
    for (position, axis) in order.enumerated() { inverse[axis] = position }
    try builder.emitTranspose(buffer, target, extents: order.map { extents[$0] }, order: inverse, elementBytes: width)
  }

  static let lrn = KernelBinding("LRN", native: floats) { builder, node throws(ApusError) in
    let extents = try builder.extents(node.input(0))
    let type = try builder.elementType(node.input(0))
    var arguments = apusk_lrn_args()
    arguments.outer = Int64(extents[0])
    arguments.channels = Int64(extents[1])
    arguments.inner = Int64(try checkedElementCount(Array(extents.dropFirst(2))))
    arguments.size = Int64(node.attributes.int("size") ?? 1)
    arguments.alpha = Double(node.attributes.float("alpha") ?? 1e-4)
    arguments.beta = Double(node.attributes.float("beta") ?? 0.75)
    arguments.bias = Double(node.attributes.float("bias") ?? 1)
    arguments.element_type = type.rawValue
    var plan = apusk_plan()
    try builder.check(apusk_lrn_plan(&arguments, &plan), type, of: node.input(0))
    try builder.emit(plan, arguments, from: try builder.input(node.input(0)), to: try builder.output(node.output(0)))
  }
}
