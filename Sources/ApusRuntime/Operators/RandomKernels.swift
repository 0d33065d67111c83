import ApusGraph
import CApusKernels

extension KernelBinding {
  /// A node's seed: its attribute's whole part, modulo 2^32; without one its place in the program, so that each run draws
  /// the same.
  private static func seed(_ builder: PlanBuilder, _ node: BoundNode) -> UInt32 {
    if let seed = node.attributes.int("seed") { return UInt32(truncatingIfNeeded: seed) }
    if let seed = node.attributes.float("seed")?.rounded(.towardZero), let whole = Int64(exactly: seed) {
      return UInt32(truncatingIfNeeded: whole)
    }
    return UInt32(truncatingIfNeeded: builder.current)
  }

  private static func random(
    _ name: StaticString, _ function: Int32,
    _ parameters: @escaping @Sendable (BoundNode, inout apusk_random_args) -> Void = { _, _ in }
  ) -> KernelBinding {
    KernelBinding(name, native: .all) { builder, node throws(ApusError) in
      var arguments = apusk_random_args()
      arguments.function = function
      arguments.seed = seed(builder, node)
      arguments.count = Int64(try checkedElementCount(try builder.extents(node.output(0))))
      arguments.output_type = try builder.elementType(node.output(0)).rawValue
      parameters(node, &arguments)
      // What RandomUniformLike and RandomNormalLike read is a shape alone.
      var input: BufferID?
      if function >= APUSK_RANDOM_BERNOULLI {
        input = try builder.input(node.input(0))
        arguments.input_type = try builder.elementType(node.input(0)).rawValue
      }
      var ratio: BufferID?
      var training: BufferID?
      var mask: BufferID?
      if function == APUSK_RANDOM_DROPOUT {
        if let id = node.optionalInput(1) {
          ratio = try builder.input(id)
          arguments.ratio_type = try builder.elementType(id).rawValue
        }
        if let id = node.optionalInput(2) { training = try builder.input(id) }
        if let id = node.optionalOutput(1) { mask = try builder.output(id) }
      }
      let output = try builder.output(node.output(0))
      var plan = apusk_plan()
      try builder.check(
        apusk_random_plan(builder.level, &arguments, &plan), try builder.elementType(node.output(0)), of: node.output(0))
      let (base, operands) = (arguments, (input: input, ratio: ratio, training: training, mask: mask))
      try builder.emit(plan, [input, ratio, training, mask, output]) { pointers in
        var arguments = base
        arguments.input = operands.input.flatMap { UnsafeRawPointer(pointers[$0]) }
        arguments.ratio = operands.ratio.flatMap { UnsafeRawPointer(pointers[$0]) }
        arguments.training = operands.training.flatMap { UnsafePointer(pointers[$0]?.assumingMemoryBound(to: UInt8.self)) }
        arguments.mask = operands.mask.flatMap { pointers[$0]?.assumingMemoryBound(to: UInt8.self) }
        arguments.output = pointers[output]
        return arguments
      }
    }
  }

  private static func pair(_ first: StaticString, _ second: StaticString)
    -> @Sendable (BoundNode, inout apusk_random_args) -> Void
  {
    { node, arguments in
      arguments.alpha = Double(node.attributes.float(first) ?? 0)
      arguments.beta = Double(node.attributes.float(second) ?? 1)
    }
  }

  static let randomUniform = random("RandomUniform", APUSK_RANDOM_UNIFORM, pair("low", "high"))
  static let randomUniformLike = random("RandomUniformLike", APUSK_RANDOM_UNIFORM, pair("low", "high"))
  static let randomNormal = random("RandomNormal", APUSK_RANDOM_NORMAL, pair("mean", "scale"))
  static let randomNormalLike = random("RandomNormalLike", APUSK_RANDOM_NORMAL, pair("mean", "scale"))
  static let bernoulli = random("Bernoulli", APUSK_RANDOM_BERNOULLI)
  static let dropout = random("Dropout", APUSK_RANDOM_DROPOUT)

  static let multinomial = random("Multinomial", APUSK_RANDOM_MULTINOMIAL) { node, arguments in
    arguments.samples = Int64(node.attributes.int("sample_size") ?? 1)
    arguments.classes = Int64(node.context.shape(0)?.known?.last ?? 0)
  }
}
