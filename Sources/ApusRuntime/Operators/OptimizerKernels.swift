import ApusGraph
import CApusKernels

extension PlanBuilder {
  /// One step of parameter `index`. `momentum` and `squares` are positions among the states; nil where the optimizer has none.
  fileprivate func emitOptimizer(
    _ node: BoundNode, _ operands: OptimizerOperands, _ index: Int, _ function: Int32, momentum: Int?, squares: Int?
  ) throws(ApusError) {
    var base = apusk_optimizer_args()
    let x = node.input(operands.parameter(index))
    base.function = function
    base.elements = Int64(try checkedElementCount(try extents(x)))
    base.element_type = try elementType(x).rawValue
    base.rate_type = try elementType(node.input(0)).rawValue
    base.alpha = Double(node.attributes.float("alpha") ?? 0)
    base.beta = Double(node.attributes.float("beta") ?? 0)
    base.decay = Double(node.attributes.float("decay_factor") ?? 0)
    base.epsilon = Double(node.attributes.float("epsilon") ?? 0)
    base.norm = Double(node.attributes.float("norm_coefficient") ?? 0)
    base.norm_post = Double(node.attributes.float("norm_coefficient_post") ?? 0)
    var plan = apusk_plan()
    try check(apusk_optimizer_plan(&base, &plan), try elementType(x), of: x)
    let rate = try input(node.input(0))
    let count = try input(node.input(1))
    let source = try input(x)
    let gradient = try input(node.input(operands.gradient(index)))
    let oldMomentum = try momentum.map { state throws(ApusError) in try input(node.input(operands.state(state, index))) }
    let oldSquares = try squares.map { state throws(ApusError) in try input(node.input(operands.state(state, index))) }
    let target = try output(node.output(index))
    let newMomentum = try momentum.map { state throws(ApusError) in
      try output(node.output((state + 1) * operands.count + index))
    }
    let newSquares = try squares.map { state throws(ApusError) in
      try output(node.output((state + 1) * operands.count + index))
    }
    let made = base
    let touched = [rate, count, source, gradient, oldMomentum, oldSquares, target, newMomentum, newSquares]
    try emit(plan, touched) { pointers in
      func address(_ buffer: BufferID?) -> UnsafeMutableRawPointer? { buffer.flatMap { pointers[$0] } }
      var arguments = made
      arguments.rate = UnsafeRawPointer(address(rate))
      arguments.count = UnsafePointer(pointers.integers(count))
      arguments.x = UnsafeRawPointer(address(source))
      arguments.gradient = UnsafeRawPointer(address(gradient))
      arguments.v = UnsafeRawPointer(address(oldMomentum))
      arguments.h = UnsafeRawPointer(address(oldSquares))
      arguments.new_x = address(target)
      arguments.new_v = address(newMomentum)
      arguments.new_h = address(newSquares)
      return arguments
    }
  }
}

extension KernelBinding {
  private static func optimizer(
    _ name: StaticString, states: Int, momentum: Int?, squares: Int?,
    _ function: @escaping @Sendable (BoundNode) throws(ApusError) -> Int32
  ) -> KernelBinding {
    KernelBinding(
      name, domain: .previewTraining, native: TypeSet(.float32, .float64)
    ) { builder, node throws(ApusError) in
      let operands = try OptimizerOperands(node.context, states: states)
      let kind = try function(node)
      for index in 0..<operands.count {
        try builder.emitOptimizer(node, operands, index, kind, momentum: momentum, squares: squares)
      }
    }
  }

  static let adagrad = optimizer("Adagrad", states: 1, momentum: nil, squares: 0) { _ in APUSK_OPTIMIZER_ADAGRAD }

  static let adam = optimizer("Adam", states: 2, momentum: 0, squares: 1) { _ in APUSK_OPTIMIZER_ADAM }

  static let momentum = optimizer("Momentum", states: 1, momentum: 0, squares: nil) { node throws(ApusError) in
    let mode = node.attributes.string("mode") ?? ""
    if mode == "standard" { return APUSK_OPTIMIZER_MOMENTUM }
    if mode == "nesterov" { return APUSK_OPTIMIZER_NESTEROV }
    throw node.context.attributeError("mode", expected: "standard or nesterov", actual: mode.string)
  }
}
