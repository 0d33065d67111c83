import ApusGraph

/// Rounded weights shift the mean of what a layer gives by their error times the mean of what it reads; taken from the bias, the
/// shift is gone (Nagel et al. 2019, "Data-Free Quantization Through Weight Equalization and Bias Correction", section 4.2, with
/// means from samples).
struct BiasCorrection {
  /// By position of the node with weights: what is added to each output channel.
  private(set) var corrections: [Int: [Double]] = [:]

  /// - Parameter channelMeans: by value, of the channels of axis 1 for convolutions, of the last axis for products.
  init(_ draft: ModelDraft, _ plan: QuantizationPlan, _ channelMeans: [ValueID: [Double]]) throws(ApusError) {
    for position in plan.layers {
      let node = draft.graph.nodes[position]
      guard case .product(let axis) = plan.roles[position], let means = channelMeans[node.inputs[0]], !means.isEmpty,
        let dimensions = draft.tensor(node.inputs[1])?.dimensions
      else { continue }
      let weights = try draft.finiteFloats(node.inputs[1])
      let rounded = ChannelWeights(weights, dimensions: dimensions, axis: axis).values
      let errors = zip(weights, rounded).map { Double($0) - Double($1) }
      if node.isStandard("Conv") {
        corrections[position] = Self.convolution(errors, dimensions, means, groups: node.int("group", default: 1))
      } else {
        corrections[position] = Self.product(errors, dimensions, means, columnsFirst: axis == 0)
      }
    }
  }

  /// Weights [M, C / groups, ...]; what padding adds is left out.
  private static func convolution(_ errors: [Double], _ dimensions: [Int], _ means: [Double], groups: Int) -> [Double]? {
    let (outputs, inputs) = (dimensions[0], dimensions[1])
    guard groups > 0, outputs % groups == 0, means.count == inputs * groups else { return nil }
    let window = dimensions[2...].reduce(1, *)
    var result = [Double](repeating: 0, count: outputs)
    for output in 0..<outputs {
      let group = output / (outputs / groups)
      for input in 0..<inputs {
        let start = (output * inputs + input) * window
        result[output] += errors[start..<start + window].reduce(0, +) * means[group * inputs + input]
      }
    }
    return result
  }

  /// Weights [K, N], or [N, K] where columns come first.
  private static func product(
    _ errors: [Double], _ dimensions: [Int], _ means: [Double], columnsFirst: Bool
  ) -> [Double]? {
    let (columns, depth) = columnsFirst ? (dimensions[0], dimensions[1]) : (dimensions[1], dimensions[0])
    guard means.count == depth else { return nil }
    var result = [Double](repeating: 0, count: columns)
    for column in 0..<columns {
      for k in 0..<depth { result[column] += errors[columnsFirst ? column * depth + k : k * columns + column] * means[k] }
    }
    return result
  }
}
