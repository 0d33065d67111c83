/// How the losses of a batch become the result.
public enum LossReduction: Sendable {
  case none
  case sum
  case mean

  /// What the attribute `reduction` says.
  public init(_ context: InferenceContext) throws(ApusError) {
    let name = context.attributes.string("reduction") ?? "mean"
    if name == "none" {
      self = .none
    } else if name == "sum" {
      self = .sum
    } else if name == "mean" {
      self = .mean
    } else {
      throw context.attributeError("reduction", expected: "none, sum or mean", actual: name.string)
    }
  }
}

extension OperatorSchema {
  private static let lossAttributes = [
    AttributeSchema("ignore_index", .int), AttributeSchema("reduction", default: .string("mean")),
  ]

  /// Checks scores [N, C, d1, ...], targets [N, d1, ...] and weights [C], and sets the loss's type.
  private static func inferLoss(_ context: inout InferenceContext) throws(ApusError) {
    let type = try context.elementType(0)
    try context.requireRank(0, atLeast: 2)
    try context.requireRank(2, 1)
    var target = context.shape(1)
    if let scores = context.shape(0) {
      try context.requireRank(1, scores.rank - 1)
      if let weights = context.shape(2) { _ = try context.unified(scores[1], weights[0], "classes and weights") }
      var expected = scores
      expected.dimensions.remove(at: 1)
      if let given = target {
        for axis in 0..<given.rank {
          expected[axis] = try context.unified(expected[axis], given[axis], "extents of scores and targets")
        }
      }
      target = expected
    }
    let reduction = try LossReduction(context)
    context.setOutput(0, type, reduction == .none ? target : Shape([Dimension]()))
  }

  /// `-input[n, target[n, d], d] * weight[target[n, d]]`, of each target, their sum, or their mean by weight.
  public static let negativeLogLikelihoodLoss = OperatorSchema(
    name: "NegativeLogLikelihoodLoss", versions: [22],
    inputs: [
      Parameter("input", .floats), Parameter("target", .indices, group: 2), Parameter("weight", .floats, .optional),
    ],
    outputs: [Parameter("loss", .floats)], attributes: lossAttributes
  ) { context throws(ApusError) in try inferLoss(&context) }

  /// The negative log-likelihood loss of `log_prob = LogSoftmax(scores, axis 1)`.
  public static let softmaxCrossEntropyLoss = OperatorSchema(
    name: "SoftmaxCrossEntropyLoss", versions: [13],
    inputs: [
      Parameter("scores", .floats), Parameter("labels", .indices, group: 2), Parameter("weights", .floats, .optional),
    ],
    outputs: [Parameter("output", .floats), Parameter("log_prob", .floats, .optional)], attributes: lossAttributes
  ) { context throws(ApusError) in
    try inferLoss(&context)
    context.setOutput(1, try context.elementType(0), context.shape(0))
  }
}
