import ApusGraph
import CApusKernels

extension PlanBuilder {
  /// Copies a box of strided elements of a value, in whatever layout that lies; ranges by axis of the plain layout.
  fileprivate func emitBox(_ input: ValueID, _ output: ValueID, _ ranges: [SliceRange], _ layout: Layout) throws(ApusError) {
    let extents = try extents(input)
    let order = layout == .plain ? Array(extents.indices) : Layout.channelsLastOrder(rank: extents.count)
    let source = try self.input(input, layout)
    var base = apusk_strided_copy_args()
    base.element_bytes = Int32(try elementBytes(input))
    var strides: [Int64] = Array(repeating: 0, count: extents.count)
    var stride = 1
    for (position, axis) in order.enumerated().reversed() {
      // A range of one element may have any step.
      strides[position] = ranges[axis].count == 1 ? 0 : Int64(try ranges[axis].step.checkedMultiplied(by: stride))
      base.input_offset += Int64(try ranges[axis].start.checkedMultiplied(by: stride))
      stride = try stride.checkedMultiplied(by: extents[axis])
    }
    // One run of elements is a view.
    let first = order.firstIndex { ranges[$0].count != 1 } ?? max(order.count - 1, 0)
    let isRun = order.enumerated().allSatisfy { position, axis in
      position < first || (ranges[axis].step == 1 && (position == first || ranges[axis].count == extents[axis]))
    }
    if isRun, !order.isEmpty {
      let start = try Int(base.input_offset).checkedMultiplied(by: Int(base.element_bytes))
      return alias(
        output, layout, to: part(of: source, offset: start, byteCount: try byteCount(output), value: output))
    }
    let shape = order.map { Int64(ranges[$0].count) }
    try check(apusk_strided_copy_set_view(&base, Int32(shape.count), shape, strides))
    var plan = apusk_plan()
    apusk_strided_copy_plan(&base, &plan)
    try emit(plan, base, from: source, to: try self.output(output, layout))
  }
}

extension KernelBinding {
  static let slice = KernelBinding("Slice", native: .wholeBytes) { builder, node throws(ApusError) in
    let extents = try builder.extents(node.input(0))
    guard let ranges = try node.context.sliceRanges(extents) else {
      throw node.unsupported("a slice whose bounds are not known")
    }
    if ranges == extents.map({ SliceRange(start: 0, step: 1, count: $0) }) {
      return builder.alias(node.output(0), to: try builder.input(node.input(0)))
    }
    try builder.emitBox(node.input(0), node.output(0), ranges, try builder.presentLayout(node.input(0)))
  }

  static let split = KernelBinding("Split", native: .wholeBytes) { builder, node throws(ApusError) in
    let extents = try builder.extents(node.input(0))
    let axis = try node.context.normalizedAxis(node.attributes.int("axis") ?? 0, rank: extents.count)
    let outputs = node.node.node.outputs
    guard let sizes = try node.context.splitSizes(extents[axis], outputs: outputs.count) else {
      throw node.unsupported("a split whose sizes are not known")
    }
    let layout = try builder.presentLayout(node.input(0))
    var ranges = extents.map { SliceRange(start: 0, step: 1, count: $0) }
    var start = 0
    for (index, size) in sizes.enumerated() {
      ranges[axis] = SliceRange(start: start, step: 1, count: size)
      if outputs[index] >= 0 { try builder.emitBox(node.input(0), outputs[index], ranges, layout) }
      start += size
    }
  }

  static let pad = KernelBinding("Pad", native: .wholeBytes) { builder, node throws(ApusError) in
    let (inputs, outputs) = (try builder.extents(node.input(0)), try builder.extents(node.output(0)))
    guard let amounts = try node.context.padAmounts(rank: inputs.count) else {
      throw node.unsupported("pads that are not known")
    }
    guard let mode = node.attributes.string("mode"), mode == "constant" || mode == "edge" || mode == "reflect" || mode == "wrap"
    else {
      throw node.context.attributeError(
        "mode", expected: "constant, reflect, edge or wrap", actual: node.attributes.string("mode")?.string ?? "nothing")
    }
    var tables: [[Int64]?] = []
    for axis in inputs.indices {
      let amount = amounts[axis]
      guard amount.before != 0 || amount.after != 0 else {
        tables.append(nil)
        continue
      }
      // What is left of the axis after cuts is what modes repeat.
      let cut = max(0, -amount.before), kept = inputs[axis] - cut - max(0, -amount.after), added = max(0, amount.before)
      guard kept > 0 || mode == "constant" else {
        throw node.context.error("nothing is left to repeat", input: 0, expected: "an extent above 0", actual: "\(kept)")
      }
      tables.append(
        try builder.indexTable(outputs[axis]) { index in
          let place = padded(index - added, of: kept, mode)
          return place < 0 ? -1 : cut + place
        })
    }
    let fill = try node.optionalInput(2).map { id throws(ApusError) in try builder.input(id) }
    try builder.emitRemap(node.input(0), node.output(0), tables: tables, fill: mode == "constant" ? fill : nil)
  }

  /// The element of `0 ..< count` that stands at `place`, or -1 for the constant.
  private static func padded(_ place: Int, of count: Int, _ mode: Name) -> Int {
    if place >= 0 && place < count { return place }
    if mode == "edge" { return place < 0 ? 0 : count - 1 }
    if mode == "constant" || count < 1 { return -1 }
    let period = mode == "wrap" || count == 1 ? count : 2 * (count - 1)
    let rest = ((place % period) + period) % period
    return rest < count ? rest : period - rest
  }

  static let centerCropPad = KernelBinding("CenterCropPad", native: .wholeBytes) { builder, node throws(ApusError) in
    let (inputs, outputs) = (try builder.extents(node.input(0)), try builder.extents(node.output(0)))
    var tables: [[Int64]?] = []
    for (input, output) in zip(inputs, outputs) {
      guard input != output else {
        tables.append(nil)
        continue
      }
      let before = input > output ? -((input - output) / 2) : (output - input) / 2
      tables.append(
        try builder.indexTable(output) { index in
          let place = index - before
          return place >= 0 && place < input ? place : -1
        })
    }
    try builder.emitRemap(node.input(0), node.output(0), tables: tables)
  }
}
