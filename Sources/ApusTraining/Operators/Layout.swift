import ApusGraph

/// Operators that move elements or rename axes, and compute nothing.
extension Operator {
  /// Flatten: axes before `axis` (attribute, 1) become the first, the others the second of two.
  static let flatten = Operator("Flatten", 21) { (call) throws(ApusError) in
    let input = try call.tensor(0)
    let axis = call.int("axis", default: 1)
    guard (0...input.rank).contains(axis) else {
      throw ApusError(.invalidAttribute, "there is no such axis", expected: "0 ... \(input.rank)", actual: "\(axis)")
    }
    let shape = [input.shape[..<axis].reduce(1, *), input.shape[axis...].reduce(1, *)]
    return [Output(shape: shape, storage: input.storage)]
  } backward: { call in
    [call.outputGradients[0]]
  }

  /// Reshape to the extents of input 1, of which 0 keeps the input's and one -1 is what is left.
  static let reshape = Operator("Reshape", 21) { (call) throws(ApusError) in
    let input = try call.tensor(0)
    var shape = (call.integers(1) ?? []).map { Int($0) }
    for axis in shape.indices where shape[axis] == 0 {
      guard axis < input.rank else {
        throw ApusError(.shapeMismatch, "axis \(axis) is to be kept, but is not there", actual: "\(input.shape)")
      }
      shape[axis] = input.shape[axis]
    }
    if let free = shape.firstIndex(of: -1) {
      let rest = shape.indices.filter { $0 != free }.map { shape[$0] }
      if let known = elementCount(rest), known > 0, input.count % known == 0 { shape[free] = input.count / known }
    }
    guard elementCount(shape) == input.count else {
      throw ApusError(
        .shapeMismatch, "the elements do not fill the shape", expected: "\(input.count) elements", actual: "\(shape)")
    }
    return [Output(shape: shape, storage: input.storage)]
  } backward: { call in
    [call.outputGradients[0]]
  }

  /// Transpose: output axis i is input axis perm[i] (attribute; by default the reverse order).
  static let transpose = Operator("Transpose", 21) { (call) throws(ApusError) in
    let input = try call.tensor(0)
    let order = call.ints("perm", default: Array((0..<input.rank).reversed()))
    guard order.sorted() == Array(0..<input.rank) else {
      throw ApusError(.invalidAttribute, "perm is no order of the axes", actual: "\(order) for \(input.shape)")
    }
    let output = call.allocate(input.count)
    permute(input.storage.pointer, input.shape, order, into: output.pointer)
    return [Output(shape: order.map { input.shape[$0] }, storage: output)]
  } backward: { call in
    guard call.wantsGradient(0), let gradient = call.outputGradients[0] else { return [nil] }
    let shape = call.outputShapes[0]
    let order = call.ints("perm", default: Array((0..<shape.count).reversed()))
    var inverse = [Int](repeating: 0, count: order.count)
    for (to, from) in order.enumerated() { inverse[from] = to }
    let result = call.allocate(gradient.count)
    permute(gradient.pointer, shape, inverse, into: result.pointer)
    return [result]
  }

  private static func permute(
    _ source: UnsafePointer<Float>, _ shape: [Int], _ order: [Int], into target: UnsafeMutablePointer<Float>
  ) {
    var strides = [Int](repeating: 1, count: shape.count)
    for axis in shape.indices.dropLast().reversed() { strides[axis] = strides[axis + 1] * shape[axis + 1] }
    let extents = order.map { shape[$0] }
    let steps = order.map { strides[$0] }
    guard !extents.contains(0) else { return }
    var position = [Int](repeating: 0, count: extents.count)
    var from = 0
    for to in 0..<extents.reduce(1, *) {
      target[to] = source[from]
      var axis = extents.count - 1
      while axis >= 0 {
        position[axis] += 1
        from += steps[axis]
        if position[axis] < extents[axis] { break }
        from -= steps[axis] * extents[axis]
        position[axis] = 0
        axis -= 1
      }
    }
  }
}

extension Tensor {
  /// Axes from `axis` on become one: [N, C, H, W] to [N, C * H * W].
  public func flattened(from axis: Int = 1) throws(ApusError) -> Tensor {
    try Operator.flatten.single([.tensor(self)], [Attribute("axis", .int(Int64(axis)))])
  }

  /// The same elements in another shape: 0 keeps the extent of that axis, one -1 stands for what is left.
  public func reshaped(_ shape: [Int]) throws(ApusError) -> Tensor {
    try Operator.reshape.single([.tensor(self), .integers(shape.map { Int64($0) })])
  }

  /// Axis i of the result is axis `order[i]` of this tensor.
  public func transposed(_ order: [Int]) throws(ApusError) -> Tensor {
    try Operator.transpose.single([.tensor(self)], [Attribute("perm", .ints(order.map { Int64($0) }))])
  }
}
