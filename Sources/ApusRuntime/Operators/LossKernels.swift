import ApusGraph
import CApusKernels

extension PlanBuilder {
  /// The negative log-likelihood loss of scores [N, C, ...] into output 0.
  fileprivate func emitLoss(_ node: BoundNode, scores: BufferID) throws(ApusError) {
    let type = try elementType(node.input(0))
    let width = type.bitWidth / 8
    let extents = try extents(node.input(0))
    let sizes = try AxisExtents(extents, axis: 1)
    var base = apusk_nll_args()
    (base.outer, base.classes, base.inner) = (sizes.outer, sizes.n, sizes.inner)
    base.ignore_index = Int64(node.attributes.int("ignore_index") ?? 0)
    base.has_ignore_index = node.attributes.int("ignore_index") == nil ? 0 : 1
    base.element_type = type.rawValue
    base.target_bytes = try elementType(node.input(1)) == .int32 ? 4 : 8
    var plan = apusk_plan()
    try check(apusk_nll_plan(&base, &plan), type, of: node.input(0))
    let reduction = try LossReduction(node.context)
    let count = try checkedElementCount(try self.extents(node.input(1)))
    let bytes = try count.checkedMultiplied(by: width)
    let result = try output(node.output(0))
    let losses = reduction == .none ? result : temporary(byteCount: bytes)
    let weights = reduction == .mean ? temporary(byteCount: bytes) : nil
    let targets = try input(node.input(1))
    let weight = try node.optionalInput(2).map { id throws(ApusError) in try input(id) }
    let made = base
    try emit(plan, [scores, targets, weight, losses, weights]) { pointers in
      var arguments = made
      arguments.scores = UnsafeRawPointer(pointers[scores])
      arguments.targets = UnsafeRawPointer(pointers[targets])
      if let weight { arguments.weight = UnsafeRawPointer(pointers[weight]) }
      arguments.losses = pointers[losses]
      if let weights { arguments.weights = pointers[weights] }
      return arguments
    }
    guard reduction != .none else { return }
    let total = reduction == .sum ? result : temporary(byteCount: width)
    try emitReduction(losses, total, extents: [count], axes: 1, type: type, APUSK_REDUCE_SUM, of: node.input(0))
    guard let weights else { return }
    let divisor = temporary(byteCount: width)
    try emitReduction(weights, divisor, extents: [count], axes: 1, type: type, APUSK_REDUCE_SUM, of: node.input(0))
    try emitQuotient(total, divisor, result, type)
  }

  /// `result = a / b`, one element each.
  private func emitQuotient(_ a: BufferID, _ b: BufferID, _ result: BufferID, _ type: ElementType) throws(ApusError) {
    var base = apusk_binary_args()
    try check(apusk_binary_set_shapes(&base, 0, [], 0, []))
    var plan = apusk_plan()
    try check(apusk_binary_plan(level, APUSK_BINARY_DIV, type.rawValue, &base, &plan))
    let made = base
    try emit(plan, [a, b, result]) { pointers in
      var arguments = made
      arguments.a = UnsafeRawPointer(pointers[a])
      arguments.b = UnsafeRawPointer(pointers[b])
      arguments.output = pointers[result]
      return arguments
    }
  }
}

extension KernelBinding {
  static let negativeLogLikelihoodLoss = KernelBinding(
    "NegativeLogLikelihoodLoss", native: TypeSet(.float32, .float64)
  ) { builder, node throws(ApusError) in
    try builder.emitLoss(node, scores: try builder.input(node.input(0)))
  }

  static let softmaxCrossEntropyLoss = KernelBinding(
    "SoftmaxCrossEntropyLoss", native: TypeSet(.float32, .float64)
  ) { builder, node throws(ApusError) in
    let extents = try builder.extents(node.input(0))
    let source = try builder.input(node.input(0))
    let target: BufferID
    if let id = node.optionalOutput(1) {
      target = try builder.output(id)
    } else {
      target = builder.temporary(byteCount: try builder.byteCount(node.input(0)))
    }
    try builder.emitSoftmax(source, target, AxisExtents(extents, axis: 1), logarithmic: true, of: node.input(0))
    try builder.emitLoss(node, scores: target)
  }
}
