import ApusGraph
import Testing

@testable import ApusTraining

/// An array of doubles with a shape: what the reference functions compute on.
struct Reference {
  var values: [Double]
  var shape: [Int]

  init(_ values: [Double], _ shape: [Int]) {
    self.values = values
    self.shape = shape
  }

  /// Values that a float holds exactly, uniform in `range`.
  init(random shape: [Int], in range: ClosedRange<Double> = -1...1, _ generator: inout RandomGenerator) {
    self.shape = shape
    let width = range.upperBound - range.lowerBound
    values = []
    for _ in 0..<shape.reduce(1, *) {
      let value = range.lowerBound + width * Double(generator.nextUniform())
      values.append(Double(Float(value)))
    }
  }

  func tensor(in context: Context, requiresGradient: Bool = true) throws -> Tensor {
    try Tensor(values.map { Float($0) }, shape: shape, context: context, requiresGradient: requiresGradient)
  }
}

/// Compares an operator with a reference in float64: the forward element by element, and the gradients by all inputs with
/// central differences of the reference.
///
/// The differentiated scalar is the mean of the outputs with random weights. Differences of float64 with a step of 1e-5 are good
/// to about 1e-9, so that the tolerance is that of the float32 operator alone.
func checkGradients(
  of inputs: [Reference], seed: UInt64, tolerance: Double = 2e-5, training: Bool = true, skipping fixed: Set<Int> = [],
  reference: ([Reference]) -> Reference, _ operation: ([Tensor]) throws -> Tensor,
  sourceLocation: SourceLocation = #_sourceLocation
) throws {
  var generator = RandomGenerator(seed: seed, stream: RandomGenerator.Stream(99))
  let context = try Context(threads: 2)
  context.isTraining = training
  context.recordsGradients = true
  var tensors: [Tensor] = []
  for (index, input) in inputs.enumerated() {
    tensors.append(try input.tensor(in: context, requiresGradient: !fixed.contains(index)))
  }

  let output = try operation(tensors)
  let expected = reference(inputs)
  #expect(output.shape == expected.shape, sourceLocation: sourceLocation)
  for (index, pair) in zip(output.values, expected.values).enumerated() {
    #expect(
      abs(Double(pair.0) - pair.1) <= tolerance * max(1, abs(pair.1)), "forward, element \(index), seed \(seed)",
      sourceLocation: sourceLocation)
  }

  let weights = Reference(random: expected.shape, &generator)
  try (output * weights.tensor(in: context, requiresGradient: false)).mean().backward()
  func scalar(_ inputs: [Reference]) -> Double {
    let result = reference(inputs)
    var sum = 0.0
    for (value, weight) in zip(result.values, weights.values) { sum += value * weight }
    return sum / Double(max(result.values.count, 1))
  }
  for index in inputs.indices where !fixed.contains(index) {
    let gradient = try #require(tensors[index].gradient, "input \(index) has a gradient", sourceLocation: sourceLocation)
    #expect(gradient.shape == inputs[index].shape, sourceLocation: sourceLocation)
    let values = gradient.values
    let differences = inputs[index].values.indices.map { element -> Double in
      let step = 1e-5
      var (up, down) = (inputs, inputs)
      up[index].values[element] += step
      down[index].values[element] -= step
      return (scalar(up) - scalar(down)) / (2 * step)
    }
    let scale = max(differences.map(abs).max() ?? 0, 1e-3)
    for (element, difference) in differences.enumerated() {
      #expect(
        abs(Double(values[element]) - difference) <= tolerance * scale * 4,
        "gradient by input \(index), element \(element), seed \(seed): \(values[element]) and \(difference)",
        sourceLocation: sourceLocation)
    }
  }
}
