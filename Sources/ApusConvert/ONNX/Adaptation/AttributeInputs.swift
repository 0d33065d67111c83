import ApusGraph

// Attributes that newer operator sets take as inputs.

extension Adapter {
  static func moveIntegers(
    _ name: Name, of node: Adaptation, to position: Int, isRequired: Bool = true
  ) throws(ApusError) {
    guard let values = try node.takeInts(name) else {
      if isRequired { throw node.missing(name) }
      return
    }
    node.setInput(position, try node.constant(values))
  }

  /// Slice before 10: bounds and axes are attributes.
  static func moveSliceBounds(_ node: Adaptation) throws(ApusError) {
    try moveIntegers("starts", of: node, to: 1)
    try moveIntegers("ends", of: node, to: 2)
    try moveIntegers("axes", of: node, to: 3, isRequired: false)
  }

  /// TopK before 10: k is an attribute.
  static func moveTopKCount(_ node: Adaptation) throws(ApusError) {
    guard let count = try node.takeInt("k") else { throw node.missing("k") }
    node.setInput(1, try node.constant([count]))
  }

  /// Clip before 11: bounds are attributes; one that is left out bounds nothing.
  static func moveClipBounds(_ node: Adaptation) throws(ApusError) {
    try node.requireInputs(1)
    for (position, name) in [(1, "min"), (2, "max")] as [(Int, Name)] {
      if let bound = try node.takeFloat(name) {
        node.setInput(position, try node.scalar(bound, like: node.input(0)))
      }
    }
  }

  /// Pad before 2 calls its pads otherwise.
  static func renamePaddings(_ node: Adaptation) throws(ApusError) {
    guard let pads = node.take("paddings") else { throw node.missing("paddings") }
    node.set("pads", pads)
  }

  /// Pad before 11: pads and value are attributes.
  static func movePads(_ node: Adaptation) throws(ApusError) {
    try node.requireInputs(1)
    let value = try node.takeFloat("value") ?? 0
    try moveIntegers("pads", of: node, to: 1)
    if value != 0 { node.setInput(2, try node.scalar(value, like: node.input(0))) }
  }

  /// Dropout before 12: the ratio is an attribute and only tests drop nothing; before 7 an attribute tells them apart. A mask
  /// before 10 has the data's type.
  static func moveDropoutRatio(_ node: Adaptation) throws(ApusError) {
    try node.requireInputs(1)
    let ratio = try node.takeFloat("ratio") ?? 0.5
    let isTest = try node.takeInt("is_test") ?? 0
    if node.operatorSet < 7, isTest == 0 {
      node.setInput(1, try node.scalar(ratio))
      node.setInput(2, try node.scalar(true))
    }
    if node.operatorSet < 10, node.output(1) >= 0 {
      let data = node.input(0)
      node.follow(output: 1, "CastLike") { mask in [mask, data] }
    }
  }

  /// Tile before 6 repeats along one axis.
  static func tileAllAxes(_ node: Adaptation) throws(ApusError) {
    try node.requireInputs(3)
    let rank = try node.rank(node.input(0))
    guard let axis = node.axis(input: 2), axis >= 0, axis < rank else {
      throw node.unsupported("the axis has to be a constant below the rank")
    }
    let tiles = try node.emit("Reshape", [try node.emit("Cast", [node.input(1)], [.to(.int64)]), try node.constant([1])])
    var repeats: [ValueID] = []
    if axis > 0 { repeats.append(try node.constant(Array(repeating: Int64(1), count: axis))) }
    repeats.append(tiles)
    if axis < rank - 1 { repeats.append(try node.constant(Array(repeating: Int64(1), count: rank - 1 - axis))) }
    node.node.inputs = [node.input(0), try node.emit("Concat", repeats, [Attribute("axis", .int(0))])]
  }
}

extension Adaptation {
  /// A constant input of one number, of an integer or a float type.
  func axis(input index: Int) -> Int? {
    if let values = integers(input(index)), values.count == 1 { return Int(exactly: values[0]) }
    if let values = floats(input(index)), values.count == 1 { return Int(exactly: values[0]) }
    return nil
  }
}

extension Attribute {
  /// Cast's target.
  static func to(_ type: ElementType) -> Attribute { Attribute("to", .int(Int64(type.rawValue))) }
}
