import ApusGraph
import CApusKernels

extension TypeSet {
  /// What comparing kernels take.
  static let ordered = TypeSet(.float32, .float64, .int32, .int64, .uint64, .bool)
  fileprivate static let integers: TypeSet = [.signedIntegers, .unsignedIntegers]
}

extension PlanBuilder {
  /// Adds a step over two operands that broadcast against each other.
  func emitBinary(
    _ function: Int32, _ type: ElementType, _ a: BufferID, _ aExtents: [Int], _ b: BufferID, _ bExtents: [Int],
    to target: BufferID, activation: FusedActivation = .none, of id: ValueID
  ) throws(ApusError) {
    var arguments = apusk_binary_args()
    try check(
      apusk_binary_set_shapes(
        &arguments, Int32(aExtents.count), aExtents.map { Int64($0) }, Int32(bExtents.count), bExtents.map { Int64($0) }))
    var tail = apusk_tail_none()
    activation.apply(to: &tail)
    arguments.activation = tail.activation
    arguments.alpha = tail.alpha
    arguments.beta = tail.beta
    var plan = apusk_plan()
    try check(apusk_binary_plan(level, function, type.rawValue, &arguments, &plan), type, of: id)
    let base = arguments
    try emit(plan, [a, b, target]) { pointers in
      var arguments = base
      arguments.a = UnsafeRawPointer(pointers[a])
      arguments.b = UnsafeRawPointer(pointers[b])
      arguments.output = pointers[target]
      return arguments
    }
  }
}

extension KernelBinding {
  /// - Parameter function: the kernel's function and whether the operands change places.
  private static func binary(
    _ name: StaticString, native: TypeSet, _ function: @escaping @Sendable (AttributeReader) -> (code: Int32, swapped: Bool)
  ) -> KernelBinding {
    KernelBinding(name, native: native) { builder, node throws(ApusError) in
      let function = function(node.attributes)
      let (first, second) = function.swapped ? (node.input(1), node.input(0)) : (node.input(0), node.input(1))
      let type = try builder.elementType(first)
      let shapes = try BinaryShapes(builder, first, second)
      let a = try builder.input(first, shapes.layoutA)
      let b = try builder.input(second, shapes.layoutB)
      var target: BufferID?
      // Over an operand only where a result is as wide as its element: then one of equal size isn't broadcast.
      if try builder.elementType(node.output(0)) == type {
        target = try builder.output(node.output(0), shapes.layout, over: first, in: shapes.layoutA)
        if target == nil { target = try builder.output(node.output(0), shapes.layout, over: second, in: shapes.layoutB) }
      }
      let output: BufferID
      if let target { output = target } else { output = try builder.output(node.output(0), shapes.layout) }
      if function.code == APUSK_BINARY_MUL, type == .float32, node.node.activation == .none, output == a || output == b,
        try builder.leavesScaling(node.output(0), shapes, factors: output == a ? b : a)
      {
        return
      }
      try builder.emitBinary(
        function.code, type, a, shapes.a, b, shapes.b, to: output, activation: node.node.activation, of: first)
    }
  }

  private static func binary(_ name: StaticString, _ function: Int32, native: TypeSet, swapped: Bool = false) -> KernelBinding {
    binary(name, native: native) { _ in (function, swapped) }
  }

  private static let arithmetic: TypeSet = [TypeSet(.float32, .float64), .integers]

  static let add = binary("Add", APUSK_BINARY_ADD, native: arithmetic)
  static let sub = binary("Sub", APUSK_BINARY_SUB, native: arithmetic)
  static let mul = binary("Mul", APUSK_BINARY_MUL, native: arithmetic)
  static let div = binary("Div", APUSK_BINARY_DIV, native: arithmetic)
  static let mod = binary("Mod", native: .ordered) { ($0.flag("fmod") ? APUSK_BINARY_FMOD : APUSK_BINARY_MOD, false) }
  static let prelu = binary("PRelu", APUSK_BINARY_PRELU, native: .ordered)
  static let bitwiseAnd = binary("BitwiseAnd", APUSK_BINARY_AND, native: .integers)
  static let bitwiseOr = binary("BitwiseOr", APUSK_BINARY_OR, native: .integers)
  static let bitwiseXor = binary("BitwiseXor", APUSK_BINARY_XOR, native: .integers)
  static let bitShift = binary("BitShift", native: .integers) {
    ($0.string("direction") == "LEFT" ? APUSK_BINARY_SHIFT_LEFT : APUSK_BINARY_SHIFT_RIGHT, false)
  }
  static let and = binary("And", APUSK_BINARY_AND, native: TypeSet(.bool))
  static let or = binary("Or", APUSK_BINARY_OR, native: TypeSet(.bool))
  static let xor = binary("Xor", APUSK_BINARY_XOR, native: TypeSet(.bool))
  static let equal = binary("Equal", APUSK_BINARY_EQUAL, native: [arithmetic, TypeSet(.bool)])
  static let less = binary("Less", APUSK_BINARY_LESS, native: .ordered)
  static let lessOrEqual = binary("LessOrEqual", APUSK_BINARY_LESS_OR_EQUAL, native: .ordered)
  static let greater = binary("Greater", APUSK_BINARY_LESS, native: .ordered, swapped: true)
  static let greaterOrEqual = binary("GreaterOrEqual", APUSK_BINARY_LESS_OR_EQUAL, native: .ordered, swapped: true)

  // MARK: Power

  /// Computed in the type of X where Y has it too, or is an integer beside float32; in 64-bit integers where both are integers,
  /// else in float64.
  static let pow = KernelBinding("Pow", native: arithmetic) { builder, node throws(ApusError) in
    let type = try builder.elementType(node.input(0))
    let exponent = try builder.elementType(node.input(1))
    let isWhole = TypeSet.integers.contains(exponent)
    let common: ElementType
    if TypeSet.integers.contains(type) && isWhole {
      common = .int64
    } else if type == .float32 && (exponent == .float32 || isWhole) {
      common = .float32
    } else {
      common = .float64
    }
    let a = try builder.converted(node.input(0), to: common)
    let b = try builder.converted(node.input(1), to: common)
    let aExtents = try builder.extents(node.input(0))
    let bExtents = try builder.extents(node.input(1))
    let output = try builder.output(node.output(0))
    guard type != common else {
      return try builder.emitBinary(APUSK_BINARY_POW, common, a, aExtents, b, bExtents, to: output, of: node.input(0))
    }
    let count = try checkedElementCount(try builder.extents(node.output(0)))
    let wide = builder.temporary(byteCount: try count.checkedMultiplied(by: 8))
    try builder.emitBinary(APUSK_BINARY_POW, common, a, aExtents, b, bExtents, to: wide, of: node.input(0))
    try builder.emitCast(wide, common, to: output, type, count: count)
  }

  // MARK: Any number of operands

  /// Operands are taken from the first to the last.
  private static func variadic(
    _ name: StaticString, _ function: Int32, native: TypeSet, isMean: Bool = false
  ) -> KernelBinding {
    KernelBinding(name, native: native) { builder, node throws(ApusError) in
      let type = try builder.elementType(node.input(0))
      let operands = node.node.node.inputs
      guard operands.count > 1 else { return builder.alias(node.output(0), to: try builder.input(node.input(0))) }
      let extents = try builder.extents(node.output(0))
      let count = try checkedElementCount(extents)
      let output = try builder.output(node.output(0))
      guard let width = type.byteWidth else { throw node.unsupported("elements of less than a byte") }
      var joint = try builder.extents(operands[0])
      var source = try builder.input(operands[0])
      for operand in operands.dropFirst() {
        let other = try builder.extents(operand)
        guard let next = broadcast(Shape(joint), Shape(other))?.known else {
          throw node.unsupported("operands that do not broadcast")
        }
        let target =
          next == extents
          ? output
          : builder.temporary(byteCount: try checkedElementCount(next).checkedMultiplied(by: width))
        try builder.emitBinary(function, type, source, joint, try builder.input(operand), other, to: target, of: operand)
        (source, joint) = (target, next)
      }
      guard isMean else { return }
      try builder.emitUnary(APUSK_UNARY_QUOTIENT, type, source, to: output, count: count, of: operands[0]) {
        $0.alpha = Double(operands.count)
      }
    }
  }

  static let maximum = variadic("Max", APUSK_BINARY_MAX, native: .ordered)
  static let minimum = variadic("Min", APUSK_BINARY_MIN, native: .ordered)
  static let sum = variadic("Sum", APUSK_BINARY_ADD, native: TypeSet(.float32, .float64))
  static let mean = variadic("Mean", APUSK_BINARY_ADD, native: TypeSet(.float32, .float64), isMean: true)

  // MARK: Clip

  static let clip = KernelBinding("Clip", native: .ordered) { builder, node throws(ApusError) in
    let type = try builder.elementType(node.input(0))
    let layout = try builder.layout(of: node.input(0))
    let source = try builder.input(node.input(0), layout)
    let count = try checkedElementCount(try builder.extents(node.input(0)))
    guard node.optionalInput(1) != nil || node.optionalInput(2) != nil else {
      return builder.alias(node.output(0), to: try builder.input(node.input(0)))
    }
    let target = try builder.output(node.output(0), layout, over: node.input(0))
    if type == .float32, let low = bound(node, 1, -.infinity), let high = bound(node, 2, .infinity) {
      return try builder.emitUnary(APUSK_UNARY_CLIP, type, source, to: target, count: count, of: node.input(0)) {
        ($0.alpha, $0.beta) = (low, high)
      }
    }
    var current = source
    for (index, function) in [(1, APUSK_BINARY_MAX), (2, APUSK_BINARY_MIN)] {
      guard let bound = node.optionalInput(index) else { continue }
      try builder.emitBinary(
        function, type, current, [count], try builder.input(bound), [1], to: target, of: node.input(0))
      current = target
    }
  }

  /// A bound that is known before the run; `missing` where it is left out, nil where it is computed or NaN.
  private static func bound(_ node: BoundNode, _ index: Int, _ missing: Double) -> Double? {
    guard node.optionalInput(index) != nil else { return missing }
    guard let value = node.context.input(index)?.floats?.first, !value.isNaN else { return nil }
    return value
  }

  // MARK: Where

  static let `where` = KernelBinding("Where", native: .wholeBytes) { builder, node throws(ApusError) in
    let shapes = [
      try builder.extents(node.input(0)), try builder.extents(node.input(1)), try builder.extents(node.input(2)),
    ].map { $0.map { Int64($0) } }
    var arguments = apusk_where_args()
    arguments.element_bytes = Int64(try builder.elementBytes(node.input(1)))
    try builder.check(
      apusk_where_set_shapes(
        &arguments, Int32(shapes[0].count), shapes[0], Int32(shapes[1].count), shapes[1], Int32(shapes[2].count), shapes[2]))
    var plan = apusk_plan()
    try builder.check(apusk_where_plan(builder.level, &arguments, &plan))
    let condition = try builder.input(node.input(0))
    let x = try builder.input(node.input(1))
    let y = try builder.input(node.input(2))
    let output = try builder.output(node.output(0))
    let base = arguments
    try builder.emit(plan, [condition, x, y, output]) { pointers in
      var arguments = base
      arguments.condition = UnsafePointer(pointers[condition]?.assumingMemoryBound(to: UInt8.self))
      arguments.x = UnsafeRawPointer(pointers[x])
      arguments.y = UnsafeRawPointer(pointers[y])
      arguments.output = pointers[output]
      return arguments
    }
  }
}

/// Extents of two operands in the order in which they lie, and the layouts to ask for.
struct BinaryShapes {
  var a: [Int]
  var b: [Int]
  var layoutA = Layout.plain
  var layoutB = Layout.plain
  var layout = Layout.plain

  /// Stays in channels-last where an operand lies so and the other one can meet it there: as a tensor of the same extents,
  /// as one number, or as one number a channel.
  init(_ builder: PlanBuilder, _ first: ValueID, _ second: ValueID) throws(ApusError) {
    let own = try builder.extents(first)
    let other = try builder.extents(second)
    (a, b) = (own, other)
    let ownLayout = try builder.layout(of: first)
    let otherLayout = try builder.layout(of: second)
    guard ownLayout == .channelsLast || otherLayout == .channelsLast else { return }
    if own == other {
      let order = Layout.channelsLastOrder(rank: own.count)
      a = order.map { own[$0] }
      b = a
      (layoutA, layoutB, layout) = (.channelsLast, .channelsLast, .channelsLast)
    } else if ownLayout == .channelsLast, let vector = BinaryShapes.channelVector(other, beside: own) {
      a = Layout.channelsLastOrder(rank: own.count).map { own[$0] }
      b = vector
      (layoutA, layout) = (.channelsLast, .channelsLast)
    } else if otherLayout == .channelsLast, let vector = BinaryShapes.channelVector(own, beside: other) {
      b = Layout.channelsLastOrder(rank: other.count).map { other[$0] }
      a = vector
      (layoutB, layout) = (.channelsLast, .channelsLast)
    }
  }

  /// `[1]` or `[C]` for extents that broadcast as one number, or one number a channel, beside `[N, C, ...]`; else nil.
  private static func channelVector(_ extents: [Int], beside tensor: [Int]) -> [Int]? {
    guard let count = elementCount(extents), extents.count <= tensor.count else { return nil }
    if count == 1 { return [1] }
    let channelAxis = extents.count - (tensor.count - 1)
    guard channelAxis >= 0, extents[channelAxis] == count, count == tensor[1] else { return nil }
    return [count]
  }
}
