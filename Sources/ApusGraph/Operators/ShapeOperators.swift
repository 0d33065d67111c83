/// The product of dimensions where it can be told: all known, or one symbol times ones.
private func product(_ dimensions: ArraySlice<Dimension>) throws(ApusError) -> Dimension {
  var known = 1
  var other: Dimension?
  for dimension in dimensions {
    if let value = dimension.value {
      known = try known.checkedMultiplied(by: value)
    } else if other != nil {
      other = .unknown
    } else {
      other = dimension
    }
  }
  guard let other else { return .known(known) }
  return known == 0 ? .known(0) : known == 1 ? other : .unknown
}

extension OperatorSchema {
  /// `[d0, ..., dn]` to the matrix `[d0 ... d(axis-1), d(axis) ... dn]`.
  public static let flatten = OperatorSchema(
    name: "Flatten", versions: [21, 23, 24, 25], inputs: [Parameter("input", .all)], outputs: [Parameter("output", .all)],
    attributes: [AttributeSchema("axis", default: .int(1))]
  ) { context throws(ApusError) in
    let type = try context.elementType(0)
    guard let shape = context.shape(0) else { return context.setOutput(0, type, nil) }
    let stated = context.attributes.int("axis") ?? 1
    // Unlike elsewhere, the rank itself is a valid axis.
    guard stated >= -shape.rank, stated <= shape.rank else {
      throw context.attributeError("axis", expected: "-\(shape.rank) <= axis <= \(shape.rank)", actual: "\(stated)")
    }
    let axis = stated < 0 ? stated + shape.rank : stated
    context.setOutput(
      0, type, Shape([try product(shape.dimensions[..<axis]), try product(shape.dimensions[axis...])]))
  }

  /// The same elements in another shape: 0 keeps the input's extent (unless `allowzero`), one -1 takes what is left.
  public static let reshape = OperatorSchema(
    name: "Reshape", versions: [21, 23, 24, 25],
    inputs: [Parameter("data", .all), Parameter("shape", TypeSet(.int64), group: 2, steers: true)],
    outputs: [Parameter("reshaped", .all)], attributes: [AttributeSchema("allowzero", default: .int(0))]
  ) { context throws(ApusError) in
    let type = try context.elementType(0)
    try context.requireRank(1, 1)
    guard let target = context.input(1)?.integers else {
      guard let shape = context.shape(1), let rank = shape[0].value, rank <= TypeInference.maximumRank else {
        return context.setOutput(0, type, nil)
      }
      return context.setOutput(0, type, Shape(Array(repeating: .unknown, count: rank)))
    }
    context.setOutput(0, type, try reshaped(context, target))
  }

  private static func reshaped(_ context: InferenceContext, _ target: [Int64]) throws(ApusError) -> Shape? {
    let allowsZero = context.attributes.flag("allowzero")
    let input = context.shape(0)
    var result: [Dimension] = []
    var open: Int?
    for (axis, extent) in target.enumerated() {
      if extent == -1 {
        guard open == nil else { throw context.error("-1 stands more than once", input: 1) }
        open = axis
        result.append(.unknown)
      } else if extent == 0, !allowsZero {
        guard let input else {
          result.append(.unknown)
          continue
        }
        guard axis < input.rank else {
          throw context.error(
            "0 keeps an axis that the input does not have", input: 1, expected: "rank above \(axis)",
            actual: input.text(symbols: []))
        }
        result.append(input[axis])
      } else {
        guard extent >= 0 else {
          throw context.error("negative extent", input: 1, expected: "-1, 0 or more", actual: "\(extent)")
        }
        result.append(.known(Int(extent)))
      }
    }
    guard let input else { return Shape(result) }
    if allowsZero, open != nil, target.contains(0) {
      throw context.error("allowzero with both 0 and -1 leaves the open extent undefined", input: 1)
    }
    // What remains after the factors that both sides share is the open extent.
    var (inputProduct, outputProduct) = (1, 1)
    var symbols: [Dimension] = []
    for dimension in input.dimensions {
      if let value = dimension.value {
        inputProduct = try inputProduct.checkedMultiplied(by: value)
      } else {
        symbols.append(dimension)
      }
    }
    var isExact = true
    for (axis, dimension) in result.enumerated() where axis != open {
      if let value = dimension.value {
        outputProduct = try outputProduct.checkedMultiplied(by: value)
      } else if let position = symbols.firstIndex(of: dimension), dimension != .unknown {
        symbols.remove(at: position)
      } else {
        isExact = false
      }
    }
    guard isExact else { return Shape(result) }
    if let open {
      if symbols.isEmpty {
        guard outputProduct > 0, inputProduct % outputProduct == 0 else {
          throw context.error(
            "the element count is not a multiple of the stated extents", input: 1,
            expected: "a divisor of \(inputProduct)", actual: "\(outputProduct)")
        }
        result[open] = .known(inputProduct / outputProduct)
      } else if symbols.count == 1, inputProduct == outputProduct {
        result[open] = symbols[0]
      }
    } else if symbols.isEmpty, inputProduct != outputProduct {
      throw context.error(
        "the new shape has another element count", input: 1, expected: "\(inputProduct)", actual: "\(outputProduct)")
    }
    return Shape(result)
  }

  /// `Y[i(perm[0]), ...] = X[i0, i1, ...]`; `perm` left out reverses the axes.
  public static let transpose = OperatorSchema(
    name: "Transpose", versions: [21, 23, 24, 25], inputs: [Parameter("data", .all)],
    outputs: [Parameter("transposed", .all)], attributes: [AttributeSchema("perm", .ints)]
  ) { context throws(ApusError) in
    let type = try context.elementType(0)
    guard let shape = context.shape(0) else { return context.setOutput(0, type, nil) }
    let order = try permutation(context, rank: shape.rank)
    context.setOutput(0, type, Shape(order.map { shape[$0] }))
  }

  /// The elements of all inputs, one after the other along `axis`; other extents are equal.
  public static let concat = OperatorSchema(
    name: "Concat", versions: [13], inputs: [Parameter("inputs", .all, .variadic)],
    outputs: [Parameter("concat_result", .all)], attributes: [AttributeSchema("axis", .int, required: true)]
  ) { context throws(ApusError) in
    let type = try context.elementType(0)
    var result: Shape?
    var isKnown = true
    for index in context.inputs.indices {
      guard let shape = context.shape(index) else {
        isKnown = false
        continue
      }
      let axis = try context.normalizedAxis(context.attributes.int("axis") ?? 0, rank: shape.rank)
      guard var sum = result else {
        result = shape
        continue
      }
      guard sum.rank == shape.rank else {
        throw context.error(
          "input \(index) has another rank", expected: sum.text(symbols: []), actual: shape.text(symbols: []))
      }
      for other in 0..<sum.rank where other != axis {
        sum[other] = try context.unified(sum[other], shape[other], "extents of input \(index) along axis \(other)")
      }
      if let a = sum[axis].value, let b = shape[axis].value {
        sum[axis] = .known(try a.checkedAdding(b))
      } else {
        sum[axis] = .unknown
      }
      result = sum
    }
    context.setOutput(0, type, isKnown ? result : nil)
  }

  /// Slices of `data` along `axis` at `indices`; negative indices count from the end.
  public static let gather = OperatorSchema(
    name: "Gather", versions: [13],
    inputs: [Parameter("data", .all), Parameter("indices", .indices, group: 2)], outputs: [Parameter("output", .all)],
    attributes: [AttributeSchema("axis", default: .int(0))]
  ) { context throws(ApusError) in
    let type = try context.elementType(0)
    try context.requireRank(0, atLeast: 1)
    guard let data = context.shape(0), let indices = context.shape(1) else { return context.setOutput(0, type, nil) }
    let axis = try context.normalizedAxis(context.attributes.int("axis") ?? 0, rank: data.rank)
    let result = data.dimensions[..<axis] + indices.dimensions + data.dimensions[(axis + 1)...]
    context.setOutput(0, type, Shape(Array(result)))
  }
}

/// The axis order of a Transpose: attribute `perm`, or the axes reversed.
public func permutation(_ context: InferenceContext, rank: Int) throws(ApusError) -> [Int] {
  guard let stated = context.attributes.ints("perm") else { return Array((0..<rank).reversed()) }
  var seen = Array(repeating: false, count: rank)
  var isValid = stated.count == rank
  for axis in stated where isValid {
    if axis < 0 || axis >= rank || seen[axis] { isValid = false } else { seen[axis] = true }
  }
  guard isValid else {
    throw context.attributeError(
      "perm", expected: "each axis of \(rank) once", actual: Shape(stated).text(symbols: []))
  }
  return stated
}
