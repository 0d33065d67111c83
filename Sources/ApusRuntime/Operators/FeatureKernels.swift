import ApusGraph
import CApusKernels

extension apusk_features_args: MapArguments {}

extension PlanBuilder {
  /// The rows and features of a value whose last axis are the features; a scalar is one of both.
  func features(_ id: ValueID) throws(ApusError) -> (rows: Int, features: Int) {
    let extents = try extents(id)
    return (try checkedElementCount(Array(extents.dropLast())), extents.last ?? 1)
  }

  /// `vectors` are numbers of all features, or one for all: `a` and `b` of the kernels.
  fileprivate func emitFeatures(
    _ node: BoundNode, _ base: apusk_features_args, _ type: ElementType, vectors: [BufferID] = []
  ) throws(ApusError) {
    var base = base
    let size = try features(node.input(0))
    base.rows = Int64(size.rows)
    base.features = Int64(size.features)
    base.element_type = type.rawValue
    var plan = apusk_plan()
    try check(apusk_features_plan(&base, &plan), type, of: node.input(0))
    let source = try input(node.input(0), as: type)
    let value = try result(node.output(0), as: type)
    let target = try output(value)
    let made = base
    var touched: [BufferID?] = [source, target]
    for vector in vectors { touched.append(vector) }
    try emit(plan, touched) { pointers in
      var arguments = made
      arguments.input = UnsafeRawPointer(pointers[source])
      arguments.output = pointers[target]
      if vectors.count > 0 { arguments.a = UnsafeRawPointer(pointers[vectors[0]]) }
      if vectors.count > 1 { arguments.b = UnsafeRawPointer(pointers[vectors[1]]) }
      return arguments
    }
    try finish(node.output(0), from: value)
  }

  /// Floats of an attribute as a table of float32 or float64.
  fileprivate func table(_ floats: [Float], as type: ElementType) -> BufferID {
    type == .float64 ? table(floats.map { Double($0) }) : table(floats)
  }
}

extension KernelBinding {
  private static let wide = TypeSet(.float32, .float64, .int64)

  /// The floating type in which results of float32 are made.
  private static func floatType(_ builder: PlanBuilder, _ id: ValueID) throws(ApusError) -> ElementType {
    try builder.elementType(id) == .float32 ? .float32 : .float64
  }

  static let binarizer = KernelBinding("Binarizer", domain: .machineLearning, native: wide) { builder, node throws(ApusError) in
    var arguments = apusk_features_args()
    arguments.function = APUSK_FEATURES_BINARIZE
    arguments.threshold = Double(node.attributes.float("threshold") ?? 0)
    try builder.emitFeatures(node, arguments, try builder.elementType(node.input(0)))
  }

  static let imputer = KernelBinding("Imputer", domain: .machineLearning, native: wide) { builder, node throws(ApusError) in
    let type = try builder.elementType(node.input(0))
    let floats = node.attributes.floats("imputed_value_floats") ?? []
    let integers = node.attributes.ints("imputed_value_int64s") ?? []
    var arguments = apusk_features_args()
    arguments.function = APUSK_FEATURES_IMPUTE
    arguments.replaced = Double(node.attributes.float("replaced_value_float") ?? 0)
    arguments.replaced_integer = Int64(node.attributes.int("replaced_value_int64") ?? 0)
    guard type == .int64 ? !integers.isEmpty : !floats.isEmpty else {
      throw node.unsupported("imputed values of another type than X", expected: "values for " + type.name.text)
    }
    let vector = type == .int64 ? builder.table(integers.map { Int64($0) }) : builder.table(floats, as: type)
    arguments.a_step = (type == .int64 ? integers.count : floats.count) == 1 ? 0 : 1
    try builder.emitFeatures(node, arguments, type, vectors: [vector])
  }

  static let scaler = KernelBinding("Scaler", domain: .machineLearning, native: wide) { builder, node throws(ApusError) in
    let type = try floatType(builder, node.input(0))
    let offset = node.attributes.floats("offset") ?? []
    let scale = node.attributes.floats("scale") ?? []
    var arguments = apusk_features_args()
    arguments.function = APUSK_FEATURES_SCALE
    arguments.a_step = offset.count == 1 ? 0 : 1
    arguments.b_step = scale.count == 1 ? 0 : 1
    try builder.emitFeatures(
      node, arguments, type, vectors: [builder.table(offset, as: type), builder.table(scale, as: type)])
  }

  static let normalizer = KernelBinding("Normalizer", domain: .machineLearning, native: wide) { builder, node throws(ApusError) in
    let norm = node.attributes.string("norm") ?? "MAX"
    var arguments = apusk_features_args()
    arguments.function =
      norm == "L1" ? APUSK_FEATURES_NORMALIZE_L1 : norm == "L2" ? APUSK_FEATURES_NORMALIZE_L2 : APUSK_FEATURES_NORMALIZE_MAX
    try builder.emitFeatures(node, arguments, try floatType(builder, node.input(0)))
  }

  static let oneHotEncoder = KernelBinding(
    "OneHotEncoder", domain: .machineLearning, native: wide
  ) { builder, node throws(ApusError) in
    let categories = (node.attributes.ints("cats_int64s") ?? []).map { Int64($0) }
    let source = try builder.input(node.input(0), as: .int64)
    let target = try builder.output(node.output(0))
    let table = builder.table(categories)
    var base = apusk_one_hot_categories_args()
    base.count = Int64(try checkedElementCount(try builder.extents(node.input(0))))
    base.category_count = Int64(categories.count)
    base.must_match = node.attributes.flag("zeros") ? 0 : 1
    var plan = apusk_plan()
    apusk_one_hot_categories_plan(&base, &plan)
    let made = base
    try builder.emit(plan, [source, target, table]) { pointers in
      var arguments = made
      arguments.input = UnsafePointer(pointers.integers(source))
      arguments.categories = UnsafePointer(pointers.integers(table))
      arguments.output = pointers.floats(target)
      return arguments
    }
  }

  static let featureVectorizer = KernelBinding(
    "FeatureVectorizer", domain: .machineLearning, native: .all
  ) { builder, node throws(ApusError) in
    let target = try builder.output(node.output(0))
    let extents = try builder.extents(node.output(0))
    var base = apusk_block_copy_args()
    base.rows = Int64(extents[0])
    base.output_row_bytes = Int64(try extents[1].checkedMultiplied(by: 4))
    for id in node.node.node.inputs {
      let source = try builder.input(id, as: .float32)
      let own = try builder.extents(id)
      base.block_bytes = Int64(try (own.count > 1 ? own[1] : 1).checkedMultiplied(by: 4))
      base.input_row_bytes = base.block_bytes
      var plan = apusk_plan()
      apusk_block_copy_plan(&base, &plan)
      try builder.emit(plan, base, from: source, to: target)
      base.output_offset += base.block_bytes
    }
  }

  static let arrayFeatureExtractor = KernelBinding(
    "ArrayFeatureExtractor", domain: .machineLearning, native: .all
  ) { builder, node throws(ApusError) in
    let size = try builder.features(node.input(0))
    var base = apusk_gather_args()
    base.outer = Int64(size.rows)
    base.axis_size = Int64(size.features)
    base.index_count = Int64(try checkedElementCount(try builder.extents(node.input(1))))
    base.block_bytes = Int64(try builder.elementBytes(node.input(0)))
    base.index_bytes = 8
    var plan = apusk_plan()
    apusk_gather_plan(&base, &plan)
    let data = try builder.input(node.input(0))
    let indices = try builder.input(node.input(1))
    let target = try builder.output(node.output(0))
    let made = base
    try builder.emit(plan, [data, indices, target]) { pointers in
      var arguments = made
      arguments.data = UnsafeRawPointer(pointers[data])
      arguments.indices = UnsafeRawPointer(pointers[indices])
      arguments.output = pointers[target]
      return arguments
    }
  }
}
