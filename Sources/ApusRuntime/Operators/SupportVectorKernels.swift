import ApusGraph
import CApusKernels

/// The vectors, coefficients and kernel of a support vector machine, as its attributes give them.
private struct SupportVectors {
  var vectors: [Float]
  var coefficients: [Float]
  let rho: [Float]
  var kernel: Int32
  let gamma: Float
  let coef0: Float
  let degree: Float

  init(_ node: BoundNode) throws(ApusError) {
    vectors = node.attributes.floats("support_vectors") ?? []
    coefficients = node.attributes.floats("coefficients") ?? []
    rho = node.attributes.floats("rho") ?? []
    let name = node.attributes.string("kernel_type") ?? "LINEAR"
    let names: [Name] = ["LINEAR", "POLY", "RBF", "SIGMOID"]
    guard let position = names.firstIndex(where: { $0 == name }) else {
      throw node.context.attributeError("kernel_type", expected: "LINEAR, POLY, RBF or SIGMOID", actual: name.string)
    }
    kernel = [APUSK_SVM_LINEAR, APUSK_SVM_POLY, APUSK_SVM_RBF, APUSK_SVM_SIGMOID][position]
    let parameters = node.attributes.floats("kernel_params") ?? []
    guard parameters.isEmpty || parameters.count == 3 else {
      throw node.context.attributeError(
        "kernel_params", expected: "gamma, coef0 and degree", actual: "\(parameters.count) numbers")
    }
    (gamma, coef0, degree) = parameters.isEmpty ? (0, 0, 0) : (parameters[0], parameters[1], parameters[2])
    guard !rho.isEmpty else { throw node.context.attributeError("rho", expected: "one number or more", actual: "none") }
  }
}

extension PlanBuilder {
  /// - Parameter starts: the first vector of each class, and their count; none for a regression.
  fileprivate func emitSupportVectors(
    _ node: BoundNode, _ machine: SupportVectors, count: Int, starts: [Int], probabilities: (a: [Float], b: [Float])?,
    oneClass: Bool = false, transform: ScoreTransform = .none, output: BufferID, votes: BufferID? = nil
  ) throws(ApusError) {
    let size = try features(node.input(0))
    let classes = max(starts.count - 1, 0)
    let pairs = classes > 1 ? try classes.checkedMultiplied(by: classes - 1) / 2 : 1
    func require(_ name: StaticString, _ actual: Int, _ expected: Int) throws(ApusError) {
      guard actual == expected else {
        throw node.context.attributeError(name, expected: "\(expected) numbers", actual: "\(actual)")
      }
    }
    try require("support_vectors", machine.vectors.count, try count.checkedMultiplied(by: size.features))
    try require("coefficients", machine.coefficients.count, try count.checkedMultiplied(by: max(classes - 1, 1)))
    guard machine.rho.count >= pairs else {
      throw node.context.attributeError("rho", expected: "\(pairs) numbers", actual: "\(machine.rho.count)")
    }
    if let probabilities {
      try require("prob_a", probabilities.a.count, pairs)
      try require("prob_b", probabilities.b.count, pairs)
    }
    var base = apusk_svm_args()
    base.rows = Int64(size.rows)
    base.features = Int64(size.features)
    base.count = Int64(count)
    base.classes = Int64(classes)
    base.kernel = machine.kernel
    base.one_class = oneClass ? 1 : 0
    (base.gamma, base.coef0, base.degree) = (machine.gamma, machine.coef0, machine.degree)
    base.transform = transform.rawValue
    var plan = apusk_plan()
    try check(apusk_svm_plan(&base, &plan))
    let source = try input(node.input(0), as: .float32)
    let vectors = table(machine.vectors)
    let coefficients = table(machine.coefficients)
    let rho = table(machine.rho)
    let probA = probabilities.map { table($0.a) }
    let probB = probabilities.map { table($0.b) }
    let first = table(starts.map { Int64($0) })
    let made = base
    try emit(plan, [source, vectors, coefficients, rho, probA, probB, first, output, votes]) { pointers in
      var arguments = made
      arguments.input = UnsafePointer(pointers.floats(source))
      arguments.vectors = UnsafePointer(pointers.floats(vectors))
      arguments.coefficients = UnsafePointer(pointers.floats(coefficients))
      arguments.rho = UnsafePointer(pointers.floats(rho))
      arguments.prob_a = UnsafePointer(pointers.floats(probA))
      arguments.prob_b = UnsafePointer(pointers.floats(probB))
      arguments.starts = UnsafePointer(pointers.integers(first))
      arguments.output = pointers.floats(output)
      arguments.votes = pointers.floats(votes)
      return arguments
    }
  }
}

extension KernelBinding {
  private static let wide = TypeSet(.float32, .float64, .int64)

  static let svmRegressor = KernelBinding(
    "SVMRegressor", domain: .machineLearning, native: wide
  ) { builder, node throws(ApusError) in
    var machine = try SupportVectors(node)
    var count = node.attributes.int("n_supports") ?? 0
    if count <= 0 {
      // Without support vectors the coefficients are those of the features: one vector that counts once.
      (machine.vectors, machine.coefficients, machine.kernel, count) = (machine.coefficients, [1], APUSK_SVM_LINEAR, 1)
    }
    try builder.emitSupportVectors(
      node, machine, count: count, starts: [], probabilities: nil, oneClass: node.attributes.flag("one_class"),
      transform: try ScoreTransform(node.context), output: try builder.output(node.output(0)))
  }

  static let svmClassifier = KernelBinding(
    "SVMClassifier", domain: .machineLearning, native: wide
  ) { builder, node throws(ApusError) in
    let machine = try SupportVectors(node)
    let labels = node.attributes.ints("classlabels_ints") ?? []
    let perClass = node.attributes.ints("vectors_per_class") ?? []
    let transform = try ScoreTransform(node.context)
    let rows = try builder.features(node.input(0)).rows
    let label = try builder.output(node.output(0))
    let output = try builder.output(node.output(1))
    guard !perClass.isEmpty else {
      let scores = builder.temporary(byteCount: try rows.checkedMultiplied(by: labels.count).checkedMultiplied(by: 4))
      try builder.emitLinearModel(
        node, scores, coefficients: machine.coefficients,
        intercepts: Array(repeating: machine.rho[0], count: labels.count), targets: labels.count, transform: .none)
      return try builder.emitClassification(
        scores, labels: labels, rows: rows, count: labels.count, classes: labels.count,
        form: labels.count == 1 ? APUSK_SCORES_THRESHOLD : APUSK_SCORES_AS_THEY_ARE, transform: transform, label: label,
        output: output)
    }
    guard labels.count > 1, perClass.count == labels.count, perClass.allSatisfy({ $0 >= 0 }) else {
      throw node.context.attributeError(
        "vectors_per_class", expected: "a count for each of two classes or more", actual: Shape(perClass).text(symbols: []))
    }
    var starts = [0]
    for own in perClass { starts.append(try starts[starts.count - 1].checkedAdding(own)) }
    let probA = node.attributes.floats("prob_a") ?? []
    let isProbable = !probA.isEmpty
    let pairs = try labels.count.checkedMultiplied(by: labels.count - 1) / 2
    let count = isProbable ? labels.count : pairs
    let scores = builder.temporary(byteCount: try rows.checkedMultiplied(by: count).checkedMultiplied(by: 4))
    let votes = builder.temporary(byteCount: try rows.checkedMultiplied(by: labels.count).checkedMultiplied(by: 4))
    try builder.emitSupportVectors(
      node, machine, count: starts[labels.count], starts: starts,
      probabilities: isProbable ? (probA, node.attributes.floats("prob_b") ?? []) : nil, output: scores, votes: votes)
    try builder.emitClassification(
      votes, labels: labels, rows: rows, count: labels.count, classes: labels.count, form: APUSK_SCORES_AS_THEY_ARE,
      transform: .none, label: label, output: nil)
    // The one score of two classes speaks for the first: both are given, that of the second as it is.
    let isPair = count == 1
    try builder.emitClassification(
      scores, labels: labels, rows: rows, count: count, classes: isPair ? 2 : count,
      form: isPair ? APUSK_SCORES_NEGATED : APUSK_SCORES_AS_THEY_ARE, transform: transform, label: nil, output: output)
  }
}
