import ApusGraph
import CApusKernels

/// Writes elements into the fixed array that a C structure's field is.
func setArray<Field, Element: BitwiseCopyable>(_ field: inout Field, _ elements: [Element]) {
  withUnsafeMutableBytes(of: &field) { target in
    elements.withUnsafeBytes { source in
      target.copyBytes(from: UnsafeRawBufferPointer(rebasing: source[..<min(source.count, target.count)]))
    }
  }
}

/// A dense copy in which each output axis names the input's elements by a table.
struct Remap {
  /// Elements of a table that a plan holds at most: 128 MiB.
  static let maximumEntries = 1 << 24

  /// One output axis.
  private struct Axis {
    var count: Int
    /// Bytes between neighbours in the input.
    var stride: Int
    var table: [Int64]?
  }

  private var axes: [Axis] = []
  /// Bytes that are copied as one.
  private var block: Int

  /// - Parameters:
  ///   - inputs: the input's extents.
  ///   - outputs: the output's extents.
  ///   - tables: for each axis the input's index of each output index, or nil where they are the same.
  init(inputs: [Int], outputs: [Int], tables: [[Int64]?], elementBytes: Int) throws(ApusError) {
    block = elementBytes
    var stride = elementBytes
    for axis in outputs.indices.reversed() {
      let table = tables[axis]
      if table == nil, let outer = axes.last, outer.table == nil {
        axes[axes.count - 1].count = try outer.count.checkedMultiplied(by: outputs[axis])
      } else if table == nil, axes.isEmpty {
        block = try block.checkedMultiplied(by: outputs[axis])
      } else {
        axes.append(Axis(count: outputs[axis], stride: stride, table: table))
      }
      stride = try stride.checkedMultiplied(by: inputs[axis])
    }
    axes.reverse()
  }

  /// - Parameter fill: an element in memory that negative entries stand for; nil for zeros.
  func emit(
    _ builder: PlanBuilder, _ source: BufferID, _ target: BufferID, fill: BufferID?, elementBytes: Int
  ) throws(ApusError) {
    guard axes.count <= Int(APUSK_MAX_RANK) else {
      throw ApusError(
        .unsupported, "too many axes change", expected: "at most \(APUSK_MAX_RANK)", actual: "\(axes.count)")
    }
    var base = apusk_remap_args()
    base.block_bytes = Int64(block)
    base.element_bytes = Int32(elementBytes)
    base.rank = Int32(max(axes.count, 1))
    setArray(&base.shape, axes.isEmpty ? [Int64(1)] : axes.map { Int64($0.count) })
    setArray(&base.strides, axes.isEmpty ? [Int64(block)] : axes.map { Int64($0.stride) })
    if let table = axes.last?.table {
      apusk_remap_find_run(&base, table, Int64(table.count))
    } else {
      apusk_remap_find_run(&base, nil, Int64(axes.last?.count ?? 1))
    }
    var plan = apusk_plan()
    apusk_remap_plan(&base, &plan)
    var tables: [BufferID?] = []
    for axis in axes {
      if let table = axis.table { tables.append(builder.table(table)) } else { tables.append(nil) }
    }
    let planned = base
    let planTables = tables
    let touched: [BufferID?] = [source, target, fill] + tables
    try builder.emit(plan, touched) { (pointers) -> apusk_remap_args in
      var arguments = planned
      arguments.input = UnsafeRawPointer(pointers[source])
      arguments.output = pointers[target]
      if let fill { arguments.fill = UnsafeRawPointer(pointers[fill]) }
      var places: [UnsafePointer<Int64>?] = []
      for table in planTables { places.append(UnsafePointer(pointers.integers(table))) }
      setArray(&arguments.tables, places)
      return arguments
    }
  }
}

extension PlanBuilder {
  /// The layout in which an operand that is moved lies already: channels-last if it does so alone.
  func presentLayout(_ id: ValueID) throws(ApusError) -> Layout {
    if try isAvailable(id, .plain) { return .plain }
    return try isAvailable(id, .channelsLast) ? .channelsLast : .plain
  }

  /// `output = input` through a table an axis, in whatever layout the input lies.
  /// - Parameter tables: by axis of the plain layout; nil for an axis that stays.
  func emitRemap(
    _ input: ValueID, _ output: ValueID, tables: [[Int64]?], fill: BufferID? = nil
  ) throws(ApusError) {
    let layout = try presentLayout(input)
    let (inputs, outputs) = (try extents(input), try extents(output))
    let order = layout == .plain ? Array(inputs.indices) : Layout.channelsLastOrder(rank: inputs.count)
    let width = try elementBytes(input)
    let remap = try Remap(
      inputs: order.map { inputs[$0] }, outputs: order.map { outputs[$0] }, tables: order.map { tables[$0] },
      elementBytes: width)
    let source = try self.input(input, layout)
    try remap.emit(self, source, try self.output(output, layout), fill: fill, elementBytes: width)
  }

  /// The table of an output axis, made only if it is not too large for a plan.
  func indexTable(_ count: Int, _ entry: (Int) -> Int) throws(ApusError) -> [Int64] {
    try checkTable(count)
    return (0..<count).map { Int64(entry($0)) }
  }

  func checkTable(_ entries: Int) throws(ApusError) {
    guard entries <= Remap.maximumEntries else {
      throw ApusError(
        .limitExceeded, "an axis is too long for a table of indices", expected: "at most \(Remap.maximumEntries) entries",
        actual: "\(entries)")
    }
  }
}
