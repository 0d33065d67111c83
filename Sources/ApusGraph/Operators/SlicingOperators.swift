// Operators that cut tensors apart or add to their edges: Slice, Split, Pad, CenterCropPad.

/// What a Slice takes of one axis: elements `start`, `start + step`, ... `count` of them.
public struct SliceRange: Equatable, Sendable {
  public var start: Int
  public var step: Int
  public var count: Int

  public init(start: Int, step: Int, count: Int) {
    self.start = start
    self.step = step
    self.count = count
  }
}

/// What Pad and CenterCropPad do at one axis: elements added before and after, or cut off where negative.
public struct PadAmounts: Equatable, Sendable {
  public var before: Int
  public var after: Int
}

extension InferenceContext {
  /// What a Slice takes of an axis of `extent` elements, as ONNX clamps it.
  private func range(start: Int64, end: Int64, step: Int64, extent: Int) throws(ApusError) -> SliceRange {
    guard step != 0 else { throw error("a step of zero", input: 4, expected: "another step") }
    let size = Int64(extent)
    func clamped(_ bound: Int64, _ low: Int64, _ high: Int64) -> Int64 {
      min(max(bound < 0 ? bound + size : bound, low), high)
    }
    let first = step > 0 ? clamped(start, 0, size) : clamped(start, 0, size - 1)
    let last = step > 0 ? clamped(end, 0, size) : clamped(end, -1, size - 1)
    let distance = step > 0 ? last - first : first - last
    guard distance > 0 else { return SliceRange(start: 0, step: 1, count: 0) }
    return SliceRange(
      start: Int(first), step: Int(step), count: Int((UInt64(distance) - 1) / step.magnitude) + 1)
  }

  /// The axes and bounds that a Slice states; nil while they are not known.
  private func slices(rank: Int) throws(ApusError) -> [(axis: Int, start: Int64, end: Int64, step: Int64)]? {
    guard let starts = input(1)?.integers, let ends = input(2)?.integers else { return nil }
    guard starts.count == ends.count else {
      throw error("as many ends as starts", input: 2, expected: "\(starts.count)", actual: "\(ends.count)")
    }
    var axes = Array(0..<min(starts.count, rank))
    if input(3) != nil {
      guard let stated = try statedAxes(3, rank: rank) else { return nil }
      axes = stated
    }
    var steps = Array(repeating: Int64(1), count: starts.count)
    if input(4) != nil {
      guard let stated = input(4)?.integers else { return nil }
      steps = stated
    }
    guard axes.count == starts.count, steps.count == starts.count else {
      throw error(
        "as many axes and steps as starts", input: 1, expected: "\(starts.count)",
        actual: "\(axes.count) axes, \(steps.count) steps")
    }
    return starts.indices.map { (axes[$0], starts[$0], ends[$0], steps[$0]) }
  }

  /// What a Slice takes of each axis of a known shape; nil while its operands are not known.
  public func sliceRanges(_ extents: [Int]) throws(ApusError) -> [SliceRange]? {
    guard let slices = try slices(rank: extents.count) else { return nil }
    var ranges = extents.map { SliceRange(start: 0, step: 1, count: $0) }
    for slice in slices {
      ranges[slice.axis] = try range(start: slice.start, end: slice.end, step: slice.step, extent: extents[slice.axis])
    }
    return ranges
  }

  /// The shape of a Slice where extents, or bounds, may be open.
  fileprivate func slicedShape(_ shape: Shape) throws(ApusError) -> Shape {
    guard let slices = try slices(rank: shape.rank) else {
      var result = shape
      let axes = input(3) == nil ? nil : try statedAxes(3, rank: shape.rank)
      for axis in 0..<shape.rank where axes?.contains(axis) ?? true { result[axis] = .unknown }
      return result
    }
    var result = shape
    for slice in slices {
      if let extent = shape[slice.axis].value {
        result[slice.axis] = .known(
          try range(start: slice.start, end: slice.end, step: slice.step, extent: extent).count)
      } else if slice.start != 0 || slice.end < Int64(Int32.max) || slice.step != 1 {
        result[slice.axis] = .unknown
      }
    }
    return result
  }

  /// What a Pad does at each axis; nil while its operands are not known.
  public func padAmounts(rank: Int) throws(ApusError) -> [PadAmounts]? {
    var axes = Array(0..<rank)
    if input(3) != nil {
      guard let stated = try statedAxes(3, rank: rank) else { return nil }
      axes = stated
    }
    guard let pads = input(1)?.integers else { return nil }
    guard pads.count == 2 * axes.count else {
      throw error("two pads an axis", input: 1, expected: "\(2 * axes.count)", actual: "\(pads.count)")
    }
    var amounts = Array(repeating: PadAmounts(before: 0, after: 0), count: rank)
    for (position, axis) in axes.enumerated() {
      amounts[axis] = PadAmounts(before: Int(pads[position]), after: Int(pads[axes.count + position]))
    }
    return amounts
  }

  /// The extents of a CenterCropPad's result by axis; nil while they are not known.
  fileprivate func croppedShape(_ shape: Shape) throws(ApusError) -> Shape? {
    var axes: [Int] = []
    for axis in attributes.ints("axes") ?? Array(0..<shape.rank) {
      axes.append(try normalizedAxis(axis, rank: shape.rank, attribute: "axes"))
    }
    var result = shape
    guard let stated = input(1)?.integers else {
      for axis in axes { result[axis] = .unknown }
      return result
    }
    guard stated.count == axes.count else {
      throw error("one extent an axis", input: 1, expected: "\(axes.count)", actual: "\(stated.count)")
    }
    for (axis, extent) in zip(axes, stated) {
      guard extent >= 0 else { throw error("negative extent", input: 1, expected: "0 or more", actual: "\(extent)") }
      result[axis] = .known(Int(extent))
    }
    return result
  }

  /// The extents of a Split's results along its axis; nil while they are not known.
  public func splitSizes(_ extent: Int, outputs count: Int) throws(ApusError) -> [Int]? {
    if input(1) != nil {
      guard let sizes = input(1)?.integers else { return nil }
      var sum = 0
      for size in sizes {
        guard size >= 0 else { throw error("negative size", input: 1, expected: "0 or more", actual: "\(size)") }
        sum = try sum.checkedAdding(Int(size))
      }
      guard sizes.count == count, sum == extent else {
        throw error(
          "the parts do not make up the whole", input: 1, expected: "\(count) sizes that add up to \(extent)",
          actual: "\(sizes.count) sizes that add up to \(sum)")
      }
      return sizes.map { Int($0) }
    }
    let parts = attributes.int("num_outputs") ?? count
    guard parts == count, count > 0 else {
      throw attributeError("num_outputs", expected: "\(count), the number of outputs", actual: "\(parts)")
    }
    // All parts are equal but for the last ones, which get what is left.
    let size = extent / count + (extent % count == 0 ? 0 : 1)
    return (0..<count).map { max(0, min(size, extent - $0 * size)) }
  }
}

extension OperatorSchema {
  /// Elements `starts`, `starts + steps`, ... before `ends` of each of `axes`.
  public static let slice = OperatorSchema(
    name: "Slice", versions: [13],
    inputs: [
      Parameter("data", .all), Parameter("starts", .indices, group: 2, steers: true),
      Parameter("ends", .indices, group: 2, steers: true), Parameter("axes", .indices, group: 2, .optional, steers: true),
      Parameter("steps", .indices, group: 2, .optional, steers: true),
    ],
    outputs: [Parameter("output", .all)]
  ) { context throws(ApusError) in
    let type = try context.elementType(0)
    guard let shape = context.shape(0) else { return context.setOutput(0, type, nil) }
    context.setOutput(0, type, try context.slicedShape(shape))
  }

  /// The input cut along `axis`: into parts of sizes `split`, or into `num_outputs` equal ones of which the last may be smaller.
  public static let split = OperatorSchema(
    name: "Split", versions: [18],
    inputs: [Parameter("input", .all), Parameter("split", TypeSet(.int64), group: 2, .optional, steers: true)],
    outputs: [Parameter("outputs", .all, .variadicOptional)],
    attributes: [AttributeSchema("num_outputs", .int), AttributeSchema("axis", default: .int(0))]
  ) { context throws(ApusError) in
    let type = try context.elementType(0)
    let count = context.outputs.count
    guard let shape = context.shape(0) else {
      for index in 0..<count { context.setOutput(index, type, nil) }
      return
    }
    try context.requireRank(0, atLeast: 1)
    let axis = try context.normalizedAxis(context.attributes.int("axis") ?? 0, rank: shape.rank)
    var sizes: [Int]?
    if let extent = shape[axis].value { sizes = try context.splitSizes(extent, outputs: count) }
    for index in 0..<count {
      var part = shape
      part[axis] = .unknown
      if let sizes {
        part[axis] = .known(sizes[index])
      } else if let stated = context.input(1)?.integers, index < stated.count {
        part[axis] = .known(Int(stated[index]))
      }
      context.setOutput(index, type, part)
    }
  }

  /// The input with `pads` elements added before and after each axis (cut off where negative): a constant, or elements of the
  /// input by `mode`.
  public static let pad = OperatorSchema(
    name: "Pad", versions: [21, 23, 24, 25],
    inputs: [
      Parameter("data", .all), Parameter("pads", TypeSet(.int64), group: 2, steers: true),
      Parameter("constant_value", .all, .optional), Parameter("axes", .indices, group: 3, .optional, steers: true),
    ],
    outputs: [Parameter("output", .all)], attributes: [AttributeSchema("mode", default: .string("constant"))]
  ) { context throws(ApusError) in
    let type = try context.elementType(0)
    guard let shape = context.shape(0) else { return context.setOutput(0, type, nil) }
    guard let amounts = try context.padAmounts(rank: shape.rank) else {
      return context.setOutput(0, type, Shape(Array(repeating: .unknown, count: shape.rank)))
    }
    var result = shape
    for axis in 0..<shape.rank {
      let amount = amounts[axis]
      guard amount.before != 0 || amount.after != 0 else { continue }
      result[axis] = .unknown
      guard let extent = shape[axis].value else { continue }
      let padded = try extent.checkedAdding(amount.before).checkedAdding(amount.after)
      guard padded >= 0, amount.before >= -extent, amount.after >= -extent else {
        throw context.error(
          "more is cut off than there is", input: 1, expected: "an extent of 0 or more", actual: "\(padded)")
      }
      result[axis] = .known(padded)
    }
    context.setOutput(0, type, result)
  }

  /// The middle of the input, or the input in the middle of zeros, with the extents `shape` along `axes`.
  public static let centerCropPad = OperatorSchema(
    name: "CenterCropPad", versions: [18],
    inputs: [Parameter("input_data", .all), Parameter("shape", .indices, group: 2, steers: true)],
    outputs: [Parameter("output_data", .all)], attributes: [AttributeSchema("axes", .ints)]
  ) { context throws(ApusError) in
    let type = try context.elementType(0)
    guard let shape = context.shape(0) else { return context.setOutput(0, type, nil) }
    context.setOutput(0, type, try context.croppedShape(shape))
  }
}
