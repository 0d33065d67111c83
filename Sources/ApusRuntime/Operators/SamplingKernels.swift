import ApusGraph
import CApusKernels

extension KernelBinding {
  private static let sampled = TypeSet(.float32, .float64)

  static let gridSample = KernelBinding("GridSample", native: sampled) { builder, node throws(ApusError) in
    let (extents, places) = (try builder.extents(node.input(0)), try builder.extents(node.input(1)))
    let type = try builder.elementType(node.input(0))
    let gridType = try builder.elementType(node.input(1))
    guard gridType == type else {
      throw ApusError(
        .unsupportedType, "image and grid differ in type", operatorName: node.node.node.label,
        tensorName: builder.name(node.input(1)), expected: type.name.text, actual: gridType.name.text)
    }
    guard extents.count <= 5 else {
      throw node.unsupported("more than three axes to sample", expected: "rank 3 to 5", actual: "rank \(extents.count)")
    }
    var base = apusk_grid_sample_args()
    (base.batch, base.channels) = (Int64(extents[0]), Int64(extents[1]))
    base.places = Int64(try checkedElementCount(Array(places[1..<(places.count - 1)])))
    base.axes = Int32(extents.count - 2)
    base.mode = try choice(
      node, "mode", [("nearest", APUSK_RESIZE_NEAREST), ("linear", APUSK_RESIZE_LINEAR), ("cubic", APUSK_RESIZE_CUBIC)])
    base.padding = try choice(
      node, "padding_mode",
      [("zeros", APUSK_PADDING_ZEROS), ("border", APUSK_PADDING_BORDER), ("reflection", APUSK_PADDING_REFLECTION)])
    base.align_corners = node.attributes.flag("align_corners") ? 1 : 0
    setArray(&base.spatial, extents[2...].map { Int64($0) })
    for extent in extents[2...] where extent == 0 {
      throw node.context.error("an empty image can not be sampled", input: 0, actual: Shape(extents).text(symbols: []))
    }
    var plan = apusk_plan()
    try builder.check(apusk_grid_sample_plan(type.rawValue, &base, &plan), type, of: node.input(0))
    let (image, grid) = (try builder.input(node.input(0)), try builder.input(node.input(1)))
    let target = try builder.output(node.output(0))
    try builder.emit(plan, [image, grid, target]) { pointers in
      var arguments = base
      arguments.input = UnsafeRawPointer(pointers[image])
      arguments.grid = UnsafeRawPointer(pointers[grid])
      arguments.output = pointers[target]
      return arguments
    }
  }

  /// The number of a named choice.
  static func choice(
    _ node: BoundNode, _ attribute: StaticString, _ choices: [(name: Name, number: Int32)]
  ) throws(ApusError) -> Int32 {
    let stated = node.attributes.string(attribute) ?? .empty
    for choice in choices where choice.name == stated { return choice.number }
    var expected = ""
    for choice in choices { expected += (expected.utf8.isEmpty ? "" : ", ") + choice.name.string }
    throw node.context.attributeError(attribute, expected: expected, actual: stated.string)
  }

  static let affineGrid = KernelBinding("AffineGrid", native: sampled) { builder, node throws(ApusError) in
    let extents = try builder.extents(node.output(0))
    let type = try builder.elementType(node.input(0))
    var base = apusk_affine_grid_args()
    base.batch = Int64(extents[0])
    base.axes = Int32(extents.count - 2)
    base.align_corners = node.attributes.flag("align_corners") ? 1 : 0
    setArray(&base.spatial, extents[1..<(extents.count - 1)].map { Int64($0) })
    var plan = apusk_plan()
    try builder.check(apusk_affine_grid_plan(type.rawValue, &base, &plan), type, of: node.input(0))
    let (theta, target) = (try builder.input(node.input(0)), try builder.output(node.output(0)))
    try builder.emit(plan, [theta, target]) { pointers in
      var arguments = base
      arguments.theta = UnsafeRawPointer(pointers[theta])
      arguments.grid = pointers[target]
      return arguments
    }
  }

  static let roiAlign = KernelBinding("RoiAlign", native: [sampled, TypeSet(.int64)]) { builder, node throws(ApusError) in
    let (extents, outputs) = (try builder.extents(node.input(0)), try builder.extents(node.output(0)))
    let type = try builder.elementType(node.input(0))
    guard extents[2] > 0, extents[3] > 0 else {
      throw node.context.error("an empty image can not be sampled", input: 0, actual: Shape(extents).text(symbols: []))
    }
    var base = apusk_roi_align_args()
    (base.batch, base.channels) = (Int64(extents[0]), Int64(extents[1]))
    (base.height, base.width) = (Int64(extents[2]), Int64(extents[3]))
    (base.regions, base.output_height, base.output_width) = (Int64(outputs[0]), Int64(outputs[2]), Int64(outputs[3]))
    let ratio = node.attributes.int("sampling_ratio") ?? 0
    guard ratio >= 0, ratio <= 1024 else {
      throw node.context.attributeError("sampling_ratio", expected: "0 to 1024", actual: "\(ratio)")
    }
    base.sampling_ratio = Int64(ratio)
    base.spatial_scale = Double(node.attributes.float("spatial_scale") ?? 1)
    base.half_pixel = try choice(node, "coordinate_transformation_mode", [("half_pixel", 1), ("output_half_pixel", 0)])
    base.takes_maximum = try choice(node, "mode", [("avg", 0), ("max", 1)])
    var plan = apusk_plan()
    try builder.check(apusk_roi_align_plan(type.rawValue, &base, &plan), type, of: node.input(0))
    let (image, rois) = (try builder.input(node.input(0)), try builder.input(node.input(1)))
    let (batches, target) = (try builder.input(node.input(2)), try builder.output(node.output(0)))
    try builder.emit(plan, [image, rois, batches, target]) { pointers in
      var arguments = base
      arguments.input = UnsafeRawPointer(pointers[image])
      arguments.rois = UnsafeRawPointer(pointers[rois])
      arguments.batch_indices = UnsafePointer(pointers.integers(batches))
      arguments.output = pointers[target]
      return arguments
    }
  }

  static let maxRoiPool = KernelBinding("MaxRoiPool", native: sampled) { builder, node throws(ApusError) in
    let (extents, outputs) = (try builder.extents(node.input(0)), try builder.extents(node.output(0)))
    let type = try builder.elementType(node.input(0))
    var base = apusk_max_roi_pool_args()
    (base.batch, base.channels) = (Int64(extents[0]), Int64(extents[1]))
    (base.height, base.width) = (Int64(extents[2]), Int64(extents[3]))
    (base.regions, base.output_height, base.output_width) = (Int64(outputs[0]), Int64(outputs[2]), Int64(outputs[3]))
    base.spatial_scale = Double(node.attributes.float("spatial_scale") ?? 1)
    var plan = apusk_plan()
    try builder.check(apusk_max_roi_pool_plan(type.rawValue, &base, &plan), type, of: node.input(0))
    let (image, rois) = (try builder.input(node.input(0)), try builder.input(node.input(1)))
    let target = try builder.output(node.output(0))
    try builder.emit(plan, [image, rois, target]) { pointers in
      var arguments = base
      arguments.input = UnsafeRawPointer(pointers[image])
      arguments.rois = UnsafeRawPointer(pointers[rois])
      arguments.output = pointers[target]
      return arguments
    }
  }
}
