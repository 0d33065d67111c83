import ApusGraph

/// A change of an operator between operator sets: how a node of an older form is written in the next.
///
/// A node goes through all adapters of its operator whose `before` lies above its operator set, oldest first. Operators whose
/// versions differ in element types alone, or in attributes that are new and optional, need none.
struct Adapter: Sendable {
  typealias Change = @Sendable (Adaptation) throws(ApusError) -> Void

  /// The operator set that brought the newer form.
  var before: Int32
  var apply: Change

  /// Adapters by operator, ascending by `before`.
  static let table: [Name: [Adapter]] = {
    var table: [Name: [Adapter]] = [:]
    for entry in entries {
      for name in entry.names { table[name, default: []].append(Adapter(before: entry.before, apply: entry.change)) }
    }
    return table.mapValues { $0.sorted { $0.before < $1.before } }
  }()

  private struct Entry: Sendable {
    var names: [Name]
    var before: Int32
    var change: Change

    init(_ names: [Name], before: Int32, _ change: @escaping Change) {
      self.names = names
      self.before = before
      self.change = change
    }
  }

  private static let entries: [Entry] = [
    // Attributes that older forms had and that mean nothing for inference.
    Entry(
      [
        "Abs", "Add", "Ceil", "Clip", "Div", "Dropout", "Elu", "Exp", "Floor", "HardSigmoid", "InstanceNormalization",
        "LeakyRelu", "Log", "Max", "Mean", "Min", "Mul", "Neg", "PRelu", "Reciprocal", "Relu", "Reshape", "Selu",
        "Sigmoid", "Sqrt", "Sub", "Sum", "Tanh", "BatchNormalization",
      ], before: 6
    ) { node in node.take("consumed_inputs") },
    Entry(["RNN", "GRU", "LSTM"], before: 7) { node in node.take("output_sequence") },

    // Broadcasting.
    Entry(
      ["Add", "Sub", "Mul", "Div", "Pow", "And", "Or", "Xor", "Equal", "Greater", "Less"], before: 7, alignSecondOperand),
    Entry(["Gemm"], before: 7) { node in node.take("broadcast") },
    Entry(["PRelu"], before: 7, alignSlope),

    // Attributes that became inputs.
    Entry(["Reshape"], before: 5) { node throws(ApusError) in try moveIntegers("shape", of: node, to: 1) },
    Entry(["Squeeze", "Unsqueeze", "ReduceSum"], before: 13) { node throws(ApusError) in
      try moveIntegers("axes", of: node, to: 1, isRequired: node.node.operatorName == "Unsqueeze")
    },
    Entry(
      [
        "ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd",
        "ReduceSumSquare",
      ], before: 18
    ) { node throws(ApusError) in try moveIntegers("axes", of: node, to: 1, isRequired: false) },
    Entry(["Slice"], before: 10, moveSliceBounds),
    Entry(["TopK"], before: 10, moveTopKCount),
    Entry(["Clip"], before: 11, moveClipBounds),
    Entry(["Pad"], before: 2, renamePaddings),
    Entry(["Pad"], before: 11, movePads),
    Entry(["Dropout"], before: 12, moveDropoutRatio),
    Entry(["Split"], before: 2) { node in node.setDefault("axis", .int(0)) },
    Entry(["Split"], before: 13) { node throws(ApusError) in
      if node.input(1) < 0 { try moveIntegers("split", of: node, to: 1, isRequired: false) } else { node.take("split") }
    },
    Entry(["Split"], before: 18) { node in
      if node.input(1) < 0 { node.set("num_outputs", .int(Int64(node.node.outputs.count))) }
    },
    Entry(["Tile"], before: 6, tileAllAxes),
    Entry(["DFT"], before: 20) { node throws(ApusError) in
      node.setInput(2, try node.scalar(try node.takeInt("axis") ?? 1))
    },

    // Defaults and names that changed.
    Entry(["Cast"], before: 6, nameCastTarget),
    Entry(["Concat"], before: 4) { node in node.setDefault("axis", .int(1)) },
    Entry(["Selu"], before: 6) { node in
      node.setDefault("alpha", .float(1.6732))
      node.setDefault("gamma", .float(1.0507))
    },
    Entry(["LpPool", "GlobalLpPool"], before: 2, roundNormOrder),
    Entry(["GridSample"], before: 20, renameInterpolation),
    Entry(["RoiAlign"], before: 16) { node in
      node.setDefault("coordinate_transformation_mode", .string("output_half_pixel"))
    },
    Entry(["Scatter"], before: Int32.max) { node in node.node.operatorName = "ScatterElements" },

    // Semantics that changed.
    Entry(["Softmax", "LogSoftmax", "Hardmax"], before: 13, flattenForSoftmax),
    Entry(["BatchNormalization"], before: 14, chooseBatchStatistics),
    Entry(["GroupNormalization"], before: 21, spreadGroupParameters),
    Entry(["Upsample"], before: Int32.max, replaceUpsample),
    Entry(["Resize"], before: 11, stateFirstResizeCoordinates),
    Entry(["Resize"], before: 13, replaceNearestHalfPixel),
    Entry(["Resize"], before: Int32.max, dropEmptyResizeInputs),
  ]
}
