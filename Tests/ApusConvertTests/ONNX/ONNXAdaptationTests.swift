import ApusGraph
import Testing

@testable import ApusConvert

/// Each adapter on the smallest node that needs it. Expectations follow the operators' definitions in ONNX.
@Suite struct ONNXAdaptationTests {
  private typealias O = ONNXModel

  /// The nodes that one node of an operator set becomes. Inputs named c... are initializers.
  private func adapted(
    _ operatorSet: Int64, _ node: ONNXNodeProto, _ inputs: [ONNXValueInfoProto], _ constants: [ONNXTensorProto] = []
  ) throws -> [String] {
    try ONNXModel.listing(
      ONNXModel.model(
        operatorSet: operatorSet,
        ONNXModel.graph([node], inputs: inputs, outputs: [node.output[0]], initializers: constants)))
  }

  private func adapted(
    _ operatorSet: Int64, _ kind: String, _ attributes: [ONNXAttributeProto] = [], shape: [Int64]? = [2, 3, 4, 5]
  ) throws -> [String] {
    try adapted(operatorSet, O.node(kind, ["x"], ["y"], attributes), [O.input("x", shape)])
  }

  @Test func attributesBecomeInputs() throws {
    #expect(try adapted(11, "Squeeze", [O.ints("axes", [1])], shape: [2, 1]) == ["Squeeze(x, [1]) -> y"])
    #expect(try adapted(12, "Unsqueeze", [O.ints("axes", [0, 2])]) == ["Unsqueeze(x, [0, 2]) -> y"])
    #expect(try adapted(12, "ReduceSum", [O.ints("axes", [1])]) == ["ReduceSum(x, [1]) -> y"])
    #expect(try adapted(13, "ReduceMax", [O.ints("axes", [-1]), O.int("keepdims", 0)]) == ["ReduceMax(x, [-1]) keepdims=0 -> y"])
    #expect(try adapted(17, "ReduceMean") == ["ReduceMean(x) -> y"])
    #expect(try adapted(4, "Reshape", [O.ints("shape", [6, 20])]) == ["Reshape(x, [6, 20]) -> y"])
    #expect(
      try adapted(9, "Slice", [O.ints("starts", [0]), O.ints("ends", [9]), O.ints("axes", [3])])
        == ["Slice(x, [0], [9], [3]) -> y"])
    #expect(try adapted(9, "TopK", [O.int("k", 3)]) == ["TopK(x, [3]) -> y"])
    #expect(try adapted(2, "Pad", [O.ints("pads", [0, 1, 0, 0, 0, 0, 0, 0])]) == ["Pad(x, [0, 1, 0, 0, 0, 0, 0, 0]) -> y"])
    #expect(
      try adapted(1, "Pad", [O.ints("paddings", [1, 1]), O.float("value", 2.5)], shape: [3])
        == ["Pad(x, [1, 1], 2.5) -> y"])
    #expect(try adapted(17, "DFT") == ["DFT(x, _, 1) -> y"])
  }

  @Test func clipBoundsBecomeScalarsOfTheDataType() throws {
    #expect(try adapted(6, "Clip", [O.float("max", 6)]) == ["Clip(x, _, 6.0) -> y"])
    #expect(try adapted(6, "Clip", [O.float("min", 0), O.float("max", 6)]) == ["Clip(x, 0.0, 6.0) -> y"])
    let half = try adapted(6, O.node("Clip", ["x"], ["y"], [O.float("min", 1)]), [O.input("x", [2], .float16)])
    #expect(half == ["CastLike(1.0, x) -> %3", "Clip(x, %3) -> y"])
  }

  @Test func splitStatesItsParts() throws {
    let sizes = try adapted(
      11, O.node("Split", ["x"], ["y", "z"], [O.ints("split", [1, 2]), O.int("axis", 1)]), [O.input("x", [2, 3])])
    #expect(sizes == ["Split(x, [1, 2]) axis=1 -> y, z"])
    let even = try adapted(13, O.node("Split", ["x"], ["y", "z"]), [O.input("x", [4])])
    #expect(even == ["Split(x) num_outputs=2 -> y, z"])
  }

  @Test func dropoutDropsNothingOutsideOfTraining() throws {
    #expect(try adapted(7, "Dropout", [O.float("ratio", 0.3)]) == ["Dropout(x) -> y"])
    #expect(try adapted(6, "Dropout", [O.int("is_test", 1)]) == ["Dropout(x) -> y"])
    #expect(try adapted(6, "Dropout", [O.float("ratio", 0.3)]) == ["Dropout(x, 0.3, 1) -> y"])
    let mask = try adapted(7, O.node("Dropout", ["x"], ["y", "m"]), [O.input("x", [2])])
    #expect(mask == ["Dropout(x) -> y, %3", "CastLike(%3, x) -> m"])
  }

  @Test func softmaxOverSeveralAxesIsOneOverRows() throws {
    #expect(try adapted(11, "Softmax", shape: [2, 3]) == ["Softmax(x) axis=-1 -> y"])
    #expect(try adapted(11, "Hardmax", [O.int("axis", 3)]) == ["Hardmax(x) axis=-1 -> y"])
    #expect(
      try adapted(12, "LogSoftmax", [O.int("axis", 2)]) == [
        "Flatten(x) axis=2 -> %2", "Shape(x) -> %3", "LogSoftmax(%2) axis=-1 -> %4", "Reshape(%4, %3) allowzero=1 -> y",
      ])
    #expect(try adapted(13, "Softmax", [O.int("axis", 1)]) == ["Softmax(x) axis=1 -> y"])
  }

  @Test func operandsBroadcastFromAnAxis() throws {
    let aligned = try adapted(
      6, O.node("Add", ["x", "b"], ["y"], [O.int("broadcast", 1), O.int("axis", 1)]),
      [O.input("x", [2, 3, 4, 5]), O.input("b", [3])])
    #expect(aligned == ["Unsqueeze(b, [1, 2]) -> %4", "Add(x, %4) -> y"])
    let trailing = try adapted(
      6, O.node("Mul", ["x", "b"], ["y"], [O.int("broadcast", 1)]), [O.input("x", [2, 3]), O.input("b", [3])])
    #expect(trailing == ["Mul(x, b) -> y"])
    let slope = try adapted(6, O.node("PRelu", ["x", "b"], ["y"]), [O.input("x", [2, 3, 4, 5]), O.input("b", [3])])
    #expect(slope == ["Unsqueeze(b, [1, 2]) -> %4", "PRelu(x, %4) -> y"])
    #expect(throws: ApusError.self) {
      try adapted(
        6, O.node("Add", ["x", "b"], ["y"], [O.int("broadcast", 1), O.int("axis", 4)]),
        [O.input("x", [2, 3, 4, 5]), O.input("b", [3])])
    }
  }

  @Test func batchNormalizationKnowsWhetherItTrains() throws {
    let inputs = ["x", "s", "b", "m", "v"]
    let types = [O.input("x", [2, 3, 4]), O.input("s", [3]), O.input("b", [3]), O.input("m", [3]), O.input("v", [3])]
    let tested = try adapted(
      6, O.node("BatchNormalization", inputs, ["y", "a", "c", "d", "e"], [O.int("is_test", 1), O.int("spatial", 1)]), types)
    #expect(tested == ["BatchNormalization(x, s, b, m, v) -> y"])
    let trained = try adapted(9, O.node("BatchNormalization", inputs, ["y", "a", "c"]), types)
    #expect(trained == ["BatchNormalization(x, s, b, m, v) training_mode=1 -> y, a, c"])
    let single = try adapted(7, O.node("BatchNormalization", inputs, ["y"], [O.int("spatial", 0)]), types)
    #expect(
      single == [
        "Add(v, 1e-05) -> %7", "Sqrt(%7) -> %8", "Sub(x, m) -> %9", "Div(%9, %8) -> %10", "Mul(%10, s) -> %11",
        "Add(%11, b) -> y",
      ])
  }

  @Test func groupParametersAreSpreadOverChannels() throws {
    let lines = try adapted(
      18, O.node("GroupNormalization", ["x", "s", "b"], ["y"], [O.int("num_groups", 2)]),
      [O.input("x", [1, 6, 4]), O.input("s", [2]), O.input("b", [2])])
    #expect(lines.first == "Shape(x) end=2 start=1 -> %4")
    #expect(lines.last?.hasPrefix("GroupNormalization(x, %") == true)
    #expect(lines.filter { $0.hasPrefix("Expand(") }.count == 2)
  }

  @Test func upsampleIsResize() throws {
    let coordinates = "coordinate_transformation_mode=asymmetric"
    #expect(
      try adapted(7, "Upsample", [O.floats("scales", [1, 1, 2, 2])])
        == ["Resize(x, _, [1.0, 1.0, 2.0, 2.0]) \(coordinates) nearest_mode=floor -> y"])
    #expect(
      try adapted(1, "Upsample", [O.float("height_scale", 2), O.float("width_scale", 3), O.string("mode", "bilinear")])
        == ["Resize(x, _, [1.0, 1.0, 2.0, 3.0]) \(coordinates) mode=linear nearest_mode=floor -> y"])
    let halved = try adapted(
      10, O.node("Resize", ["x", "c"], ["y"]), [O.input("x", [1, 1, 4, 4])], [O.floats("c", [4], [1, 1, 0.5, 0.5])])
    #expect(halved == ["Resize(x, _, c) \(coordinates) nearest_mode=ceil -> y"])
  }

  @Test func resizeLosesInputsWithoutElements() throws {
    let node = O.node(
      "Resize", ["x", "c1", "c1", "c2"], ["y"],
      [O.string("coordinate_transformation_mode", "tf_half_pixel_for_nn"), O.string("nearest_mode", "floor")])
    let lines = try adapted(
      11, node, [O.input("x", [1, 1, 4, 4])], [O.floats("c1", [0], []), O.integers("c2", [1, 1, 2, 2])])
    #expect(
      lines == ["Resize(x, _, _, c2) coordinate_transformation_mode=half_pixel nearest_mode=round_prefer_ceil -> y"])
  }

  @Test func namesKindsAndDefaultsOfAttributes() throws {
    #expect(try adapted(5, "Cast", [O.string("to", "INT64")]) == ["Cast(x) to=7 -> y"])
    #expect(throws: ApusError.self) { try adapted(5, "Cast", [O.string("to", "DECIMAL")]) }
    #expect(try adapted(3, "Concat") == ["Concat(x) axis=1 -> y"])
    #expect(try adapted(5, "Selu") == ["Selu(x) alpha=1.6732 gamma=1.0507 -> y"])
    #expect(try adapted(1, "GlobalLpPool", [O.float("p", 3)]) == ["GlobalLpPool(x) p=3 -> y"])
    #expect(throws: ApusError.self) { try adapted(1, "LpPool", [O.float("p", 1.5), O.ints("kernel_shape", [1, 1])]) }
    #expect(try adapted(5, "Relu", [O.ints("consumed_inputs", [0])]) == ["Relu(x) -> y"])
    let sampled = try adapted(
      16, O.node("GridSample", ["x", "g"], ["y"], [O.string("mode", "bicubic")]),
      [O.input("x", [1, 1, 4, 4]), O.input("g", [1, 2, 2, 2])])
    #expect(sampled == ["GridSample(x, g) mode=cubic -> y"])
    let aligned = try adapted(
      10, O.node("RoiAlign", ["x", "r", "i"], ["y"]),
      [O.input("x", [1, 1, 4, 4]), O.input("r", [1, 4]), O.input("i", [1], .int64)])
    #expect(aligned == ["RoiAlign(x, r, i) coordinate_transformation_mode=output_half_pixel -> y"])
    let scattered = try adapted(
      9, O.node("Scatter", ["x", "i", "u"], ["y"]),
      [O.input("x", [4]), O.input("i", [1], .int64), O.input("u", [1])])
    #expect(scattered == ["ScatterElements(x, i, u) -> y"])
  }

  @Test func tileRepeatsEveryAxis() throws {
    let lines = try adapted(
      1, O.node("Tile", ["x", "c1", "c2"], ["y"]), [O.input("x", [2, 3, 4])],
      [O.floats("c1", [1], [2]), O.floats("c2", [1], [1])])
    #expect(
      lines == [
        "Cast(c1) to=7 -> %4", "Reshape(%4, [1]) -> %6", "Concat([1], %6, [1]) axis=0 -> %9", "Tile(x, %9) -> y",
      ])
  }

  @Test func batchedScanIsAScanOverTheBatch() throws {
    let body = O.graph(
      [O.node("Add", ["s", "x"], ["t"]), O.node("Mul", ["t", "k"], ["z"])],
      inputs: [O.input("s", [2]), O.input("x", [2])], outputs: ["t", "z"], name: "body")
    let definition = try O.imported(
      O.model(
        operatorSet: 8,
        O.graph(
          [O.node("Scan", ["", "s0", "xs"], ["last", "all"], [O.graph("body", body), O.int("num_scan_inputs", 1)])],
          inputs: [O.input("s0", [1, 2]), O.input("xs", [1, 3, 2]), O.input("k", [])], outputs: ["last", "all"])))
    #expect(definition.listing() == ["Scan(s0, xs) body=graph1 num_scan_inputs=2 -> last, all"])
    #expect(definition.listing(1) == ["Scan(%1, %2) body=graph2 num_scan_inputs=1 -> %3, %4"])
    #expect(definition.listing(2) == ["Add(s, x) -> t", "Mul(t, k) -> z"])
    #expect(definition.graphs[1].captures.count == 1 && definition.graphs[2].captures.count == 1)
    #expect(definition.graphs[2].parent == 1)
  }

  @Test func versionsAreTheRegistrysNewestOfTheOperatorSet() throws {
    func version(_ operatorSet: Int64) throws -> Int32 {
      try O.imported(
        O.model(operatorSet: operatorSet, O.graph([O.node("Relu", ["x"], ["y"])], inputs: [O.input("x", [2])], outputs: ["y"]))
      )
      .graphs[0].nodes[0].sinceVersion
    }
    #expect(try version(7) == 14)
    #expect(try version(27) == 14)
    // What operator set 28 will change nobody knows yet.
    #expect(try version(28) == 28)
  }
}
