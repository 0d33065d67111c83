// Operators of ai.onnx.ml that make features. Those that only rename strings are lowered by the importer to LabelEncoder.

/// How many rows and features a matrix, or a vector as one row, has.
public func featureExtents(
  _ context: InferenceContext, _ index: Int
) throws(ApusError) -> (rows: Dimension, features: Dimension)? {
  guard let shape = context.shape(index) else { return nil }
  guard shape.rank == 1 || shape.rank == 2 else {
    throw context.error("wrong rank", input: index, expected: "rank 1 or 2", actual: shape.text(symbols: []))
  }
  return shape.rank == 1 ? (.known(1), shape[0]) : (shape[0], shape[1])
}

extension TypeSet {
  /// The numbers that operators of ai.onnx.ml take.
  public static let learned = TypeSet(.float32, .float64, .int32, .int64)
}

extension OperatorSchema {
  /// `Z[..., i] = X[..., Y[i]]`; a vector X counts as one row.
  public static let arrayFeatureExtractor = OperatorSchema(
    domain: .machineLearning, name: "ArrayFeatureExtractor", versions: [1],
    inputs: [Parameter("X", .learned), Parameter("Y", TypeSet(.int64), group: 2)],
    outputs: [Parameter("Z", .learned)]
  ) { context throws(ApusError) in
    let type = try context.elementType(0)
    try context.requireRank(0, atLeast: 1)
    guard let shape = context.shape(0), let indices = context.shape(1) else { return context.setOutput(0, type, nil) }
    let count = indices.known.flatMap { elementCount($0) }
    let rows = shape.rank == 1 ? [Dimension.known(1)] : Array(shape.dimensions.dropLast())
    context.setOutput(0, type, Shape(rows + [count.map { .known($0) } ?? .unknown]))
  }

  private static func featureMap(
    _ name: StaticString, result: TypeSet, group: Int, _ attributes: [AttributeSchema],
    _ check: @escaping @Sendable (InferenceContext) throws(ApusError) -> Void = { _ in }
  ) -> OperatorSchema {
    OperatorSchema(
      domain: .machineLearning, name: name, versions: [1], inputs: [Parameter("X", .learned)],
      outputs: [Parameter("Y", result, group: group)], attributes: attributes
    ) { context throws(ApusError) in
      try check(context)
      context.setOutput(0, group == 1 ? try context.elementType(0) : .float32, context.shape(0))
    }
  }

  /// 1 where `X > threshold`, else 0.
  public static let binarizer = featureMap(
    "Binarizer", result: .learned, group: 1, [AttributeSchema("threshold", default: .float(0))])

  /// `X` with `replaced_value` (or NaN) replaced by the imputed value of its column.
  public static let imputer = featureMap(
    "Imputer", result: .learned, group: 1,
    [
      AttributeSchema("imputed_value_floats", .floats), AttributeSchema("imputed_value_int64s", .ints),
      AttributeSchema("replaced_value_float", default: .float(0)), AttributeSchema("replaced_value_int64", default: .int(0)),
    ]
  ) { context throws(ApusError) in
    let floats = context.attributes.floats("imputed_value_floats")?.count ?? 0
    try requireOnePerFeature(
      context, "imputed_value_floats", floats > 0 ? floats : context.attributes.ints("imputed_value_int64s")?.count ?? 0)
  }

  /// `(X - offset) * scale`, one number of each for all columns or one a column.
  public static let scaler = featureMap(
    "Scaler", result: TypeSet(.float32), group: 0, [AttributeSchema("offset", .floats), AttributeSchema("scale", .floats)]
  ) { context throws(ApusError) in
    for name: StaticString in ["offset", "scale"] {
      try requireOnePerFeature(context, name, context.attributes.floats(name)?.count ?? 0)
    }
  }

  /// Rows divided by their largest absolute value (MAX), the sum of those (L1), or the root of the sum of squares (L2).
  public static let normalizer = featureMap(
    "Normalizer", result: TypeSet(.float32), group: 0, [AttributeSchema("norm", default: .string("MAX"))]
  ) { context throws(ApusError) in
    _ = try featureExtents(context, 0)
    let norm = context.attributes.string("norm") ?? "MAX"
    guard norm == "MAX" || norm == "L1" || norm == "L2" else {
      throw context.attributeError("norm", expected: "MAX, L1 or L2", actual: norm.string)
    }
  }

  private static func requireOnePerFeature(_ context: InferenceContext, _ name: StaticString, _ count: Int) throws(ApusError) {
    let features = context.shape(0)?.dimensions.last?.value
    guard count == 1 || count == features ?? count, count > 0 else {
      throw context.attributeError(name, expected: "1 or \(features ?? 1) numbers", actual: "\(count)")
    }
  }

  /// A column for each category: 1 where X is it, else 0. An element that is none is an error, unless `zeros`.
  public static let oneHotEncoder = OperatorSchema(
    domain: .machineLearning, name: "OneHotEncoder", versions: [1], inputs: [Parameter("X", .learned)],
    outputs: [Parameter("Y", TypeSet(.float32), group: 0)],
    attributes: [AttributeSchema("cats_int64s", .ints, required: true), AttributeSchema("zeros", default: .int(1))]
  ) { context throws(ApusError) in
    let count = context.attributes.ints("cats_int64s")?.count ?? 0
    context.setOutput(0, .float32, context.shape(0).map { Shape($0.dimensions + [.known(count)]) })
  }

  /// The columns of all inputs side by side as floats; `inputdimensions` is how many each has.
  public static let featureVectorizer = OperatorSchema(
    domain: .machineLearning, name: "FeatureVectorizer", versions: [1],
    inputs: [Parameter("X", .learned, group: 0, .variadic)], outputs: [Parameter("Y", TypeSet(.float32), group: 0)],
    attributes: [AttributeSchema("inputdimensions", .ints)]
  ) { context throws(ApusError) in
    var rows = Dimension.unknown
    var columns = 0
    var isKnown = true
    for index in context.inputs.indices {
      guard let extents = try featureExtents(context, index) else {
        isKnown = false
        continue
      }
      // A vector is a column here.
      let isColumn = context.shape(index)?.rank == 1
      let (own, width) = isColumn ? (extents.features, Dimension.known(1)) : (extents.rows, extents.features)
      rows = try context.unified(rows, own, "rows of the inputs")
      guard let width = width.value else {
        isKnown = false
        continue
      }
      if let stated = context.attributes.ints("inputdimensions") {
        guard index < stated.count, stated[index] == width else {
          throw context.attributeError(
            "inputdimensions", expected: "\(width) for input \(index)", actual: Shape(stated).text(symbols: []))
        }
      }
      columns = try columns.checkedAdding(width)
    }
    context.setOutput(0, .float32, Shape([rows, isKnown ? .known(columns) : .unknown]))
  }

  /// Each element mapped by the parallel lists `keys_*` and `values_*`; others become `default_*`. Of equal keys the last
  /// counts, and a key NaN matches NaN.
  public static let labelEncoder = OperatorSchema(
    domain: .machineLearning, name: "LabelEncoder", versions: [2, 4],
    inputs: [Parameter("X", TypeSet(.string, .int64, .float32))],
    outputs: [Parameter("Y", TypeSet(.string, .int64, .float32), group: 2)],
    attributes: [
      AttributeSchema("keys_strings", .strings), AttributeSchema("keys_int64s", .ints), AttributeSchema("keys_floats", .floats),
      AttributeSchema("values_strings", .strings), AttributeSchema("values_int64s", .ints),
      AttributeSchema("values_floats", .floats), AttributeSchema("default_string", default: .string("_Unused")),
      AttributeSchema("default_int64", default: .int(-1)), AttributeSchema("default_float", default: .float(-0.0)),
    ]
  ) { context throws(ApusError) in
    let keys = [
      context.attributes.strings("keys_strings")?.count, context.attributes.ints("keys_int64s")?.count,
      context.attributes.floats("keys_floats")?.count,
    ]
    let values = [
      context.attributes.strings("values_strings")?.count, context.attributes.ints("values_int64s")?.count,
      context.attributes.floats("values_floats")?.count,
    ]
    let types: [ElementType] = [.string, .int64, .float32]
    guard let key = keys.firstIndex(where: { $0 != nil }), let value = values.firstIndex(where: { $0 != nil }),
      keys[key] == values[value]
    else { throw context.error("one list of keys and one of as many values", expected: "keys_* and values_* of one length") }
    guard try context.elementType(0) == types[key] else {
      throw context.error(
        "the keys are of another type than X", input: 0, expected: types[key].name.text,
        actual: try context.elementType(0).name.text)
    }
    context.setOutput(0, types[value], context.shape(0))
  }
}
