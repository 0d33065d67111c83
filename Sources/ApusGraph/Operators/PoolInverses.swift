extension OperatorSchema {
  /// Elements back to where MaxPool found them, zeros elsewhere.
  ///
  /// X and I `[N, C, D1, ...]`; I are positions in a tensor of extents `stride (D - 1) + kernel - pads`, which lies at the
  /// beginning of each axis of the output, of extents `output_shape` where that is given.
  public static let maxUnpool = OperatorSchema(
    name: "MaxUnpool", versions: [22],
    inputs: [
      Parameter("X", .floats), Parameter("I", .init(.int64), group: 2),
      Parameter("output_shape", .init(.int64), group: 2, .optional),
    ],
    outputs: [Parameter("output", .floats)],
    attributes: [
      AttributeSchema("kernel_shape", .ints, required: true), AttributeSchema("pads", .ints), AttributeSchema("strides", .ints),
    ]
  ) { context throws(ApusError) in
    let type = try context.elementType(0)
    guard let x = context.shape(0), let inferred = try context.unpooledShape() else { return context.setOutput(0, type, nil) }
    if let places = context.shape(1) {
      try context.requireRank(1, x.rank)
      for axis in 0..<x.rank { _ = try context.unified(x[axis], places[axis], "elements and their places") }
    }
    guard context.input(2) != nil else { return context.setOutput(0, type, inferred) }
    guard let stated = context.input(2)?.integers else {
      return context.setOutput(0, type, Shape(Array(repeating: .unknown, count: x.rank)))
    }
    guard stated.count == x.rank else {
      throw context.error("wrong length", input: 2, expected: "\(x.rank) numbers", actual: "\(stated.count)")
    }
    let output = Shape(stated.map { Int($0) })
    for axis in 0..<x.rank {
      guard let least = inferred[axis].value, stated[axis] < least else { continue }
      throw context.error(
        "the output is smaller than what was pooled", input: 2, expected: "at least \(inferred.text(symbols: []))",
        actual: output.text(symbols: []))
    }
    context.setOutput(0, type, output)
  }

  /// Sums the columns of windows into images: `[N, C k1 k2 ..., L]` to `[N, C, D1, D2, ...]`.
  ///
  /// `image_shape` is `[D1, ...]`, `block_shape` the window's extents `[k1, ...]`; L the window's positions, row-major.
  public static let col2Im = OperatorSchema(
    name: "Col2Im", versions: [18],
    inputs: [
      Parameter("input", .all), Parameter("image_shape", .init(.int64), group: 2),
      Parameter("block_shape", .init(.int64), group: 2),
    ],
    outputs: [Parameter("output", .all)],
    attributes: [AttributeSchema("dilations", .ints), AttributeSchema("pads", .ints), AttributeSchema("strides", .ints)]
  ) { context throws(ApusError) in
    let type = try context.elementType(0)
    try context.requireRank(0, 3)
    guard let x = context.shape(0) else { return context.setOutput(0, type, nil) }
    guard let image = context.input(1)?.integers, let block = context.input(2)?.integers else {
      return context.setOutput(0, type, nil)
    }
    guard image.count == block.count, !image.isEmpty else {
      throw context.error("image and block differ in axes", input: 2, expected: "\(image.count)", actual: "\(block.count)")
    }
    for extent in image where extent < 0 || extent > Int(Int32.max) {
      throw context.error("an extent is out of range", input: 1, expected: "0 to \(Int32.max)", actual: "\(extent)")
    }
    let window = try Window(context, kernel: block.map { Int($0) })
    var positions = 1
    for axis in image.indices {
      positions = try positions.checkedMultiplied(by: try window.resolve(axis, extent: Int(image[axis]), context).output)
    }
    _ = try context.unified(x[2], .known(positions), "columns and positions of the block")
    var channels = Dimension.unknown
    if let rows = x[1].value {
      let elements = try checkedElementCount(window.kernel)
      guard rows % elements == 0 else {
        throw context.error(
          "rows are not a multiple of the block's elements", input: 0, expected: "a multiple of \(elements)", actual: "\(rows)")
      }
      channels = .known(rows / elements)
    }
    context.setOutput(0, type, Shape([x[0], channels] + image.map { .known(Int($0)) }))
  }
}

extension InferenceContext {
  /// The extents of what MaxPool pooled, as MaxUnpool's attributes tell; nil while the input's shape is not known.
  public func unpooledShape() throws(ApusError) -> Shape? {
    guard let kernel = attributes.ints("kernel_shape"), !kernel.isEmpty else {
      throw attributeError("kernel_shape", expected: "one number a spatial axis", actual: "none")
    }
    let window = try Window(self, kernel: kernel)
    guard let x = shape(0) else { return nil }
    try requireRank(0, kernel.count + 2)
    var dimensions = [x[0], x[1]]
    for axis in kernel.indices {
      guard let extent = x[axis + 2].value else {
        dimensions.append(.unknown)
        continue
      }
      let full = try (extent - 1).checkedMultiplied(by: window.strides[axis]).checkedAdding(kernel[axis])
      let output = full - window.padsBegin[axis] - window.padsEnd[axis]
      guard output >= 0 else {
        throw error(
          "the padding is larger than the output along spatial axis \(axis)", input: 0, expected: "at most \(full)",
          actual: "\(window.padsBegin[axis]) + \(window.padsEnd[axis])")
      }
      dimensions.append(.known(extent == 0 ? 0 : output))
    }
    return Shape(dimensions)
  }
}
