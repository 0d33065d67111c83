import ApusGraph
import Foundation
import Testing

import ApusRuntime

/// Normalizations and losses against their formulas in double precision.
@Suite struct NormalizationTests {
  private let operators = OperatorTests()

  /// Mean and variance of each row of `n`.
  private func moments(_ x: [Double]) -> (mean: Double, variance: Double) {
    let mean = x.reduce(0, +) / Double(x.count)
    return (mean, x.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(x.count))
  }

  @Test(arguments: 0..<24) func rowsAreNormalizedWhateverTheFactorsExtents(seed: UInt64) throws {
    var random = SeededGenerator(seed: seed)
    let shape = [random.int(1...3), random.int(1...5), random.int(1...40)]
    let axis = random.int(0...2)
    let isRMS = random.bool()
    let scaleShape = [[shape[2]], [1], Array(shape[axis...]), [shape[1], 1], shape][random.int(0...4)]
    let x = random.floats(shape.reduce(1, *), in: -3...5)
    let scale = random.floats(scaleShape.reduce(1, *))
    var builder = ModelBuilder()
    var operands = [builder.input("x", Shape(shape)), builder.constant(scale, scaleShape, "scale")]
    let bias = isRMS ? nil : random.floats(shape[2])
    if let bias { operands.append(builder.constant(bias, [shape[2]], "bias")) }
    builder.output(
      builder.node(
        isRMS ? "RMSNormalization" : "LayerNormalization", version: isRMS ? 23 : 17, operands,
        [Attribute("axis", .int(Int64(axis - 3)))])[0])
    let n = shape[axis...].reduce(1, *)
    var expected: [Double] = []
    for (index, value) in x.enumerated() {
      let row = x[(index / n * n)..<(index / n * n + n)].map { Double($0) }
      let (mean, variance) = isRMS ? (0, row.reduce(0) { $0 + $1 * $1 } / Double(n)) : moments(row)
      let coordinate = [index / shape[2] / shape[1], index / shape[2] % shape[1], index % shape[2]]
      var place = 0
      for (extent, c) in zip(scaleShape, coordinate.suffix(scaleShape.count)) { place = place * extent + (extent == 1 ? 0 : c) }
      let y = (Double(value) - mean) / (variance + 1e-5).squareRoot() * Double(scale[place])
      expected.append(y + Double(bias?[coordinate[2]] ?? 0))
    }
    try operators.check(
      builder.definition, [TestTensor(x, shape)], expected, shape, tolerance: 2e-4,
      "seed \(seed): \(shape) from axis \(axis), scale \(scaleShape)")
  }

  @Test func layerNormalizationGivesItsStatistics() throws {
    var builder = ModelBuilder()
    let outputs = builder.node(
      "LayerNormalization", version: 17, [builder.input("x", [2, 2]), builder.constant([1, 1], [2])], outputs: 3,
      [Attribute("epsilon", .float(0))])
    for id in outputs { builder.output(id) }
    let result = try runOnce(builder.definition, [TestTensor([Float](arrayLiteral: 1, 3, -4, 4), [2, 2])])
    #expect(result[0].floats == [-1, 1, -1, 1])
    #expect(result[1] == TestTensor([Float](arrayLiteral: 2, 0), [2, 1]))
    #expect(result[2] == TestTensor([Float](arrayLiteral: 1, 0.25), [2, 1]))
  }

  @Test(arguments: [1, 2, 4]) func groupsOfChannelsAreNormalizedTogether(groups: Int) throws {
    var random = SeededGenerator(seed: UInt64(groups))
    let shape = [2, 4, 3, 5]
    let x = random.floats(120), scale = random.floats(4), bias = random.floats(4)
    var builder = ModelBuilder()
    let operands = [builder.input("x", Shape(shape)), builder.constant(scale, [4]), builder.constant(bias, [4])]
    if groups == 4 {
      builder.output(builder.node("InstanceNormalization", version: 22, operands)[0])
    } else {
      builder.output(
        builder.node("GroupNormalization", version: 21, operands, [Attribute("num_groups", .int(Int64(groups)))])[0])
    }
    let n = 60 / groups
    let expected = x.indices.map { index in
      let (mean, variance) = moments(x[(index / n * n)..<(index / n * n + n)].map { Double($0) })
      let channel = index / 15 % 4
      return (Double(x[index]) - mean) / (variance + 1e-5).squareRoot() * Double(scale[channel]) + Double(bias[channel])
    }
    try operators.check(builder.definition, [TestTensor(x, shape)], expected, shape, tolerance: 1e-4, "\(groups) groups")
  }

  @Test func meanAndVarianceOverAnyAxes() throws {
    var random = SeededGenerator(seed: 7)
    let shape = [3, 4, 5]
    let x = random.floats(60)
    var builder = ModelBuilder()
    builder.output(
      builder.node(
        "MeanVarianceNormalization", version: 13, [builder.input("x", Shape(shape))], [Attribute("axes", .ints([0, -1]))])[0])
    let expected = x.indices.map { index in
      let (mean, variance) = moments(x.indices.filter { $0 / 5 % 4 == index / 5 % 4 }.map { Double(x[$0]) })
      return (Double(x[index]) - mean) / (variance.squareRoot() + 1e-9)
    }
    try operators.check(builder.definition, [TestTensor(x, shape)], expected, shape, tolerance: 1e-4, "axes 0 and 2")
  }

  /// Batch normalization in double precision whose statistics are inputs.
  @Test(arguments: [false, true]) func batchStatisticsMayBeComputed(training: Bool) throws {
    var random = SeededGenerator(seed: 9)
    let shape = [3, 2, 4]
    let x = random.floats(24).map { Double($0) }
    let vectors = [[1.5, -2], [0.25, 1], [0.5, -0.5], [2, 4]]
    var builder = ModelBuilder()
    let operands =
      [builder.input("x", Shape(shape), .float64)]
      + (0..<4).map { builder.input(Name("v\($0)"), [2], .float64) }
    let outputs = builder.node(
      "BatchNormalization", version: 15, operands, outputs: training ? 3 : 1,
      [Attribute("training_mode", .int(training ? 1 : 0)), Attribute("momentum", .float(0.75))])
    for id in outputs { builder.output(id) }
    let result = try runOnce(builder.definition, [TestTensor(x, shape)] + vectors.map { TestTensor($0, [2]) })
    let batch = (0..<2).map { channel in moments(x.indices.filter { $0 / 4 % 2 == channel }.map { x[$0] }) }
    let y = result[0].values(Double.self)
    for index in x.indices {
      let c = index / 4 % 2
      let (mean, variance) = training ? batch[c] : (vectors[2][c], vectors[3][c])
      let expected = (x[index] - mean) / (variance + Double(Float(1e-5))).squareRoot() * vectors[0][c] + vectors[1][c]
      #expect(abs(y[index] - expected) < 1e-12)
    }
    guard training else { return }
    for c in 0..<2 {
      #expect(abs(result[1].values(Double.self)[c] - (vectors[2][c] * 0.75 + batch[c].mean * 0.25)) < 1e-15)
      #expect(abs(result[2].values(Double.self)[c] - (vectors[3][c] * 0.75 + batch[c].variance * 0.25)) < 1e-15)
    }
  }

  @Test(arguments: [(3, 0.75), (4, 0.6)]) func responsesAreNormalizedAcrossChannels(size: Int, beta: Float) throws {
    var random = SeededGenerator(seed: UInt64(size))
    let shape = [2, 6, 70]
    let x = random.floats(840)
    var builder = ModelBuilder()
    builder.output(
      builder.node(
        "LRN", version: 13, [builder.input("x", Shape(shape))],
        [Attribute("size", .int(Int64(size))), Attribute("alpha", .float(0.5)), Attribute("beta", .float(beta))])[0])
    let expected = x.indices.map { index in
      let channel = index / 70 % 6
      var sum = 0.0
      for other in max(0, channel - (size - 1) / 2)...min(5, channel + size / 2) {
        sum += pow(Double(x[index + (other - channel) * 70]), 2)
      }
      return Double(x[index]) / pow(1 + 0.5 / Double(size) * sum, Double(beta))
    }
    try operators.check(builder.definition, [TestTensor(x, shape)], expected, shape, tolerance: 1e-5, "size \(size)")
  }

  /// The cross-entropy of two items of two classes at two places, one of them ignored.
  private func crossEntropy(targets: [Int64], _ reduction: Name) throws -> [TestTensor] {
    var builder = ModelBuilder()
    let operands = [
      builder.input("scores", [1, 2, 2]), builder.input("labels", [1, 2], .int64), builder.constant([2, 4], [2], "weights"),
    ]
    let outputs = builder.node(
      "SoftmaxCrossEntropyLoss", version: 13, operands, outputs: 2,
      [Attribute("ignore_index", .int(-7)), Attribute("reduction", .string(reduction))])
    for id in outputs { builder.output(id) }
    return try runOnce(
      builder.definition, [TestTensor([Float](arrayLiteral: 0, 1, 0, 3), [1, 2, 2]), TestTensor(targets, [1, 2])])
  }

  @Test func lossesAreWeighedAndIgnored() throws {
    let half = log(2.0), other = log(1 + exp(-2.0))
    let single = try crossEntropy(targets: [0, 1], "none")[0].floats
    #expect(zip(single, [2 * half, 4 * other]).allSatisfy { abs(Double($0) - $1) < 1e-6 })
    #expect(abs(Double(try crossEntropy(targets: [0, 1], "mean")[0].floats[0]) - (2 * half + 4 * other) / 6) < 1e-6)
    let ignored = try crossEntropy(targets: [0, -7], "mean")
    #expect(ignored[0].shape.isEmpty && abs(Double(ignored[0].floats[0]) - half) < 1e-6)
    #expect(abs(Double(ignored[1].floats[3]) + other) < 1e-6)
  }

  @Test func aTargetThatIsNoClassIsNamed() {
    #expect {
      _ = try crossEntropy(targets: [0, 2], "sum")
    } throws: { ($0 as? ApusError)?.status == .valueOutOfRange }
  }
}
