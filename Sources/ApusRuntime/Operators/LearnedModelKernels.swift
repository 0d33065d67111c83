import ApusGraph
import CApusKernels

extension PlanBuilder {
  /// Labels and transformed scores from scores `[rows, count]`; either result may be left out.
  func emitClassification(
    _ scores: BufferID, labels: [Int], rows: Int, count: Int, classes: Int, form: Int32, transform: ScoreTransform,
    label: BufferID?, output: BufferID?
  ) throws(ApusError) {
    let table = table(labels.map { Int64($0) })
    var base = apusk_classify_args()
    base.rows = Int64(rows)
    base.count = Int64(count)
    base.classes = Int64(classes)
    base.form = form
    base.transform = transform.rawValue
    base.threshold = transform == .none ? 0 : 0.5
    var plan = apusk_plan()
    try check(apusk_classify_plan(&base, &plan))
    let made = base
    try emit(plan, [scores, table, label, output]) { pointers in
      var arguments = made
      arguments.scores = UnsafePointer(pointers.floats(scores))
      arguments.labels = UnsafePointer(pointers.integers(table))
      arguments.label = pointers.integers(label)
      arguments.output = pointers.floats(output)
      return arguments
    }
  }

  func emitLinearModel(
    _ node: BoundNode, _ target: BufferID, coefficients: [Float], intercepts: [Float], targets: Int, transform: ScoreTransform
  ) throws(ApusError) {
    let size = try features(node.input(0))
    guard try targets.checkedMultiplied(by: size.features) == coefficients.count else {
      throw node.context.attributeError(
        "coefficients", expected: "\(targets) x \(size.features) numbers", actual: "\(coefficients.count)")
    }
    guard intercepts.isEmpty || intercepts.count == targets else {
      throw node.context.attributeError("intercepts", expected: "\(targets) numbers", actual: "\(intercepts.count)")
    }
    var base = apusk_linear_model_args()
    base.rows = Int64(size.rows)
    base.features = Int64(size.features)
    base.targets = Int64(targets)
    base.transform = transform.rawValue
    var plan = apusk_plan()
    try check(apusk_linear_model_plan(&base, &plan))
    let source = try input(node.input(0), as: .float32)
    let weights = table(coefficients)
    let shifts = intercepts.isEmpty ? nil : table(intercepts)
    let made = base
    try emit(plan, [source, weights, shifts, target]) { pointers in
      var arguments = made
      arguments.input = UnsafePointer(pointers.floats(source))
      arguments.coefficients = UnsafePointer(pointers.floats(weights))
      arguments.intercepts = UnsafePointer(pointers.floats(shifts))
      arguments.output = pointers.floats(target)
      return arguments
    }
  }

  fileprivate func emitTrees(
    _ node: BoundNode, _ forest: TreeForest, _ target: BufferID, type: ElementType, targets: Int, aggregate: Int32,
    transform: ScoreTransform
  ) throws(ApusError) {
    let size = try features(node.input(0))
    try forest.check(node, features: size.features, targets: targets)
    guard forest.base.isEmpty || forest.base.count == targets else {
      throw node.context.attributeError("base_values", expected: "\(targets) numbers", actual: "\(forest.base.count)")
    }
    let inputType: ElementType = try elementType(node.input(0)) == .float32 ? .float32 : .float64
    var base = apusk_trees_args()
    base.rows = Int64(size.rows)
    base.features = Int64(size.features)
    base.targets = Int64(targets)
    base.trees = Int64(forest.roots.count)
    base.input_type = inputType.rawValue
    base.output_type = type.rawValue
    base.aggregate = aggregate
    base.transform = transform.rawValue
    var plan = apusk_plan()
    try check(apusk_trees_plan(&base, &plan))
    let source = try input(node.input(0), as: inputType)
    let nodes = table(forest.nodes)
    let members = table(forest.members)
    let leaves = table(forest.leaves)
    let votes = table(forest.votes)
    let roots = table(forest.roots)
    let shifts = forest.base.isEmpty ? nil : table(forest.base)
    let made = base
    try emit(plan, [source, target, nodes, members, leaves, votes, roots, shifts]) { pointers in
      var arguments = made
      arguments.input = UnsafeRawPointer(pointers[source])
      arguments.output = pointers[target]
      arguments.nodes = UnsafePointer(pointers[nodes]?.assumingMemoryBound(to: apusk_tree_node.self))
      arguments.members = UnsafePointer(pointers[members]?.assumingMemoryBound(to: Double.self))
      arguments.leaves = UnsafePointer(pointers.integers(leaves))
      arguments.votes = UnsafePointer(pointers[votes]?.assumingMemoryBound(to: apusk_tree_vote.self))
      arguments.roots = UnsafePointer(pointers.integers(roots))
      if let shifts { arguments.base = UnsafePointer(pointers[shifts]?.assumingMemoryBound(to: Double.self)) }
      return arguments
    }
  }
}

extension KernelBinding {
  private static let wide = TypeSet(.float32, .float64, .int64)

  static let linearRegressor = KernelBinding(
    "LinearRegressor", domain: .machineLearning, native: wide
  ) { builder, node throws(ApusError) in
    try builder.emitLinearModel(
      node, try builder.output(node.output(0)), coefficients: node.attributes.floats("coefficients") ?? [],
      intercepts: node.attributes.floats("intercepts") ?? [], targets: node.attributes.int("targets") ?? 1,
      transform: try ScoreTransform(node.context))
  }

  static let linearClassifier = KernelBinding(
    "LinearClassifier", domain: .machineLearning, native: wide
  ) { builder, node throws(ApusError) in
    let labels = node.attributes.ints("classlabels_ints") ?? []
    let coefficients = node.attributes.floats("coefficients") ?? []
    let size = try builder.features(node.input(0))
    // A single row of coefficients tells two classes apart.
    let count = labels.count == 2 && coefficients.count == size.features ? 1 : labels.count
    let scores = builder.temporary(byteCount: try size.rows.checkedMultiplied(by: count).checkedMultiplied(by: 4))
    try builder.emitLinearModel(
      node, scores, coefficients: coefficients, intercepts: node.attributes.floats("intercepts") ?? [], targets: count,
      transform: .none)
    let form =
      count == labels.count ? count == 1 ? APUSK_SCORES_THRESHOLD : APUSK_SCORES_AS_THEY_ARE : APUSK_SCORES_NEGATED
    try builder.emitClassification(
      scores, labels: labels, rows: size.rows, count: count, classes: labels.count, form: form,
      transform: try ScoreTransform(node.context), label: try builder.output(node.output(0)),
      output: try builder.output(node.output(1)))
  }

  static let treeEnsemble = KernelBinding(
    "TreeEnsemble", domain: .machineLearning, native: TypeSet(.float32, .float64)
  ) { builder, node throws(ApusError) in
    let aggregate = node.attributes.int("aggregate_function") ?? 1
    let transform = node.attributes.int("post_transform") ?? 0
    guard (0...3).contains(aggregate) else {
      throw node.context.attributeError("aggregate_function", expected: "0 to 3", actual: "\(aggregate)")
    }
    guard (0...4).contains(transform), let kind = ScoreTransform(rawValue: Int32(transform)) else {
      throw node.context.attributeError("post_transform", expected: "0 to 4", actual: "\(transform)")
    }
    try builder.emitTrees(
      node, try TreeForest(placed: builder, node), try builder.output(node.output(0)),
      type: try builder.elementType(node.output(0)), targets: node.attributes.int("n_targets") ?? 1,
      aggregate: Int32(aggregate), transform: kind)
  }

  static let treeEnsembleRegressor = KernelBinding(
    "TreeEnsembleRegressor", domain: .machineLearning, native: wide
  ) { builder, node throws(ApusError) in
    let name = node.attributes.string("aggregate_function") ?? "SUM"
    let names: [Name] = ["AVERAGE", "SUM", "MIN", "MAX"]
    guard let aggregate = names.firstIndex(where: { $0 == name }) else {
      throw node.context.attributeError("aggregate_function", expected: "AVERAGE, SUM, MIN or MAX", actual: name.string)
    }
    try builder.emitTrees(
      node, try TreeForest(numbered: builder, node, votes: .targets), try builder.output(node.output(0)), type: .float32,
      targets: node.attributes.int("n_targets") ?? 1, aggregate: Int32(aggregate), transform: try ScoreTransform(node.context))
  }

  static let treeEnsembleClassifier = KernelBinding(
    "TreeEnsembleClassifier", domain: .machineLearning, native: wide
  ) { builder, node throws(ApusError) in
    var labels = node.attributes.ints("classlabels_int64s") ?? []
    var forest = try TreeForest(numbered: builder, node, votes: .classes)
    let size = try builder.features(node.input(0))
    let transform = try ScoreTransform(node.context)
    // Two classes told apart by the weights of one: they, or the chance that they stand for, speak for the second class.
    let isBinary = labels.count <= 2 && forest.votes.allSatisfy { $0.target == forest.votes[0].target }
    if isBinary {
      if labels.count == 1 { labels = [0, labels[0]] }
      for place in forest.votes.indices { forest.votes[place].target = 0 }
      if forest.base.count == 2 { forest.base = [forest.base[1]] }
    }
    let count = isBinary ? 1 : labels.count
    let isChance = forest.votes.allSatisfy { $0.weight >= 0 } && (transform == .none || transform == .probit)
    let form = isBinary ? isChance ? APUSK_SCORES_COMPLEMENT : APUSK_SCORES_NEGATED : APUSK_SCORES_AS_THEY_ARE
    let scores = builder.temporary(byteCount: try size.rows.checkedMultiplied(by: count).checkedMultiplied(by: 4))
    try builder.emitTrees(
      node, forest, scores, type: .float32, targets: count, aggregate: APUSK_AGGREGATE_SUM, transform: .none)
    try builder.emitClassification(
      scores, labels: labels, rows: size.rows, count: count, classes: labels.count, form: form, transform: transform,
      label: try builder.output(node.output(0)), output: try builder.output(node.output(1)))
  }
}
