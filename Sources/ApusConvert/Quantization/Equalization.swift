import ApusGraph
import Foundation

/// Makes the ranges of a layer's output channels alike: what a channel is multiplied by, the next layer's weights for it are
/// divided by. With one range for all channels, none is then left with few codes (Nagel et al. 2019, section 4.1; ranges of
/// activations come from samples instead of weights, since weights have scales channel by channel).
struct Equalization {
  /// A layer, and the one that alone reads what it gives.
  private struct Pair {
    let first: Int
    let second: Int
    /// What the second reads.
    let value: ValueID
  }

  private(set) var draft: ModelDraft
  private let pairs: [Pair]
  /// Factors are at most this far from their mean.
  private static let largestFactor = 8.0

  init(_ draft: ModelDraft, _ plan: QuantizationPlan) {
    self.draft = draft
    let readers = draft.readers
    let writers = draft.writers
    var pairs: [Pair] = []
    for second in plan.layers {
      let node = draft.graph.nodes[second]
      var value = node.inputs[0]
      // Through what commutes with factors above 0.
      while let writer = writers[value], readers[Int(value)] == 1 {
        let between = draft.graph.nodes[writer]
        if ["Relu", "LeakyRelu", "MaxPool", "AveragePool", "GlobalAveragePool"].contains(between.operatorName) {
          value = between.inputs[0]
          continue
        }
        if plan.layers.contains(writer), between.operatorName == node.operatorName, ["Conv", "Gemm"].contains(node.operatorName) {
          pairs.append(Pair(first: writer, second: second, value: node.inputs[0]))
        }
        break
      }
    }
    self.pairs = pairs
  }

  var isEmpty: Bool { pairs.isEmpty }
  var count: Int { pairs.count }

  /// Rewrites the weights.
  /// - Parameter magnitudes: by value, the largest magnitude of each channel of what the second layers read.
  mutating func apply(_ magnitudes: [ValueID: [Float]]) throws(ApusError) {
    for pair in pairs {
      guard let ranges = magnitudes[pair.value] else { continue }
      let factors = try factors(pair, ranges)
      guard factors.contains(where: { $0 != 1 }) else { continue }
      try scale(pair.first, outputs: factors)
      try scale(pair.second, inputs: factors.map { 1 / $0 })
    }
  }

  /// The axis of input channels of a layer's weights, and how many there are in a group.
  private func inputAxis(_ node: Node) -> Int { node.isStandard("Conv") || node.int("transB") != 0 ? 1 : 0 }
  private func outputAxis(_ node: Node) -> Int { 1 - inputAxis(node) }

  /// Calls `body` with the place of each weight and the channel that it reads.
  private func forEachInput(_ node: Node, _ dimensions: [Int], _ body: (Int, Int) -> Void) {
    let groups = max(node.int("group", default: 1), 1)
    let axis = inputAxis(node)
    let inner = dimensions[(axis + 1)...].reduce(1, *)
    let rows = axis == 1 ? dimensions[0] / groups : 1
    for index in 0..<dimensions.reduce(1, *) {
      let within = index / inner % dimensions[axis]
      let group = axis == 1 ? index / (inner * dimensions[1]) / max(rows, 1) : 0
      body(index, group * dimensions[axis] + within)
    }
  }

  private func factors(_ pair: Pair, _ ranges: [Float]) throws(ApusError) -> [Float] {
    let node = draft.graph.nodes[pair.second]
    guard let dimensions = draft.tensor(node.inputs[1])?.dimensions else { return [] }
    let weights = try draft.finiteFloats(node.inputs[1])
    var columns = [Float](repeating: 0, count: ranges.count)
    // A depthwise layer has a scale for each channel: its weights bear any factor.
    let isDepthwise = dimensions[1] == 1 && node.int("group", default: 1) == ranges.count
    forEachInput(node, dimensions) { index, channel in
      if channel < columns.count { columns[channel] = max(columns[channel], abs(weights[index])) }
    }
    let logarithms = zip(ranges, columns).map { range, column -> Double? in
      guard range > 0, column > 0 else { return nil }
      let own = Foundation.log2(Double(range))
      return isDepthwise ? -own : 0.5 * (Foundation.log2(Double(column)) - own)
    }
    let known = logarithms.compactMap { $0 }
    guard !known.isEmpty else { return [] }
    let mean = known.reduce(0, +) / Double(known.count)
    let bound = Foundation.log2(Self.largestFactor)
    return logarithms.map { $0.map { Float(Foundation.exp2(min(max($0 - mean, -bound), bound))) } ?? 1 }
  }

  private mutating func scale(_ position: Int, outputs factors: [Float]) throws(ApusError) {
    var node = draft.graph.nodes[position]
    guard let dimensions = draft.tensor(node.inputs[1])?.dimensions else { return }
    let axis = outputAxis(node)
    let inner = dimensions[(axis + 1)...].reduce(1, *)
    let weights = try draft.floats(node.inputs[1]).enumerated().map {
      $0.element * factors[$0.offset / inner % dimensions[axis]]
    }
    node.inputs[1] = draft.addConstant(draft.name(node.inputs[1]) + ".equal", .float32, dimensions, weights)
    if node.inputs.count > 2, node.inputs[2] >= 0, let bias = draft.tensor(node.inputs[2])?.dimensions {
      let values = zip(try draft.floats(node.inputs[2]), factors).map { $0 * $1 }
      node.inputs[2] = draft.addConstant(draft.name(node.inputs[2]) + ".equal", .float32, bias, values)
    }
    draft.graph.nodes[position] = node
  }

  private mutating func scale(_ position: Int, inputs factors: [Float]) throws(ApusError) {
    var node = draft.graph.nodes[position]
    guard let dimensions = draft.tensor(node.inputs[1])?.dimensions else { return }
    var weights = try draft.floats(node.inputs[1])
    forEachInput(node, dimensions) { index, channel in weights[index] *= factors[channel] }
    node.inputs[1] = draft.addConstant(draft.name(node.inputs[1]) + ".equal", .float32, dimensions, weights)
    draft.graph.nodes[position] = node
  }
}
