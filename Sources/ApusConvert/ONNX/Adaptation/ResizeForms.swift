import ApusGraph

// Upsample, and Resize before its coordinates were attributes.

extension Adapter {
  /// Upsample is Resize by constant or given scales, on coordinates that start at the first elements.
  static func replaceUpsample(_ node: Adaptation) throws(ApusError) {
    try node.requireInputs(1)
    if node.operatorSet < 7 {
      guard let height = try node.takeFloat("height_scale") else { throw node.missing("height_scale") }
      guard let width = try node.takeFloat("width_scale") else { throw node.missing("width_scale") }
      node.setInput(1, try node.constant(floats: [1, 1, height, width]))
    } else if node.operatorSet < 9 {
      guard let scales = try node.takeFloats("scales") else { throw node.missing("scales") }
      node.setInput(1, try node.constant(floats: scales))
    }
    if case .string("bilinear") = node.attribute("mode") { node.set("mode", .string("linear")) }
    try stateFirstResizeCoordinates(node)
    node.node.operatorName = "Resize"
  }

  /// Resize before 11 scales coordinates from the first elements on. What it takes the nearest element of a shrunken axis to
  /// be is not said; ONNX Runtime rounds up, which this follows where the scales are constants.
  static func stateFirstResizeCoordinates(_ node: Adaptation) throws(ApusError) {
    try node.requireInputs(2)
    let scales = node.input(1)
    node.set("coordinate_transformation_mode", .string("asymmetric"))
    let factors = node.floats(scales) ?? []
    let shrinks = factors.contains { $0 < 1 } && factors.allSatisfy { $0 <= 1 }
    node.set("nearest_mode", .string(shrinks ? "ceil" : "floor"))
    node.node.inputs = [node.input(0), .absent, scales]
  }

  /// `tf_half_pixel_for_nn` of Resize-11 is (i + 0.5) / scale: rounded down, it is half_pixel rounded to the nearest.
  static func replaceNearestHalfPixel(_ node: Adaptation) throws(ApusError) {
    guard case .string("tf_half_pixel_for_nn") = node.attribute("coordinate_transformation_mode") else { return }
    guard case .string("floor") = node.attribute("nearest_mode") else {
      throw node.unsupported(
        "tf_half_pixel_for_nn has no counterpart in newer operator sets but for nearest_mode floor")
    }
    node.set("coordinate_transformation_mode", .string("half_pixel"))
    node.set("nearest_mode", .string("round_prefer_ceil"))
  }

  /// Exporters leave roi, scales or sizes out by tensors without elements.
  static func dropEmptyResizeInputs(_ node: Adaptation) throws(ApusError) {
    for index in 1..<max(node.node.inputs.count, 1) where node.shape(node.input(index))?.known == [0] {
      node.setInput(index, .absent)
    }
  }
}
