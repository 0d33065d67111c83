import ApusGraph
import CApusKernels

extension KernelBinding {
  /// Nearest elements are copied through tables of indices; weighted sums are taken of two neighbouring axes at a time.
  static let resize = KernelBinding(
    "Resize", native: TypeSet(.float32, .float64, .uint8, .int8, .int32, .int64, .bool)
  ) { builder, node throws(ApusError) in
    let input = node.input(0)
    guard let axes = try node.context.resizedAxes(try builder.extents(input)) else {
      throw node.unsupported("a resize whose scales or sizes are not known")
    }
    let settings = try ResizeSettings(node)
    if axes.allSatisfy({ $0.isIdentity }) {
      return builder.alias(node.output(0), to: try builder.input(input))
    }
    if settings.mode == APUSK_RESIZE_NEAREST {
      var tables: [[Int64]?] = []
      for axis in axes { tables.append(axis.isIdentity ? nil : try settings.nearest(axis, builder)) }
      let type = try builder.elementType(input)
      let fill = settings.extrapolation == 0 ? nil : builder.table([type.bits(of: settings.extrapolation)])
      return try builder.emitRemap(input, node.output(0), tables: tables, fill: fill)
    }
    try builder.emitResize(input, node.output(0), axes, settings)
  }
}

/// The attributes of a Resize, as kernels know them.
private struct ResizeSettings {
  let mode: Int32
  let coordinates: Int32
  let rounding: Int32
  let antialias: Bool
  let excludeOutside: Bool
  let cubicCoefficient: Double
  let extrapolation: Double

  init(_ node: BoundNode) throws(ApusError) {
    mode = try KernelBinding.choice(
      node, "mode",
      [("nearest", APUSK_RESIZE_NEAREST), ("linear", APUSK_RESIZE_LINEAR), ("cubic", APUSK_RESIZE_CUBIC)])
    coordinates = try KernelBinding.choice(
      node, "coordinate_transformation_mode",
      [
        ("half_pixel", APUSK_RESIZE_HALF_PIXEL), ("half_pixel_symmetric", APUSK_RESIZE_HALF_PIXEL_SYMMETRIC),
        ("pytorch_half_pixel", APUSK_RESIZE_PYTORCH_HALF_PIXEL), ("align_corners", APUSK_RESIZE_ALIGN_CORNERS),
        ("asymmetric", APUSK_RESIZE_ASYMMETRIC), ("tf_crop_and_resize", APUSK_RESIZE_TF_CROP_AND_RESIZE),
      ])
    rounding = try KernelBinding.choice(
      node, "nearest_mode",
      [
        ("round_prefer_floor", APUSK_RESIZE_ROUND_PREFER_FLOOR), ("round_prefer_ceil", APUSK_RESIZE_ROUND_PREFER_CEIL),
        ("floor", APUSK_RESIZE_FLOOR), ("ceil", APUSK_RESIZE_CEIL),
      ])
    antialias = node.attributes.flag("antialias")
    excludeOutside = node.attributes.flag("exclude_outside")
    cubicCoefficient = Double(node.attributes.float("cubic_coeff_a") ?? -0.75)
    extrapolation = Double(node.attributes.float("extrapolation_value") ?? 0)
    guard !antialias || mode != APUSK_RESIZE_NEAREST else {
      throw node.context.attributeError("antialias", expected: "0 where the mode is nearest", actual: "1")
    }
  }

  private func axis(_ axis: ResizedAxis) -> apusk_resize_axis {
    var result = apusk_resize_axis()
    (result.mode, result.coordinates, result.rounding) = (mode, coordinates, rounding)
    result.antialias = antialias ? 1 : 0
    result.exclude_outside = excludeOutside ? 1 : 0
    (result.input_size, result.output_size) = (Int64(axis.inputSize), Int64(axis.outputSize))
    (result.scale, result.roi_start, result.roi_end) = (axis.scale, axis.roiStart, axis.roiEnd)
    result.cubic_a = cubicCoefficient
    return result
  }

  func nearest(_ resized: ResizedAxis, _ builder: PlanBuilder) throws(ApusError) -> [Int64] {
    try builder.checkTable(resized.outputSize)
    var axis = axis(resized)
    var table = Array(repeating: Int64(0), count: resized.outputSize)
    apusk_resize_fill_nearest(&axis, &table)
    return table
  }

  /// The taps of each output element, two numbers a tap, and how many an element has.
  func taps(_ resized: ResizedAxis, _ builder: PlanBuilder) throws(ApusError) -> (table: [Int64], count: Int32) {
    var axis = axis(resized)
    let count = Int(apusk_resize_tap_count(&axis))
    guard count > 0 else {
      throw ApusError(
        .unsupported, "a resize by a scale that no filter fits", expected: "an axis of elements and a usable scale",
        actual: "\(resized.inputSize) elements, scale \(resized.scale)")
    }
    let entries = try resized.outputSize.checkedMultiplied(by: count).checkedMultiplied(by: 2)
    try builder.checkTable(entries)
    var table = Array(repeating: Int64(0), count: entries)
    table.withUnsafeMutableBytes { bytes in
      apusk_resize_fill_taps(&axis, bytes.baseAddress?.assumingMemoryBound(to: apusk_resize_tap.self))
    }
    return (table, Int32(count))
  }
}

extension PlanBuilder {
  /// Weighted sums, one or two neighbouring axes a step, the outermost first.
  fileprivate func emitResize(
    _ input: ValueID, _ output: ValueID, _ axes: [ResizedAxis], _ settings: ResizeSettings
  ) throws(ApusError) {
    let layout = try presentLayout(input)
    let order = layout == .plain ? Array(axes.indices) : Layout.channelsLastOrder(rank: axes.count)
    let ordered = order.map { axes[$0] }
    let type = try elementType(input)
    let width = try elementBytes(input)
    var pending: [(first: Int, last: Int)] = []
    for (position, axis) in ordered.enumerated() where !axis.isIdentity {
      if let group = pending.last, group.last == position - 1, group.first == group.last {
        pending[pending.count - 1].last = position
      } else {
        pending.append((position, position))
      }
    }
    guard pending.count == 1 || type == .float32 || type == .float64 else {
      // Sums must not be rounded to integers half-way.
      throw ApusError(
        .unsupported, "integers resized along more than two neighbouring axes", tensorName: name(input),
        expected: "float32 or float64", actual: type.name.text)
    }
    var extents = ordered.map { $0.inputSize }
    var source = try self.input(input, layout)
    for (index, group) in pending.enumerated() {
      let (rows, columns) = (ordered[group.first], group.first == group.last ? nil : ordered[group.last])
      var base = apusk_resize_args()
      base.outer = Int64(try checkedElementCount(Array(extents[..<group.first])))
      base.inner = Int64(try checkedElementCount(Array(extents[(group.last + 1)...])))
      (base.input_height, base.output_height) = (Int64(rows.inputSize), Int64(rows.outputSize))
      (base.input_width, base.output_width) = (1, 1)
      base.extrapolation = settings.extrapolation
      extents[group.first] = rows.outputSize
      let (rowTable, rowCount) = try settings.taps(rows, self)
      let rowTaps: BufferID? = table(rowTable)
      base.row_tap_count = rowCount
      var columnTaps: BufferID?
      if let columns {
        (base.input_width, base.output_width) = (Int64(columns.inputSize), Int64(columns.outputSize))
        extents[group.last] = columns.outputSize
        let (columnTable, columnCount) = try settings.taps(columns, self)
        columnTaps = table(columnTable)
        base.column_tap_count = columnCount
      }
      let isLast = index == pending.count - 1
      let target =
        isLast
        ? try self.output(output, layout) : temporary(byteCount: try checkedElementCount(extents).checkedMultiplied(by: width))
      try emitResizeStep(source, target, base, rowTaps: rowTaps, columnTaps: columnTaps, type: type)
      source = target
    }
  }

  private func emitResizeStep(
    _ source: BufferID, _ target: BufferID, _ base: apusk_resize_args, rowTaps: BufferID?, columnTaps: BufferID?,
    type: ElementType
  ) throws(ApusError) {
    var base = base
    // A last axis alone is done as columns: neighbours in memory then need no row of one element each.
    var (rows, columns) = (rowTaps, columnTaps)
    if columns == nil, base.inner == 1 {
      (rows, columns) = (nil, rowTaps)
      (base.input_width, base.output_width) = (base.input_height, base.output_height)
      (base.input_height, base.output_height) = (1, 1)
      (base.row_tap_count, base.column_tap_count) = (0, base.row_tap_count)
    }
    var plan = apusk_plan()
    try check(apusk_resize_plan(level, type.rawValue, &base, &plan))
    let arguments = base
    let (rowTable, columnTable) = (rows, columns)
    try emit(plan, [source, target, rowTable, columnTable]) { pointers in
      var filled = arguments
      filled.input = UnsafeRawPointer(pointers[source])
      filled.output = pointers[target]
      filled.row_taps = rowTable.flatMap { pointers[$0] }.map { UnsafePointer($0.assumingMemoryBound(to: apusk_resize_tap.self)) }
      filled.column_taps = columnTable.flatMap { pointers[$0] }.map {
        UnsafePointer($0.assumingMemoryBound(to: apusk_resize_tap.self))
      }
      return filled
    }
  }
}

extension ElementType {
  /// The low bytes of a number as an element: rounded, and held to the type's range.
  fileprivate func bits(of value: Double) -> Int64 {
    func held(_ low: Double, _ high: Double) -> Int64 {
      Int64(exactly: min(max(value, low), high).rounded(.toNearestOrEven)) ?? 0
    }
    switch self {
    case .float32:
      let single = Float(value)
      return Int64(single.bitPattern)
    case .float64: return Int64(bitPattern: value.bitPattern)
    case .uint8: return held(0, 255)
    case .int8: return held(-128, 127)
    case .bool: return value == 0 ? 0 : 1
    case .int32: return held(-0x1p31, 0x1p31 - 1)
    default: return held(-0x1p62, 0x1p62)
    }
  }
}
