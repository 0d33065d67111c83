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
      var arguments = apusk_quantize_args(layout)
      (arguments.x_type, arguments.scale_type, arguments.y_type) = (types.x.rawValue, types.scale.rawValue, types.y.rawValue)
      arguments.precision = precision(node.attributes, types.x, types.scale)
      arguments.saturate = node.attributes.flag("saturate") ? 1 : 0
      var step = apusk_plan()
      try builder.check(plan(builder.level, &arguments, &step), types.x, to: types.y, of: node.input(0))
      let zero: BufferID?
      if let id = node.optionalInput(2) { zero = try builder.input(id) } else { zero = nil }
      // One scale for all: elements may lie in any order.
      let isOfTensor = layout.outerStride == 0 && layout.blockStride == 0 && layout.innerStride == 0
      let order = isOfTensor ? try builder.presentLayout(node.input(0)) : .plain
      try builder.emitQuantization(
        arguments, step, try builder.input(node.input(0), order), try builder.input(node.input(1)), zero,
        try builder.output(node.output(0), order))
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

  static let dynamicQuantizeLinear = KernelBinding(
    "DynamicQuantizeLinear", native: TypeSet(.float32, .uint8)
  ) { builder, node throws(ApusError) in
    try emitDynamic(builder, node, rows: 1)
  }

  static let dynamicQuantizeRows = KernelBinding(
    "DynamicQuantizeLinear", domain: .apus, native: TypeSet(.float32, .uint8)
  ) { builder, node throws(ApusError) in
    try emitDynamic(builder, node, rows: try checkedElementCount(try builder.extents(node.output(1))))
  }

  /// For several rows a step that finds the range of each and quantizes it; for one a step of each kind.
  private static func emitDynamic(_ builder: PlanBuilder, _ node: BoundNode, rows: Int) throws(ApusError) {
    var arguments = apusk_dynamic_quantize_args()
    let count = try checkedElementCount(try builder.extents(node.input(0)))
    arguments.rows = Int64(rows)
    arguments.columns = Int64(count / max(rows, 1))
    var (range, quantize) = (apusk_plan(), apusk_plan())
    try builder.check(apusk_dynamic_quantize_plan(builder.level, &arguments, &range, &quantize))
    let x = try builder.input(node.input(0))
    let y = try builder.output(node.output(0))
    let scale = try builder.output(node.output(1))
    let zero = try builder.output(node.output(2))
    let base = arguments
    func bound(_ pointers: PointerTable) -> apusk_dynamic_quantize_args {
      var arguments = base
      arguments.x = UnsafePointer(pointers.floats(x))
      arguments.y = pointers[y]?.assumingMemoryBound(to: UInt8.self)
      arguments.scale = pointers.floats(scale)
      arguments.zero = pointers[zero]?.assumingMemoryBound(to: UInt8.self)
      return arguments
    }
    try builder.emit(range, [x, scale, zero], arguments: bound)
    try builder.emit(quantize, [x, scale, zero, y], arguments: bound)
  }
}
