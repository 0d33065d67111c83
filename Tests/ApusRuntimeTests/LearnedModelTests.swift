import ApusGraph
import Foundation
import Testing

import ApusRuntime

/// Operators of the extras: ai.onnx.ml and the optimizers of ai.onnx.preview.training, with results that can be told by hand.
@Suite struct LearnedModelTests {
  private func run(
    _ name: Name, domain: Name = .machineLearning, version: Int32 = 1, _ inputs: [(TestTensor, ElementType)],
    outputs: Int = 1, _ attributes: [Attribute]
  ) throws -> [TestTensor] {
    var builder = ModelBuilder()
    let operands = inputs.enumerated().map { index, input in
      builder.input(Name("x\(index)"), Shape(input.0.shape), input.1)
    }
    for id in builder.node(name, version: version, operands, outputs: outputs, attributes) { builder.output(id) }
    builder.definition.graphs[0].nodes[0].domain = domain
    var options = LoadOptions()
    (options.registry, options.bindings) = (.full, .full)
    let session = try Session(model: try Model(definition: builder.definition, options: options))
    try session.prepare(inputs.map { $0.0.shape })
    return try ApusRuntimeTests.run(session, inputs.map { $0.0 })
  }

  /// `x0 <= 0.5 ? (x1 < 2 ? 1 : 2) : 4`, with NaN in x0 to the left; the trees below vary it.
  private func tree(_ change: (inout [Name: AttributeValue]) -> Void = { _ in }) -> [Attribute] {
    var attributes: [Name: AttributeValue] = [
      "nodes_treeids": .ints([0, 0, 0, 0, 0]), "nodes_nodeids": .ints([0, 1, 2, 3, 4]),
      "nodes_featureids": .ints([0, 1, 0, 0, 0]), "nodes_values": .floats([0.5, 2, 0, 0, 0]),
      "nodes_modes": .strings(["BRANCH_LEQ", "BRANCH_LT", "LEAF", "LEAF", "LEAF"]),
      "nodes_truenodeids": .ints([1, 3, 0, 0, 0]), "nodes_falsenodeids": .ints([2, 4, 0, 0, 0]),
      "nodes_missing_value_tracks_true": .ints([1, 0, 0, 0, 0]), "n_targets": .int(1), "target_treeids": .ints([0, 0, 0]),
      "target_nodeids": .ints([3, 4, 2]), "target_ids": .ints([0, 0, 0]), "target_weights": .floats([1, 2, 4]),
    ]
    change(&attributes)
    return attributes.map { Attribute($0.key, $0.value) }
  }

  private let rows = TestTensor([Float](arrayLiteral: 0, 1, 0.5, 2, 0.6, 1, .nan, 1, .nan, .nan), [5, 2])

  @Test func treesAreWalked() throws {
    let result = try run("TreeEnsembleRegressor", version: 3, [(rows, .float32)], tree())
    #expect(result[0] == TestTensor([Float](arrayLiteral: 1, 2, 4, 1, 2), [5, 1]))
    let shifted = try run(
      "TreeEnsembleRegressor", version: 3, [(rows, .float32)],
      tree {
        $0["base_values"] = .floats([0.5]); $0["aggregate_function"] = .string("MIN")
      })
    #expect(shifted[0].floats == [1.5, 2.5, 4.5, 1.5, 2.5])
  }

  @Test func treesThatDoNotHangTogetherAreRefused() {
    let changes: [(inout [Name: AttributeValue]) -> Void] = [
      { $0["nodes_truenodeids"] = .ints([0, 3, 0, 0, 0]) },  // leads back to itself
      { $0["nodes_truenodeids"] = .ints([9, 3, 0, 0, 0]) },  // leads nowhere
      { $0["nodes_featureids"] = .ints([2, 1, 0, 0, 0]) },  // a feature that X lacks
      { $0["target_ids"] = .ints([0, 1, 0]) },  // a target that the result lacks
      { $0["target_nodeids"] = .ints([3, 1, 2]) },  // a vote of a branch
      { $0["nodes_values"] = .floats([0.5]) },
    ]
    for change in changes {
      #expect(throws: ApusError.self) {
        try run("TreeEnsembleRegressor", version: 3, [(rows, .float32)], tree(change))
      }
    }
  }

  @Test func oneScoreTellsTwoClassesApart() throws {
    func classify(_ weights: [Float], _ transform: Name) throws -> [TestTensor] {
      let attributes = tree {
        for name: Name in ["n_targets", "target_treeids", "target_nodeids", "target_ids", "target_weights"] { $0[name] = nil }
        $0["class_treeids"] = .ints([0, 0, 0])
        $0["class_nodeids"] = .ints([3, 4, 2])
        $0["class_ids"] = .ints([0, 0, 0])
        $0["class_weights"] = .floats(weights)
        $0["classlabels_int64s"] = .ints([7, 9])
        $0["post_transform"] = .string(transform)
      }
      return try run("TreeEnsembleClassifier", version: 3, [(rows, .float32)], outputs: 2, attributes)
    }
    let chances = try classify([0.25, 0.75, 1], "NONE")
    #expect(chances[0].values(Int64.self) == [7, 9, 9, 7, 9])
    #expect(chances[1] == TestTensor([Float](arrayLiteral: 0.75, 0.25, 0.25, 0.75, 0, 1, 0.75, 0.25, 0.25, 0.75), [5, 2]))
    let logistic = try classify([-1, 0, 1], "LOGISTIC")
    #expect(logistic[0].values(Int64.self) == [7, 7, 9, 7, 7])
    #expect(abs(Double(logistic[1].floats[0]) - 1 / (1 + exp(-1.0))) < 1e-7 && logistic[1].floats[2] == 0.5)
  }

  @Test func linearModels() throws {
    let x = TestTensor([Int64](arrayLiteral: 1, 2, 3, -4), [2, 2])
    let sums = try run(
      "LinearRegressor", [(x, .int64)],
      [
        Attribute("coefficients", .floats([1, 0.5, 0, -1])), Attribute("intercepts", .floats([10, 20])),
        Attribute("targets", .int(2)),
      ])
    #expect(sums[0] == TestTensor([Float](arrayLiteral: 12, 18, 11, 24), [2, 2]))
    let classes = try run(
      "LinearClassifier", [(x, .int64)], outputs: 2,
      [
        Attribute("coefficients", .floats([1, 0.5, 0, -1, 0, 0])), Attribute("classlabels_ints", .ints([5, 6, 7])),
        Attribute("intercepts", .floats([0, 0, 0])), Attribute("post_transform", .string("SOFTMAX")),
      ])
    #expect(classes[0].values(Int64.self) == [5, 6])
    #expect(abs(Double(classes[1].floats[0]) - exp(2) / (exp(2) + exp(-2) + 1)) < 1e-6)
  }

  @Test func supportVectorsVote() throws {
    let x = TestTensor([Float](arrayLiteral: 0, 1), [2, 1])
    let kernel: [Attribute] = [
      Attribute("kernel_type", .string("RBF")), Attribute("kernel_params", .floats([1, 0, 0])),
      Attribute("support_vectors", .floats([0, 1])), Attribute("rho", .floats([0])),
    ]
    let sums = try run(
      "SVMRegressor", [(x, .float32)], kernel + [Attribute("coefficients", .floats([2, -1])), Attribute("n_supports", .int(2))])
    #expect(abs(Double(sums[0].floats[0]) - (2 - exp(-1.0))) < 1e-6)
    let classes = try run(
      "SVMClassifier", [(x, .float32)], outputs: 2,
      kernel + [
        Attribute("coefficients", .floats([1, -1])), Attribute("vectors_per_class", .ints([1, 1])),
        Attribute("classlabels_ints", .ints([4, 8])),
      ])
    #expect(classes[0].values(Int64.self) == [4, 8])
    #expect(abs(Double(classes[1].floats[1]) - (1 - exp(-1.0))) < 1e-6)
  }

  @Test func labelsAreMapped() throws {
    let x = TestTensor([Float](arrayLiteral: .nan, -0, 3, 2), [4])
    let labels = try run(
      "LabelEncoder", version: 4, [(x, .float32)],
      [
        Attribute("keys_floats", .floats([0, .nan, 2, 2])), Attribute("values_int64s", .ints([5, 6, 7, 8])),
        Attribute("default_int64", .int(-9)),
      ])
    #expect(labels[0].values(Int64.self) == [6, 5, -9, 8])
  }

  @Test func featuresAreScaledAndImputed() throws {
    let x = TestTensor([Double](arrayLiteral: 1, .nan, 3, 4), [2, 2])
    let imputed = try run(
      "Imputer", [(x, .float64)],
      [Attribute("imputed_value_floats", .floats([8, 9])), Attribute("replaced_value_float", .float(.nan))])
    #expect(imputed[0].values(Double.self) == [1, 9, 3, 4])
    let scaled = try run(
      "Scaler", [(TestTensor([Int32](arrayLiteral: 1, 2, 3, 4), [2, 2]), .int32)],
      [Attribute("offset", .floats([1, 2])), Attribute("scale", .floats([0.5]))])
    #expect(scaled[0].floats == [0, 0, 1, 1])
    #expect(throws: ApusError.self) {
      try run("Scaler", [(x, .float64)], [Attribute("offset", .floats([1, 2, 3])), Attribute("scale", .floats([1]))])
    }
    #expect {
      _ = try run(
        "OneHotEncoder", [(TestTensor([Int64](arrayLiteral: 3), [1]), .int64)],
        [Attribute("cats_int64s", .ints([1, 2])), Attribute("zeros", .int(0))])
    } throws: { ($0 as? ApusError)?.status == .valueOutOfRange }
  }

  @Test func momentumLooksAhead() throws {
    func tensor(_ value: Float, _ shape: [Int] = [1]) -> (TestTensor, ElementType) { (TestTensor([value], shape), .float32) }
    let result = try run(
      "Momentum", domain: .previewTraining,
      [tensor(0.5, []), (TestTensor([Int64](arrayLiteral: 1), []), .int64), tensor(4), tensor(2), tensor(1)], outputs: 2,
      [
        Attribute("alpha", .float(0.5)), Attribute("beta", .float(0.25)), Attribute("norm_coefficient", .float(0.5)),
        Attribute("mode", .string("nesterov")),
      ])
    // g = 0.5 x 4 + 2 = 4; v = 0.5 + 0.25 x 4 = 1.5; x = 4 - 0.5 (4 + 0.5 x 1.5)
    #expect(result[0].floats == [1.625] && result[1].floats == [1.5])
  }
}
