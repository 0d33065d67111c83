// Operators that sample images at computed places, and those that choose and cut out regions.

extension OperatorSchema {
  /// `X [N, C, spatial...]` at the places `grid [N, out..., axes]`, innermost axis first, in -1 ... 1.
  public static let gridSample = OperatorSchema(
    name: "GridSample", versions: [22], inputs: [Parameter("X", .all), Parameter("grid", .floats, group: 2)],
    outputs: [Parameter("Y", .all)],
    attributes: [
      AttributeSchema("align_corners", default: .int(0)), AttributeSchema("padding_mode", default: .string("zeros")),
      AttributeSchema("mode", default: .string("linear")),
    ]
  ) { context throws(ApusError) in
    let type = try context.elementType(0)
    try context.requireRank(0, atLeast: 3)
    guard let shape = context.shape(0), let grid = context.shape(1) else { return context.setOutput(0, type, nil) }
    try context.requireRank(1, shape.rank)
    _ = try context.unified(grid[grid.rank - 1], .known(shape.rank - 2), "the grid's last extent and the spatial axes")
    let batch = try context.unified(shape[0], grid[0], "the batches of X and grid")
    context.setOutput(0, type, Shape([batch, shape[1]] + Array(grid.dimensions[1..<(grid.rank - 1)])))
  }

  /// The places of an image `size [N, C, spatial...]` under the maps `theta [N, axes, axes + 1]`: `[N, spatial..., axes]`.
  public static let affineGrid = OperatorSchema(
    name: "AffineGrid", versions: [20],
    inputs: [Parameter("theta", .floats), Parameter("size", TypeSet(.int64), group: 2, steers: true)],
    outputs: [Parameter("grid", .floats)], attributes: [AttributeSchema("align_corners", default: .int(0))]
  ) { context throws(ApusError) in
    let type = try context.elementType(0)
    try context.requireRank(0, 3)
    guard let size = try context.statedShape(1) else { return context.setOutput(0, type, nil) }
    guard size.rank == 4 || size.rank == 5 else {
      throw context.error("wrong size", input: 1, expected: "4 or 5 extents", actual: "\(size.rank)")
    }
    let axes = size.rank - 2
    if let theta = context.shape(0) {
      let expected = Shape([size[0], .known(axes), .known(axes + 1)])
      for axis in 0..<3 { _ = try context.unified(theta[axis], expected[axis], "extents of theta along axis \(axis)") }
    }
    context.setOutput(0, type, Shape([size[0]] + Array(size.dimensions[2...]) + [.known(axes)]))
  }

  /// Averages or maxima of samples in the bins of `rois [regions, 4]`: `[regions, C, output_height, output_width]`.
  public static let roiAlign = OperatorSchema(
    name: "RoiAlign", versions: [22],
    inputs: [
      Parameter("X", .floats), Parameter("rois", .floats), Parameter("batch_indices", TypeSet(.int64), group: 2),
    ],
    outputs: [Parameter("Y", .floats)],
    attributes: [
      AttributeSchema("coordinate_transformation_mode", default: .string("half_pixel")),
      AttributeSchema("mode", default: .string("avg")), AttributeSchema("output_height", default: .int(1)),
      AttributeSchema("output_width", default: .int(1)), AttributeSchema("sampling_ratio", default: .int(0)),
      AttributeSchema("spatial_scale", default: .float(1)),
    ]
  ) { context throws(ApusError) in
    try context.requireRank(0, 4)
    try context.requireRank(1, 2)
    try context.requireRank(2, 1)
    let height = try context.positive("output_height"), width = try context.positive("output_width")
    var regions = Dimension.unknown
    if let rois = context.shape(1) {
      _ = try context.unified(rois[1], .known(4), "the numbers of a region")
      regions = rois[0]
    }
    if let indices = context.shape(2) { regions = try context.unified(regions, indices[0], "regions and batch_indices") }
    context.setOutput(
      0, try context.elementType(0), Shape([regions, context.shape(0)?[1] ?? .unknown, .known(height), .known(width)]))
  }

  /// Maxima of whole elements in the bins of `rois [regions, 5]`: `[regions, C, pooled_shape...]`.
  public static let maxRoiPool = OperatorSchema(
    name: "MaxRoiPool", versions: [22], inputs: [Parameter("X", .floats), Parameter("rois", .floats)],
    outputs: [Parameter("Y", .floats)],
    attributes: [
      AttributeSchema("pooled_shape", .ints, required: true), AttributeSchema("spatial_scale", default: .float(1)),
    ]
  ) { context throws(ApusError) in
    try context.requireRank(0, 4)
    try context.requireRank(1, 2)
    let pooled = context.attributes.ints("pooled_shape") ?? []
    guard pooled.count == 2, pooled[0] > 0, pooled[1] > 0 else {
      throw context.attributeError(
        "pooled_shape", expected: "two positive extents", actual: Shape(pooled).text(symbols: []))
    }
    if let rois = context.shape(1) { _ = try context.unified(rois[1], .known(5), "the numbers of a region") }
    context.setOutput(
      0, try context.elementType(0),
      Shape([context.shape(1)?[0] ?? .unknown, context.shape(0)?[1] ?? .unknown, .known(pooled[0]), .known(pooled[1])]))
  }

  /// The boxes of each class that overlap no better one: `[selected, 3]` of (batch, class, box).
  public static let nonMaxSuppression = OperatorSchema(
    name: "NonMaxSuppression", versions: [11],
    inputs: [
      Parameter("boxes", TypeSet(.float32)), Parameter("scores", TypeSet(.float32)),
      Parameter("max_output_boxes_per_class", TypeSet(.int64), group: 2, .optional),
      Parameter("iou_threshold", TypeSet(.float32), .optional), Parameter("score_threshold", TypeSet(.float32), .optional),
    ],
    outputs: [Parameter("selected_indices", TypeSet(.int64), group: 2)],
    attributes: [AttributeSchema("center_point_box", default: .int(0))]
  ) { context throws(ApusError) in
    try context.requireRank(0, 3)
    try context.requireRank(1, 3)
    if let boxes = context.shape(0) {
      _ = try context.unified(boxes[2], .known(4), "the numbers of a box")
      if let scores = context.shape(1) {
        _ = try context.unified(boxes[0], scores[0], "the batches of boxes and scores")
        _ = try context.unified(boxes[1], scores[2], "the numbers of boxes and scores")
      }
    }
    context.setOutput(0, .int64, Shape([.unknown, .known(3)]))
  }
}

extension InferenceContext {
  fileprivate func positive(_ attribute: StaticString) throws(ApusError) -> Int {
    guard let value = attributes.int(attribute), value > 0 else {
      throw attributeError(attribute, expected: "1 or more", actual: "\(attributes.int(attribute) ?? 0)")
    }
    return value
  }
}
