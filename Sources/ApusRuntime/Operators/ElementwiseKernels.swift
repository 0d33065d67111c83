import ApusGraph
import CApusKernels

extension PlanBuilder {
  /// The layout in which a value lies already; plain where both do.
  fileprivate func layout(of id: ValueID) throws(ApusError) -> Layout {
    try isAvailable(id, .plain) || constantTensor(id) != nil ? .plain : .channelsLast
  }
}

extension KernelBinding {
  private static func unary(
    _ name: Name, _ function: Int32
  ) -> KernelBinding {
    KernelBinding(name) { builder, node throws(ApusError) in
      try builder.require(node.input(0), TypeSet(.float32))
      let layout = try builder.layout(of: node.input(0))
      let source = try builder.input(node.input(0), layout)
      let target = try builder.output(node.output(0), layout, over: node.input(0))
      var arguments = apusk_unary_args()
      arguments.count = Int64(try checkedElementCount(try builder.extents(node.input(0))))
      arguments.alpha = node.attributes.float("alpha") ?? 0
      var plan = apusk_plan()
      try builder.check(apusk_unary_plan(builder.level, function, &arguments, &plan))
      try builder.emit(plan, arguments, from: source, to: target)
    }
  }

  static let relu = unary("Relu", APUSK_UNARY_RELU)
  static let leakyRelu = unary("LeakyRelu", APUSK_UNARY_LEAKY_RELU)
  static let sigmoid = unary("Sigmoid", APUSK_UNARY_SIGMOID)
  static let tanh = unary("Tanh", APUSK_UNARY_TANH)

  private static func binary(
    _ name: Name, _ function: Int32
  ) -> KernelBinding {
    KernelBinding(name, native: [TypeSet(.float32, .float64), .signedIntegers, .unsignedIntegers]) { builder, node throws(ApusError) in
      let type = try builder.elementType(node.input(0))
      let shapes = try binaryShapes(builder, node)
      var arguments = apusk_binary_args()
      try builder.check(
        apusk_binary_set_shapes(
          &arguments, Int32(shapes.a.count), shapes.a.map { Int64($0) }, Int32(shapes.b.count), shapes.b.map { Int64($0) }))
      var tail = apusk_tail_none()
      node.node.activation.apply(to: &tail)
      arguments.activation = tail.activation
      arguments.alpha = tail.alpha
      var plan = apusk_plan()
      try builder.check(
        apusk_binary_plan(builder.level, function, type.rawValue, &arguments, &plan), type, of: node.input(0))
      let a = try builder.input(node.input(0), shapes.layoutA)
      let b = try builder.input(node.input(1), shapes.layoutB)
      var target = try builder.output(node.output(0), shapes.layout, over: node.input(0), in: shapes.layoutA)
      if target == nil { target = try builder.output(node.output(0), shapes.layout, over: node.input(1), in: shapes.layoutB) }
      if target == nil { target = try builder.output(node.output(0), shapes.layout) }
      guard let output = target else { return }
      let base = arguments
      try builder.emit(plan, [a, b, output]) { pointers in
        var arguments = base
        arguments.a = UnsafeRawPointer(pointers[a])
        arguments.b = UnsafeRawPointer(pointers[b])
        arguments.output = pointers[output]
        return arguments
      }
    }
  }

  /// The operands' extents in the order in which they lie, and the layouts to ask for.
  private struct BinaryShapes {
    var a: [Int]
    var b: [Int]
    var layoutA = Layout.plain
    var layoutB = Layout.plain
    var layout = Layout.plain
  }

  /// Stays in channels-last where an operand lies so and the other one can meet it there: as a tensor of the same extents,
  /// as one number, or as one number a channel.
  private static func binaryShapes(_ builder: PlanBuilder, _ node: BoundNode) throws(ApusError) -> BinaryShapes {
    let a = try builder.extents(node.input(0))
    let b = try builder.extents(node.input(1))
    var shapes = BinaryShapes(a: a, b: b)
    let layoutA = try builder.layout(of: node.input(0))
    let layoutB = try builder.layout(of: node.input(1))
    guard layoutA == .channelsLast || layoutB == .channelsLast else { return shapes }
    if a == b {
      let order = Layout.channelsLastOrder(rank: a.count)
      shapes.a = order.map { a[$0] }
      shapes.b = shapes.a
      (shapes.layoutA, shapes.layoutB, shapes.layout) = (.channelsLast, .channelsLast, .channelsLast)
    } else if layoutA == .channelsLast, let vector = channelVector(b, beside: a) {
      shapes.a = Layout.channelsLastOrder(rank: a.count).map { a[$0] }
      shapes.b = vector
      (shapes.layoutA, shapes.layout) = (.channelsLast, .channelsLast)
    } else if layoutB == .channelsLast, let vector = channelVector(a, beside: b) {
      shapes.b = Layout.channelsLastOrder(rank: b.count).map { b[$0] }
      shapes.a = vector
      (shapes.layoutB, shapes.layout) = (.channelsLast, .channelsLast)
    }
    return shapes
  }

  /// `[1]` or `[C]` for extents that broadcast as one number, or one number a channel, beside `[N, C, ...]`; else nil.
  private static func channelVector(_ extents: [Int], beside tensor: [Int]) -> [Int]? {
    guard let count = elementCount(extents), extents.count <= tensor.count else { return nil }
    if count == 1 { return [1] }
    let channelAxis = extents.count - (tensor.count - 1)
    guard channelAxis >= 0, extents[channelAxis] == count, count == tensor[1] else { return nil }
    return [count]
  }

  static let add = binary("Add", APUSK_BINARY_ADD)
  static let sub = binary("Sub", APUSK_BINARY_SUB)
  static let mul = binary("Mul", APUSK_BINARY_MUL)
  static let div = binary("Div", APUSK_BINARY_DIV)

  static let cast = KernelBinding("Cast", native: .all) { builder, node throws(ApusError) in
    let from = try builder.elementType(node.input(0))
    let to = try builder.elementType(node.output(0))
    if from == to { return builder.alias(node.output(0), to: try builder.input(node.input(0))) }
    try builder.emitCast(node.input(0), node.output(0))
  }

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
