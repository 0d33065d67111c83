// The models of ai.onnx.ml. Classes that are strings are lowered by the importer: numbers here, and a LabelEncoder behind.

/// What becomes of scores: `post_transform`, with the numbers of TreeEnsemble's attribute.
public enum ScoreTransform: Int32, Sendable {
  case none = 0
  case softmax, logistic, softmaxZero, probit

  /// What a string attribute `post_transform` says.
  public init(_ context: InferenceContext) throws(ApusError) {
    let name = context.attributes.string("post_transform") ?? "NONE"
    if name == "NONE" {
      self = .none
    } else if name == "SOFTMAX" {
      self = .softmax
    } else if name == "LOGISTIC" {
      self = .logistic
    } else if name == "SOFTMAX_ZERO" {
      self = .softmaxZero
    } else if name == "PROBIT" {
      self = .probit
    } else {
      throw context.attributeError(
        "post_transform", expected: "NONE, SOFTMAX, LOGISTIC, SOFTMAX_ZERO or PROBIT", actual: name.string)
    }
  }
}

extension OperatorSchema {
  private static let transform = AttributeSchema("post_transform", default: .string("NONE"))

  private static func classifier(
    _ name: StaticString, versions: [Int32] = [1], labels: StaticString, _ attributes: [AttributeSchema],
    columns: @escaping @Sendable (InferenceContext) -> Int
  ) -> OperatorSchema {
    OperatorSchema(
      domain: .machineLearning, name: name, versions: versions, inputs: [Parameter("X", .learned)],
      outputs: [Parameter("Y", TypeSet(.int64), group: 0), Parameter("Z", TypeSet(.float32), group: 0)],
      attributes: attributes + [transform, AttributeSchema(labels, .ints, required: true)]
    ) { context throws(ApusError) in
      _ = try ScoreTransform(context)
      guard context.attributes.ints(labels)?.isEmpty == false else {
        throw context.attributeError(labels, expected: "one label or more", actual: "none")
      }
      let rows = try featureExtents(context, 0)?.rows ?? .unknown
      context.setOutput(0, .int64, Shape([rows]))
      context.setOutput(1, .float32, Shape([rows, .known(columns(context))]))
    }
  }

  private static func regressor(
    _ name: StaticString, versions: [Int32] = [1], _ attributes: [AttributeSchema],
    targets: @escaping @Sendable (InferenceContext) -> Int
  ) -> OperatorSchema {
    OperatorSchema(
      domain: .machineLearning, name: name, versions: versions, inputs: [Parameter("X", .learned)],
      outputs: [Parameter("Y", TypeSet(.float32), group: 0)], attributes: attributes + [transform]
    ) { context throws(ApusError) in
      _ = try ScoreTransform(context)
      let count = targets(context)
      guard count > 0 else { throw context.error("a regression has one target or more", actual: "\(count)") }
      context.setOutput(0, .float32, Shape([try featureExtents(context, 0)?.rows ?? .unknown, .known(count)]))
    }
  }

  /// `scores = X coefficients + intercepts`; the label of the largest.
  public static let linearClassifier = classifier(
    "LinearClassifier", labels: "classlabels_ints",
    [
      AttributeSchema("coefficients", .floats, required: true), AttributeSchema("intercepts", .floats),
      AttributeSchema("multi_class", default: .int(0)),
    ]
  ) { $0.attributes.ints("classlabels_ints")?.count ?? 0 }

  /// `X coefficients + intercepts`.
  public static let linearRegressor = regressor(
    "LinearRegressor",
    [
      AttributeSchema("coefficients", .floats), AttributeSchema("intercepts", .floats),
      AttributeSchema("targets", default: .int(1)),
    ]
  ) { $0.attributes.int("targets") ?? 1 }

  private static let vectors = [
    AttributeSchema("coefficients", .floats), AttributeSchema("kernel_params", .floats),
    AttributeSchema("kernel_type", default: .string("LINEAR")), AttributeSchema("rho", .floats),
    AttributeSchema("support_vectors", .floats),
  ]

  /// A classifier by votes between pairs of classes.
  public static let svmClassifier = classifier(
    "SVMClassifier", labels: "classlabels_ints",
    vectors + [
      AttributeSchema("prob_a", .floats), AttributeSchema("prob_b", .floats), AttributeSchema("vectors_per_class", .ints),
    ]
  ) { context in
    let classes = context.attributes.ints("classlabels_ints")?.count ?? 0
    let isLinear = context.attributes.ints("vectors_per_class")?.isEmpty ?? true
    let isProbable = context.attributes.floats("prob_a")?.isEmpty == false
    if isLinear || isProbable || classes < 3 { return classes }
    return classes * (classes - 1) / 2
  }

  /// `rho + sum of coefficients[j] kernel(X, vector j)`, or its sign with `one_class`.
  public static let svmRegressor = regressor(
    "SVMRegressor",
    vectors + [AttributeSchema("n_supports", default: .int(0)), AttributeSchema("one_class", default: .int(0))]
  ) { _ in 1 }

  /// Nodes of trees by (tree id, node id).
  private static let numberedNodes = [
    AttributeSchema("base_values", .floats), AttributeSchema("base_values_as_tensor", .tensor),
    AttributeSchema("nodes_falsenodeids", .ints), AttributeSchema("nodes_featureids", .ints),
    AttributeSchema("nodes_hitrates", .floats), AttributeSchema("nodes_hitrates_as_tensor", .tensor),
    AttributeSchema("nodes_missing_value_tracks_true", .ints), AttributeSchema("nodes_modes", .strings),
    AttributeSchema("nodes_nodeids", .ints), AttributeSchema("nodes_treeids", .ints),
    AttributeSchema("nodes_truenodeids", .ints), AttributeSchema("nodes_values", .floats),
    AttributeSchema("nodes_values_as_tensor", .tensor),
  ]

  /// The label of the class that the trees' leaves give the largest sum of weights.
  public static let treeEnsembleClassifier = classifier(
    "TreeEnsembleClassifier", versions: [1, 3, 5], labels: "classlabels_int64s",
    numberedNodes + [
      AttributeSchema("class_ids", .ints), AttributeSchema("class_nodeids", .ints), AttributeSchema("class_treeids", .ints),
      AttributeSchema("class_weights", .floats), AttributeSchema("class_weights_as_tensor", .tensor),
    ]
  ) { max($0.attributes.ints("classlabels_int64s")?.count ?? 0, 2) }

  /// The trees' weights for each target, added up or their mean, least or largest.
  public static let treeEnsembleRegressor = regressor(
    "TreeEnsembleRegressor", versions: [1, 3, 5],
    numberedNodes + [
      AttributeSchema("aggregate_function", default: .string("SUM")), AttributeSchema("n_targets", .int),
      AttributeSchema("target_ids", .ints), AttributeSchema("target_nodeids", .ints), AttributeSchema("target_treeids", .ints),
      AttributeSchema("target_weights", .floats), AttributeSchema("target_weights_as_tensor", .tensor),
    ]
  ) { $0.attributes.int("n_targets") ?? 1 }

  /// The trees' weights for each target, aggregated; nodes and leaves by their places in the lists.
  public static let treeEnsemble = OperatorSchema(
    domain: .machineLearning, name: "TreeEnsemble", versions: [5],
    inputs: [Parameter("X", TypeSet(.float16, .float32, .float64))],
    outputs: [Parameter("Y", TypeSet(.float16, .float32, .float64))],
    attributes: [
      AttributeSchema("aggregate_function", default: .int(1)), AttributeSchema("leaf_targetids", .ints, required: true),
      AttributeSchema("leaf_weights", .tensor, required: true), AttributeSchema("membership_values", .tensor),
      AttributeSchema("n_targets", .int), AttributeSchema("nodes_falseleafs", .ints, required: true),
      AttributeSchema("nodes_falsenodeids", .ints, required: true), AttributeSchema("nodes_featureids", .ints, required: true),
      AttributeSchema("nodes_hitrates", .tensor), AttributeSchema("nodes_missing_value_tracks_true", .ints),
      AttributeSchema("nodes_modes", .tensor, required: true), AttributeSchema("nodes_splits", .tensor, required: true),
      AttributeSchema("nodes_trueleafs", .ints, required: true), AttributeSchema("nodes_truenodeids", .ints, required: true),
      AttributeSchema("post_transform", default: .int(0)), AttributeSchema("tree_roots", .ints, required: true),
    ]
  ) { context throws(ApusError) in
    let type = try context.elementType(0)
    let targets = context.attributes.int("n_targets") ?? 1
    guard targets > 0 else { throw context.attributeError("n_targets", expected: "1 or more", actual: "\(targets)") }
    context.setOutput(0, type, Shape([try featureExtents(context, 0)?.rows ?? .unknown, .known(targets)]))
  }
}
