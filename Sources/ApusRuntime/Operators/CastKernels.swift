import ApusGraph
import CApusKernels

extension PlanBuilder {
  /// Adds a step that converts elements.
  func emitCast(
    _ source: BufferID, _ from: ElementType, to target: BufferID, _ to: ElementType, count: Int, saturate: Bool = true,
    roundMode: Int32 = APUSK_ROUND_UP, of id: ValueID = .absent
  ) throws(ApusError) {
    var arguments = apusk_cast_args()
    arguments.count = Int64(count)
    (arguments.from, arguments.to) = (from.rawValue, to.rawValue)
    arguments.saturate = saturate ? 1 : 0
    arguments.round_mode = roundMode
    var plan = apusk_plan()
    let status = apusk_cast_plan(level, &arguments, &plan)
    if id >= 0 { try check(status, from, to: to, of: id) } else { try check(status) }
    try emit(plan, arguments, from: source, to: target)
  }

  /// A value's elements in another type: its own memory where it has that type, else a converted copy.
  func converted(_ id: ValueID, to type: ElementType) throws(ApusError) -> BufferID {
    let own = try elementType(id)
    let source = try input(id)
    if own == type { return source }
    let count = try checkedElementCount(try extents(id))
    guard let bytes = type.byteCount(of: count) else {
      throw ApusError(.limitExceeded, "too many elements", tensorName: name(id))
    }
    let target = temporary(byteCount: bytes)
    try emitCast(source, own, to: target, type, count: count, of: id)
    return target
  }
}

extension KernelBinding {
  private static func cast(_ name: StaticString) -> KernelBinding {
    KernelBinding(name, native: .all) { builder, node throws(ApusError) in
      let from = try builder.elementType(node.input(0))
      let to = try builder.elementType(node.output(0))
      let source = try builder.input(node.input(0))
      if from == to { return builder.alias(node.output(0), to: source) }
      let roundMode: Int32
      switch node.attributes.string("round_mode")?.bytes.first {
      case UInt8(ascii: "d"): roundMode = APUSK_ROUND_DOWN
      case UInt8(ascii: "n"): roundMode = APUSK_ROUND_NEAREST
      default: roundMode = APUSK_ROUND_UP
      }
      try builder.emitCast(
        source, from, to: try builder.output(node.output(0)), to,
        count: try checkedElementCount(try builder.extents(node.input(0))), saturate: node.attributes.flag("saturate"),
        roundMode: roundMode, of: node.input(0))
    }
  }

  static let cast = cast("Cast")
  static let castLike = cast("CastLike")

  /// The same memory under another type.
  static let bitCast = KernelBinding("BitCast", native: .all) { builder, node throws(ApusError) in
    builder.alias(node.output(0), to: try builder.input(node.input(0)))
  }
}

/// Converts elements at once, for whoever is not part of a plan. Returns the status of the kernel.
func converting(
  _ source: UnsafeRawPointer?, _ from: ElementType, _ target: UnsafeMutableRawPointer?, _ to: ElementType, count: Int,
  saturate: Bool
) -> Int32 {
  var arguments = apusk_cast_args()
  (arguments.input, arguments.output) = (source, target)
  arguments.count = Int64(count)
  (arguments.from, arguments.to) = (from.rawValue, to.rawValue)
  arguments.saturate = saturate ? 1 : 0
  var plan = apusk_plan()
  let status = apusk_cast_plan(APUSK_LEVEL_PORTABLE, &arguments, &plan)
  guard status == 0, plan.units > 0, let kernel = plan.kernel else { return status }
  var worker = apusp_worker()
  return kernel(&arguments, 0, plan.units, &worker)
}
