import ApusGraph
import CApusKernels

extension KernelBinding {
  // MARK: Views

  /// What moves nothing: the result is the operand's memory.
  private static func view(_ name: StaticString) -> KernelBinding {
    KernelBinding(name, native: .wholeBytes) { builder, node throws(ApusError) in
      builder.alias(node.output(0), to: try builder.input(node.input(0)))
    }
  }

  static let flatten = view("Flatten")
  static let reshape = view("Reshape")
  static let squeeze = view("Squeeze")
  static let unsqueeze = view("Unsqueeze")

  // MARK: Results that follow from shapes

  static let shape = KernelBinding("Shape", native: .all) { builder, node throws(ApusError) in
    guard let extents = node.context.attributes.schema.contents?(node.context) else {
      throw ApusError(.internal, "the shape of a planned value is not known", tensorName: builder.name(node.input(0)))
    }
    builder.alias(node.output(0), to: builder.table(extents))
  }

  static let size = KernelBinding("Size", native: .all) { builder, node throws(ApusError) in
    let count = try checkedElementCount(try builder.extents(node.input(0)))
    builder.alias(node.output(0), to: builder.table([Int64(count)]))
  }

  static let constantOfShape = KernelBinding("ConstantOfShape", native: .wholeBytes) { builder, node throws(ApusError) in
    var base = apusk_fill_args()
    base.element_bytes = Int32(try builder.elementBytes(node.output(0)))
    base.count = Int64(try checkedElementCount(try builder.extents(node.output(0))))
    if let id = node.attributes.tensor("value") {
      (base.low, base.high) = wideBits(try builder.constants.contents(id), builder.constants.tensors[Int(id)].elementType)
    }
    let target = try builder.output(node.output(0))
    var plan = apusk_plan()
    apusk_fill_plan(&base, &plan)
    try builder.emit(plan, [target]) { pointers in
      var arguments = base
      arguments.output = pointers[target]
      return arguments
    }
  }

  /// Up to 16 bytes as two numbers, lowest first.
  private static func bits(_ bytes: [UInt8]) -> (UInt64, UInt64) {
    var (low, high) = (UInt64(0), UInt64(0))
    for (index, byte) in bytes.enumerated() {
      if index < 8 { low |= UInt64(byte) << UInt64(8 * index) } else { high |= UInt64(byte) << UInt64(8 * (index - 8)) }
    }
    return (low, high)
  }

  /// The bits of the first element, of a packed type as the whole bytes that it is widened to.
  private static func wideBits(_ bytes: [UInt8], _ type: ElementType) -> (UInt64, UInt64) {
    guard type.byteWidth == nil, let first = bytes.first else { return bits(bytes) }
    switch type {
    case .int4: return (UInt64(UInt8(bitPattern: Int8(bitPattern: first << 4) >> 4)), 0)
    case .int2: return (UInt64(UInt8(bitPattern: Int8(bitPattern: first << 6) >> 6)), 0)
    case .uint2: return (UInt64(first & 3), 0)
    case .float4e2m1:
      let magnitudes: [Float] = [0, 0.5, 1, 1.5, 2, 3, 4, 6]
      let magnitude = magnitudes[Int(first & 7)]
      return (UInt64((first & 8 == 0 ? magnitude : -magnitude).bitPattern), 0)
    default: return (UInt64(first & 15), 0)
    }
  }

  static let eyeLike = KernelBinding("EyeLike", native: .wholeBytes) { builder, node throws(ApusError) in
    let extents = try builder.extents(node.output(0))
    let type = try builder.elementType(node.output(0))
    var base = apusk_eye_args()
    (base.rows, base.columns) = (Int64(extents[0]), Int64(extents[1]))
    base.k = Int64(node.attributes.int("k") ?? 0)
    base.element_bytes = Int32(try builder.elementBytes(node.output(0)))
    guard let one = type.bitsOfOne else {
      throw ApusError(
        .unsupportedType, "the type has no one", tensorName: builder.name(node.output(0)), actual: type.name.text)
    }
    base.low = one
    let target = try builder.output(node.output(0))
    var plan = apusk_plan()
    apusk_eye_plan(&base, &plan)
    try builder.emit(plan, [target]) { pointers in
      var arguments = base
      arguments.output = pointers[target]
      return arguments
    }
  }

  static let range = KernelBinding(
    "Range", native: TypeSet(.float32, .float64, .int32, .int64)
  ) { builder, node throws(ApusError) in
    var base = apusk_range_args()
    base.count = Int64(try checkedElementCount(try builder.extents(node.output(0))))
    base.element_type = try builder.elementType(node.output(0)).rawValue
    if let start = node.context.input(0)?.integers?.first, let delta = node.context.input(2)?.integers?.first {
      (base.integer_start, base.integer_delta) = (start, delta)
    } else if let start = node.context.input(0)?.floats?.first, let delta = node.context.input(2)?.floats?.first {
      (base.start, base.delta) = (start, delta)
    } else {
      throw node.unsupported("a range whose bounds are not known")
    }
    let target = try builder.output(node.output(0))
    var plan = apusk_plan()
    try builder.check(apusk_range_plan(&base, &plan))
    try builder.emit(plan, [target]) { pointers in
      var arguments = base
      arguments.output = pointers[target]
      return arguments
    }
  }

  // MARK: Strided copies

  /// Each `repeats[d]` times along each axis.
  static let tile = KernelBinding("Tile", native: .wholeBytes) { builder, node throws(ApusError) in
    let (inputs, outputs) = (try builder.extents(node.input(0)), try builder.extents(node.output(0)))
    var tables: [[Int64]?] = []
    for (input, output) in zip(inputs, outputs) {
      tables.append(input == output ? nil : try builder.indexTable(output) { $0 % input })
    }
    try builder.emitRemap(node.input(0), node.output(0), tables: tables)
  }

  static let expand = KernelBinding("Expand", native: .wholeBytes) { builder, node throws(ApusError) in
    let (inputs, outputs) = (try builder.extents(node.input(0)), try builder.extents(node.output(0)))
    let source = try builder.input(node.input(0))
    if try checkedElementCount(inputs) == checkedElementCount(outputs) {
      return builder.alias(node.output(0), to: source)
    }
    var base = apusk_strided_copy_args()
    base.element_bytes = Int32(try builder.elementBytes(node.input(0)))
    try builder.check(
      apusk_strided_copy_set_expand(
        &base, Int32(inputs.count), inputs.map { Int64($0) }, Int32(outputs.count), outputs.map { Int64($0) }))
    var plan = apusk_plan()
    apusk_strided_copy_plan(&base, &plan)
    try builder.emit(plan, base, from: source, to: try builder.output(node.output(0)))
  }

  /// Blocks of channels and blocks of space exchanged: a transposition of six axes.
  /// - Parameter split: the extents of the six axes as they are stored in a layout, and their new order.
  private static func blocks(
    _ name: StaticString,
    _ split:
      @escaping @Sendable (_ extents: [Int], _ block: Int, _ layout: Layout, _ mode: Name?) -> (
        extents: [Int], order: [Int]
      )
  ) -> KernelBinding {
    KernelBinding(name, native: .wholeBytes) { builder, node throws(ApusError) in
      let layout = try builder.presentLayout(node.input(0))
      let (extents, order) = split(
        try builder.extents(node.input(0)), node.attributes.int("blocksize") ?? 1, layout, node.attributes.string("mode"))
      let source = try builder.input(node.input(0), layout)
      try builder.emitTranspose(
        source, try builder.output(node.output(0), layout), extents: extents, order: order,
        elementBytes: try builder.elementBytes(node.input(0)))
    }
  }

  static let depthToSpace = blocks("DepthToSpace") { extents, block, layout, mode in
    let (batch, channels, height, width) = (extents[0], extents[1] / block / block, extents[2], extents[3])
    switch (layout, mode == "CRD") {
    case (.plain, true): return ([batch, channels, block, block, height, width], [0, 1, 4, 2, 5, 3])
    case (.plain, false): return ([batch, block, block, channels, height, width], [0, 3, 4, 1, 5, 2])
    case (.channelsLast, true): return ([batch, height, width, channels, block, block], [0, 1, 4, 2, 5, 3])
    case (.channelsLast, false): return ([batch, height, width, block, block, channels], [0, 1, 3, 2, 4, 5])
    }
  }

  static let spaceToDepth = blocks("SpaceToDepth") { extents, block, layout, _ in
    let (batch, channels, height, width) = (extents[0], extents[1], extents[2] / block, extents[3] / block)
    return layout == .plain
      ? ([batch, channels, height, block, width, block], [0, 3, 5, 1, 2, 4])
      : ([batch, height, block, width, block, channels], [0, 1, 3, 2, 4, 5])
  }
}

extension ElementType {
  /// The bits of the number 1; nil for types that have none.
  fileprivate var bitsOfOne: UInt64? {
    switch self {
    case .float32, .complex64: 0x3f80_0000
    case .float64, .complex128: 0x3ff0_0000_0000_0000
    case .float16: 0x3c00
    case .bfloat16: 0x3f80
    case .float8e4m3fn: 0x38
    case .float8e4m3fnuz: 0x40
    case .float8e5m2: 0x3c
    case .float8e5m2fnuz: 0x40
    case .float8e8m0: 0x7f
    case .uint8, .int8, .uint16, .int16, .uint32, .int32, .uint64, .int64, .bool: 1
    default: nil
    }
  }
}
