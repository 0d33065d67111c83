import ApusGraph
import Testing

@testable import ApusTraining

/// Random extents for window operators: one case a seed.
private struct WindowCase {
  var window = Reference.Window()
  var input: [Int]

  init(_ generator: inout RandomGenerator, channels: Int, dilates: Bool = true) {
    let draw = { (bound: UInt32, generator: inout RandomGenerator) in Int(generator.nextInteger(below: bound)) }
    window.kernel = [1 + draw(3, &generator), 1 + draw(3, &generator)]
    window.strides = [1 + draw(2, &generator), 1 + draw(3, &generator)]
    window.dilations = dilates ? [1 + draw(2, &generator), 1 + draw(2, &generator)] : [1, 1]
    // Padding smaller than the kernel, so that every window has an element.
    let (vertical, horizontal) = (UInt32(window.kernel[0]), UInt32(window.kernel[1]))
    window.pads = [
      draw(vertical, &generator), draw(horizontal, &generator), draw(vertical, &generator), draw(horizontal, &generator),
    ]
    input = [1 + draw(3, &generator), channels, 5 + draw(4, &generator), 5 + draw(5, &generator)]
  }

  var attributes: [Attribute] {
    [("kernel_shape", window.kernel), ("strides", window.strides), ("pads", window.pads), ("dilations", window.dilations)].map {
      Attribute(Name($0.0), .ints($0.1.map { Int64($0) }))
    }
  }
}

@Suite struct LayerGradientTests {
  @Test(arguments: [UInt64](0..<16))
  func convolutionDifferentiates(_ seed: UInt64) throws {
    var generator = RandomGenerator(seed: seed)
    let groups = [1, 1, 2, 3][Int(seed % 4)]
    let channels = groups * (1 + Int(generator.nextInteger(below: 3)))
    let filters = groups * (1 + Int(generator.nextInteger(below: 3)))
    let item = WindowCase(&generator, channels: channels)
    let attributes = item.attributes + [Attribute("group", .int(Int64(groups)))]
    let inputs = [
      Reference(random: item.input, &generator),
      Reference(random: [filters, channels / groups] + item.window.kernel, &generator),
      Reference(random: [filters], &generator),
    ]
    try checkGradients(
      of: inputs, seed: seed, reference: { $0[0].convolution($0[1], bias: $0[2], item.window, groups: groups) }
    ) { try Operator.conv.single([.tensor($0[0]), .tensor($0[1]), .tensor($0[2])], attributes) }
    // Without a bias, and with weights that are not trained.
    try checkGradients(
      of: Array(inputs.prefix(2)), seed: seed, skipping: [1],
      reference: { $0[0].convolution($0[1], bias: nil, item.window, groups: groups) }
    ) { try Operator.conv.single([.tensor($0[0]), .tensor($0[1])], attributes) }
  }

  @Test func pointwiseConvolutionDifferentiates() throws {
    var generator = RandomGenerator(seed: 40)
    let inputs = [Reference(random: [17, 3, 4, 4], &generator), Reference(random: [5, 3, 1, 1], &generator)]
    try checkGradients(of: inputs, seed: 40, reference: { $0[0].convolution($0[1], bias: nil, Reference.Window(), groups: 1) }) {
      try Operator.conv.single([.tensor($0[0]), .tensor($0[1])], [])
    }
  }

  @Test(arguments: [UInt64](0..<12))
  func poolingDifferentiates(_ seed: UInt64) throws {
    var generator = RandomGenerator(seed: seed)
    let item = WindowCase(&generator, channels: 2)
    let x = [Reference(random: item.input, &generator)]
    try checkGradients(of: x, seed: seed, reference: { $0[0].maxPool(item.window) }) {
      try Operator.maxPool.single([.tensor($0[0])], item.attributes)
    }
    for countsPadding in [false, true] {
      let attributes = item.attributes + [Attribute("count_include_pad", .int(countsPadding ? 1 : 0))]
      try checkGradients(of: x, seed: seed, reference: { $0[0].averagePool(item.window, countsPadding: countsPadding) }) {
        try Operator.averagePool.single([.tensor($0[0])], attributes)
      }
    }
    try checkGradients(of: x, seed: seed, reference: { $0[0].globalAveragePool() }) { try GlobalAveragePool()($0[0]) }
  }

  /// Widths around the four outputs that squares are pooled by.
  @Test(arguments: [2, 3, 4, 7, 8, 9, 10, 13, 16, 25, 28])
  func poolingOfSquaresDifferentiates(_ width: Int) throws {
    var generator = RandomGenerator(seed: UInt64(width))
    let x = [Reference(random: [2, 3, 5, width], &generator)]
    let window = Reference.Window(kernel: [2, 2], strides: [2, 2])
    try checkGradients(of: x, seed: UInt64(width), reference: { $0[0].maxPool(window) }) { try MaxPool2d(2)($0[0]) }
  }

  @Test func ofEqualElementsTheFirstTakesTheGradient() throws {
    let context = try Context(threads: 1)
    context.recordsGradients = true
    for shape in [[1, 1, 2, 2], [1, 1, 2, 10]] {
      let x = try Tensor(repeating: 1, shape: shape, context: context, requiresGradient: true)
      try MaxPool2d(2)(x).mean().backward()
      let gradient = try #require(x.gradient?.values)
      let share = 1 / Float(shape[3] / 2)
      #expect(gradient == (0..<x.count).map { $0 < shape[3] && $0 % 2 == 0 ? share : 0 })
    }
  }

  @Test(arguments: [(3, 4, 5), (1, 1, 1), (64, 33, 20), (130, 70, 90)])
  func matrixProductDifferentiates(_ m: Int, _ k: Int, _ n: Int) throws {
    var generator = RandomGenerator(seed: UInt64(m))
    for transposed in [true, false] where m < 100 || transposed {
      let inputs = [
        Reference(random: [m, k], &generator), Reference(random: transposed ? [n, k] : [k, n], &generator),
        Reference(random: [n], &generator),
      ]
      // The large one shows that splitting over threads covers every row; differences would take minutes.
      guard m < 50 else {
        let context = try Context(threads: 2)
        let result = try Operator.gemm.single(
          inputs.map { .tensor(try $0.tensor(in: context)) }, [Attribute("transB", .int(transposed ? 1 : 0))])
        let expected = inputs[0].product(inputs[1], transposed: transposed, bias: inputs[2])
        for (a, b) in zip(result.values, expected.values) { #expect(abs(Double(a) - b) < 1e-4) }
        continue
      }
      try checkGradients(
        of: inputs, seed: UInt64(m), reference: { $0[0].product($0[1], transposed: transposed, bias: $0[2]) }
      ) {
        try Operator.gemm.single($0.map { .tensor($0) }, [Attribute("transB", .int(transposed ? 1 : 0))])
      }
    }
  }

  @Test(arguments: [[4, 3, 5, 5], [6, 2], [2, 3, 7], [3, 1, 1, 9]])
  func batchNormalizationDifferentiates(_ shape: [Int]) throws {
    var generator = RandomGenerator(seed: UInt64(shape[0]))
    let channels = [shape[1]]
    let inputs = [
      Reference(random: shape, in: -2...3, &generator), Reference(random: channels, in: 0.5...2, &generator),
      Reference(random: channels, &generator), Reference(random: channels, &generator),
      Reference(random: channels, in: 0.5...2, &generator),
    ]
    let training = [Attribute("epsilon", .float(1e-3)), Attribute("training_mode", .int(1))]
    try checkGradients(of: inputs, seed: 1, skipping: [3, 4]) { inputs in
      let (mean, variance) = inputs[0].channelStatistics()
      return inputs[0].batchNormalized(
        scale: inputs[1], bias: inputs[2], mean: mean, variance: variance, epsilon: Double(Float(1e-3)))
    } _: {
      try Operator.batchNormalization.single($0.map { .tensor($0) }, training)
    }
    try checkGradients(of: inputs, seed: 1, skipping: [3, 4]) { inputs in
      inputs[0].batchNormalized(
        scale: inputs[1], bias: inputs[2], mean: inputs[3].values, variance: inputs[4].values, epsilon: Double(Float(1e-5)))
    } _: {
      try Operator.batchNormalization.single($0.map { .tensor($0) }, [])
    }
  }

  @Test func batchNormalizationKeepsRunningStatistics() throws {
    var generator = RandomGenerator(seed: 3)
    let context = try Context(threads: 2)
    let layer = try BatchNorm2d(3, momentum: 0.75)
    var (mean, variance) = ([0.0, 0, 0], [1.0, 1, 1])
    for _ in 0..<3 {
      let x = Reference(random: [4, 3, 6, 6], in: -1...5, &generator)
      try context.with(training: true, gradients: false) { () throws(ApusError) in
        _ = try layer(try Tensor(x.values.map { Float($0) }, shape: x.shape, context: context))
      }
      let batch = x.channelStatistics()
      mean = zip(mean, batch.mean).map { 0.75 * $0 + 0.25 * $1 }
      variance = zip(variance, batch.variance).map { 0.75 * $0 + 0.25 * $1 }
    }
    for channel in 0..<3 {
      #expect(abs(Double(layer.runningMean.values[channel]) - mean[channel]) < 1e-5)
      #expect(abs(Double(layer.runningVariance.values[channel]) - variance[channel]) < 1e-5)
    }
  }

  @Test(arguments: [UInt64](0..<6))
  func lstmDifferentiates(_ seed: UInt64) throws {
    var generator = RandomGenerator(seed: seed)
    let (steps, batch, features, hidden) = (1 + Int(seed), 2, 3, 4)
    let (direction, reverse): (Name, [Bool]) = [
      ("forward", [false]), ("reverse", [true]), ("bidirectional", [false, true]),
    ][Int(seed % 3)]
    let d = reverse.count
    let hasInitial = seed % 2 == 0
    var inputs = [
      Reference(random: [steps, batch, features], &generator), Reference(random: [d, 4 * hidden, features], &generator),
      Reference(random: [d, 4 * hidden, hidden], &generator), Reference(random: [d, 8 * hidden], &generator),
    ]
    if hasInitial {
      inputs += [Reference(random: [d, batch, hidden], &generator), Reference(random: [d, batch, hidden], &generator)]
    }
    let attributes = [Attribute("hidden_size", .int(Int64(hidden))), Attribute("direction", .string(direction))]
    // Y, Y_h and Y_c one after the other, as one tensor that each takes part in.
    for output in 0..<3 {
      try checkGradients(of: inputs, seed: seed, tolerance: 5e-5) { inputs in
        let result = inputs[0].lstm(
          inputs[1], inputs[2], bias: inputs[3], initialH: hasInitial ? inputs[4] : nil,
          initialC: hasInitial ? inputs[5] : nil, hidden: hidden, reverse: reverse)
        return [result.y, result.h, result.c][output]
      } _: { tensors in
        var operands: [ApusTraining.Operand] = tensors.prefix(4).map { .tensor($0) }
        if hasInitial { operands += [.absent, .tensor(tensors[4]), .tensor(tensors[5])] }
        return try Operator.lstm(operands, attributes, outputs: 3)[output]
      }
    }
  }

  @Test func dropoutKeepsTheMeanAndItsGradient() throws {
    let context = try Context(threads: 2, seed: 11)
    context.isTraining = true
    context.recordsGradients = true
    let count = 20_001
    let x = try Tensor(repeating: 1, shape: [count], context: context, requiresGradient: true)
    let y = try Dropout(0.25)(x)
    let dropped = y.values.filter { $0 == 0 }.count
    #expect(abs(Double(dropped) / Double(count) - 0.25) < 0.01)
    #expect(y.values.allSatisfy { $0 == 0 || abs($0 - 1 / 0.75) < 1e-6 })
    try y.mean().backward()
    let gradient = try #require(x.gradient?.values)
    #expect(zip(gradient, y.values).allSatisfy { abs($0 * Float(count) - $1) < 1e-5 })
    // The next mask is another; without training there is none.
    #expect(try Dropout(0.25)(x).values != y.values)
    context.isTraining = false
    #expect(try Dropout(0.25)(x).values == x.values)
    #expect(throws: ApusError.self) { try Dropout(1) }
  }

  @Test func inputsThatDoNotFitAreRefused() throws {
    var generator = RandomGenerator(seed: 1)
    let context = try Context(threads: 1)
    let image = try Tensor(repeating: 1, shape: [1, 3, 4, 4], context: context)
    let tooLarge = try Conv2d(3, 2, kernel: 5, using: &generator)
    let otherChannels = try Conv2d(2, 2, kernel: 1, using: &generator)
    let linear = try Linear(3, 2, using: &generator)
    let lstm = try LSTM(3, hidden: 2, using: &generator)
    for module: any Module in [tooLarge, otherChannels, linear, lstm, try BatchNorm2d(4), MaxPool2d(5), try BatchNorm1d(3)] {
      #expect(throws: ApusError.self) { try module(image) }
    }
    #expect(throws: ApusError.self) { try Conv2d(3, 2, kernel: 1, groups: 2, using: &generator) }
    // A tensor without a context has nowhere to be computed.
    let lone = try Tensor(repeating: 1, shape: [2])
    #expect(throws: ApusError.self) { try lone + lone }
  }
}
