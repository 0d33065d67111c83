import ApusGraph
import CApusKernels

extension PlanBuilder {
  /// Adds a step of quantization or dequantization; buffers: x, scale, zero point, y.
  fileprivate func emitQuantization(
    _ arguments: apusk_quantize_args, _ plan: apusk_plan, _ x: BufferID, _ scale: BufferID, _ zero: BufferID?, _ y: BufferID
  ) throws(ApusError) {
    try emit(plan, [x, scale, zero, y]) { pointers in
      var arguments = arguments
      arguments.x = UnsafeRawPointer(pointers[x])
      arguments.scale = UnsafeRawPointer(pointers[scale])
      arguments.zero = zero.flatMap { UnsafeRawPointer(pointers[$0]) }
      arguments.y = pointers[y]
      return arguments
    }
  }
}

extension KernelBinding {
  private static func linear(
    _ name: StaticString, domain: Name,
    _ plan: @escaping @Sendable (Int32, inout apusk_quantize_args, inout apusk_plan) -> Int32
  ) -> KernelBinding {
    KernelBinding(name, domain: domain, native: .all) { builder, node throws(ApusError) in
      guard let layout = try QuantizationLayout(node.context) else { throw node.unsupported("a shape that is not known") }
      let types = (
        x: try builder.elementType(node.input(0)), scale: try builder.elementType(node.input(1)),
        y: try builder.elementType(node.output(0))
      )
      var arguments = apusk_quantize_args()
      (arguments.outer, arguments.axis, arguments.inner) = (Int64(layout.outer), Int64(layout.axis), Int64(layout.inner))
      arguments.block = Int64(layout.block)
      arguments.outer_stride = Int64(layout.outerStride)
      arguments.block_stride = Int64(layout.blockStride)
      arguments.inner_stride = Int64(layout.innerStride)
      (arguments.x_type, arguments.scale_type, arguments.y_type) = (types.x.rawValue, types.scale.rawValue, types.y.rawValue)
      arguments.precision = precision(node.attributes, types.x, types.scale)
      arguments.saturate = node.attributes.flag("saturate") ? 1 : 0
      var step = apusk_plan()
      try builder.check(plan(builder.level, &arguments, &step), types.x, to: types.y, of: node.input(0))
      let zero: BufferID?
      if let id = node.optionalInput(2) { zero = try builder.input(id) } else { zero = nil }
      try builder.emitQuantization(
        arguments, step, try builder.input(node.input(0)), try builder.input(node.input(1)), zero,
        try builder.output(node.output(0)))
    }
  }

  /// The type in which x is divided by the scale: the attribute's, else the wider of the two; doubles hold every int32.
  private static func precision(_ attributes: AttributeReader, _ x: ElementType, _ scale: ElementType) -> Int32 {
    if let asked = attributes.int("precision"), asked != 0, let code = Int32(exactly: asked) { return code }
    if x == .int32 || scale == .int32 { return APUSK_FLOAT64 }
    return x == scale || scale == .float8e8m0 ? x.rawValue : APUSK_FLOAT32
  }

  static let quantizeLinear = linear("QuantizeLinear", domain: .onnx) { apusk_quantize_plan($0, &$1, &$2) }
  static let dequantizeLinear = linear("DequantizeLinear", domain: .onnx) { apusk_dequantize_plan($0, &$1, &$2) }
  static let microsoftQuantizeLinear = linear("QuantizeLinear", domain: "com.microsoft") {
    apusk_quantize_plan($0, &$1, &$2)
  }
  static let microsoftDequantizeLinear = linear("DequantizeLinear", domain: "com.microsoft") {
    apusk_dequantize_plan($0, &$1, &$2)
  }

  /// A pass over x for its range, and one that quantizes with what the first has written.
  static let dynamicQuantizeLinear = KernelBinding(
    "DynamicQuantizeLinear", native: TypeSet(.float32, .uint8)
  ) { builder, node throws(ApusError) in
    let count = Int64(try checkedElementCount(try builder.extents(node.input(0))))
    let x = try builder.input(node.input(0))
    let y = try builder.output(node.output(0))
    let scale = try builder.output(node.output(1))
    let zero = try builder.output(node.output(2))
    var range = apusk_dynamic_range_args()
    range.count = count
    var plan = apusk_plan()
    try builder.check(apusk_dynamic_range_plan(builder.level, &range, &plan))
    let base = range
    try builder.emit(plan, [x, scale, zero]) { pointers in
      var arguments = base
      arguments.x = UnsafePointer(pointers.floats(x))
      arguments.scale = pointers.floats(scale)
      arguments.zero = pointers[zero]?.assumingMemoryBound(to: UInt8.self)
      return arguments
    }
    var arguments = apusk_quantize_args()
    (arguments.outer, arguments.axis, arguments.inner, arguments.block) = (1, 1, count, 1)
    (arguments.x_type, arguments.scale_type, arguments.y_type) = (APUSK_FLOAT32, APUSK_FLOAT32, APUSK_UINT8)
    arguments.precision = APUSK_FLOAT32
    try builder.check(apusk_quantize_plan(builder.level, &arguments, &plan))
    try builder.emitQuantization(arguments, plan, x, scale, zero, y)
  }
}
