import ApusGraph
import CApusKernels

extension PlanBuilder {
  /// Bytes of an element; kernels that move data need whole ones.
  func elementBytes(_ id: ValueID) throws(ApusError) -> Int {
    let type = try elementType(id)
    guard let width = type.byteWidth else {
      throw ApusError(
        .unsupportedType, "this version has no kernel for packed elements", tensorName: name(id), actual: type.name.text)
    }
    return width
  }

  func emitCopy(_ source: BufferID, _ target: BufferID, byteCount: Int) throws(ApusError) {
    var base = apusk_copy_args()
    base.bytes = Int64(byteCount)
    var plan = apusk_plan()
    apusk_copy_plan(&base, &plan)
    try emit(plan, base, from: source, to: target)
  }

  /// `target` receives `source`, dense with `extents`, with its axes in the order `order`.
  func emitTranspose(
    _ source: BufferID, _ target: BufferID, extents: [Int], order: [Int], elementBytes: Int
  ) throws(ApusError) {
    var base = apusk_strided_copy_args()
    (base.element_bytes, base.level) = (Int32(elementBytes), level)
    try check(
      apusk_strided_copy_set_transpose(
        &base, Int32(extents.count), extents.map { Int64($0) }, order.map { Int32($0) }))
    var plan = apusk_plan()
    apusk_strided_copy_plan(&base, &plan)
    try emit(plan, base, from: source, to: target)
  }

  /// One input of a concatenation; its rows follow one another, or stand `inputRowBytes` apart.
  func emitBlocks(
    _ source: BufferID, _ target: BufferID, rows: Int, blockBytes: Int, inputRowBytes: Int? = nil, rowBytes: Int, offset: Int
  ) throws(ApusError) {
    var base = apusk_block_copy_args()
    base.output_offset = Int64(offset)
    base.rows = Int64(rows)
    base.block_bytes = Int64(blockBytes)
    base.input_row_bytes = Int64(inputRowBytes ?? blockBytes)
    base.output_row_bytes = Int64(rowBytes)
    var plan = apusk_plan()
    apusk_block_copy_plan(&base, &plan)
    try emit(plan, base, from: source, to: target)
  }

  fileprivate func emitGather(_ data: BufferID, _ indices: BufferID, _ output: BufferID, _ base: apusk_gather_args)
    throws(ApusError)
  {
    var sizes = base
    var plan = apusk_plan()
    apusk_gather_plan(&sizes, &plan)
    try emit(plan, [data, indices, output]) { pointers in
      var arguments = base
      arguments.data = UnsafeRawPointer(pointers[data])
      arguments.indices = UnsafeRawPointer(pointers[indices])
      arguments.output = pointers[output]
      return arguments
    }
  }
}

/// A concatenation as rows of bytes, each of which a block of each operand makes up.
struct ConcatenationRows {
  let layout: Layout
  let rows: Int
  let rowBytes: Int
  private let axis: Int
  /// Bytes for each element of the axis.
  private let inner: Int

  /// Along the channels of channels-last operands without leaving that layout.
  init(_ builder: PlanBuilder, _ node: BoundNode) throws(ApusError) {
    let extents = try builder.extents(node.output(0))
    axis = try node.context.normalizedAxis(node.attributes.int("axis") ?? 0, rank: extents.count)
    var layout = Layout.channelsLast
    if extents.count < 3 || axis != 1 { layout = .plain }
    for id in node.node.node.inputs where layout == .channelsLast {
      if try !builder.isAvailable(id, .channelsLast) { layout = .plain }
    }
    // What is in its place already decides.
    if axis == 1, builder.isBegun(concatenation: node.output(0)) { layout = .channelsLast }
    self.layout = layout
    // In channels-last order the channels are the innermost axis: a row is a pixel.
    let ordered = layout == .channelsLast ? Layout.channelsLastOrder(rank: extents.count).map { extents[$0] } : extents
    let position = layout == .channelsLast ? extents.count - 1 : axis
    rows = try checkedElementCount(Array(ordered[..<position]))
    inner = try checkedElementCount(Array(ordered[(position + 1)...])).checkedMultiplied(
      by: try builder.elementBytes(node.output(0)))
    rowBytes = try inner.checkedMultiplied(by: ordered[position])
  }

  /// What an operand has of each row.
  func blockBytes(_ builder: PlanBuilder, _ operand: ValueID) throws(ApusError) -> Int {
    try inner.checkedMultiplied(by: try builder.extents(operand)[axis])
  }
}

extension KernelBinding {
  static let transpose = KernelBinding("Transpose", native: .wholeBytes) { builder, node throws(ApusError) in
    let extents = try builder.extents(node.input(0))
    let order = try permutation(node.context, rank: extents.count)
    if extents.count >= 3 {
      // Between the two layouts a transposition moves nothing: the one's plain elements are the other's channels-last ones.
      if order == Layout.channelsLastOrder(rank: extents.count),
        try builder.presentLayout(node.input(0)) == .channelsLast
      {
        return builder.alias(node.output(0), to: try builder.input(node.input(0), .channelsLast))
      }
      if order == Layout.plainOrder(rank: extents.count) {
        return builder.alias(node.output(0), .channelsLast, to: try builder.input(node.input(0)))
      }
    }
    let source = try builder.input(node.input(0))
    // Axes of one element may go anywhere.
    let moved = order.filter { extents[$0] != 1 }
    if moved == moved.sorted() { return builder.alias(node.output(0), to: source) }
    try builder.emitTranspose(
      source, try builder.output(node.output(0)), extents: extents, order: order,
      elementBytes: try builder.elementBytes(node.input(0)))
  }

  /// Copies each input to its place; along the channels of channels-last inputs without leaving that layout.
  static let concat = KernelBinding("Concat", native: .wholeBytes) { builder, node throws(ApusError) in
    let places = try ConcatenationRows(builder, node)
    let (layout, rows, rowBytes) = (places.layout, places.rows, places.rowBytes)
    if layout == .channelsLast, try builder.elementType(node.output(0)) == .float32 {
      let sources = try node.node.node.inputs.map { id throws(ApusError) in try builder.pixels(id) }
      let target = try builder.concatenation(node.output(0))
      var channel = 0
      for (index, source) in sources.enumerated() {
        let channels = try builder.extents(node.input(index))[1]
        if !builder.isInPlace(node.input(index), in: node.output(0), channel: channel) {
          builder.note = "copy into the concatenation"
          try builder.emitBlocks(
            source.buffer, target, rows: rows, blockBytes: channels * 4, inputRowBytes: source.stride * 4, rowBytes: rowBytes,
            offset: channel * 4)
        }
        channel += channels
      }
      return
    }
    let sources = try node.node.node.inputs.map { id throws(ApusError) in try builder.input(id, layout) }
    let target = try builder.output(node.output(0), layout)
    var offset = 0
    for (index, source) in sources.enumerated() {
      let block = try places.blockBytes(builder, node.input(index))
      try builder.emitBlocks(source, target, rows: rows, blockBytes: block, rowBytes: rowBytes, offset: offset)
      offset += block
    }
  }

  static let gather = KernelBinding("Gather", native: .wholeBytes) { builder, node throws(ApusError) in
    let data = try builder.extents(node.input(0))
    let axis = try node.context.normalizedAxis(node.attributes.int("axis") ?? 0, rank: data.count)
    var arguments = apusk_gather_args()
    arguments.outer = Int64(try checkedElementCount(Array(data[..<axis])))
    arguments.axis_size = Int64(data[axis])
    arguments.index_count = Int64(try checkedElementCount(try builder.extents(node.input(1))))
    arguments.block_bytes = Int64(
      try checkedElementCount(Array(data[(axis + 1)...])).checkedMultiplied(by: try builder.elementBytes(node.input(0))))
    arguments.index_bytes = Int32(try builder.elementBytes(node.input(1)))
    try builder.emitGather(
      try builder.input(node.input(0)), try builder.input(node.input(1)), try builder.output(node.output(0)), arguments)
  }
}
