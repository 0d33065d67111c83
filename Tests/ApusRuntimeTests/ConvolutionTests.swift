import ApusGraph
import ApusRuntime
import Foundation
import Testing

/// Convolutions of every rank and kind against loops in double precision, with equal bits on every instruction set and number of
/// threads.
@Suite struct ConvolutionTests {
  /// A node over inputs that are fed, or are constants of the model.
  private struct Single {
    var builder = ModelBuilder()
    var operands: [ValueID] = []
    var fed: [TestTensor] = []

    mutating func add<T>(_ values: [T], _ shape: [Int], _ type: ElementType, constant: Bool) {
      if constant {
        let id = builder.tensor(values, shape, type)
        operands.append(builder.value(Name("c\(operands.count)"), constant: id))
      } else {
        operands.append(builder.input(Name("x\(operands.count)"), Shape(shape), type))
        fed.append(TestTensor(values, shape))
      }
    }

    /// Output 0 on the portable level; all levels with one and two threads must give its bits.
    mutating func run(
      _ name: Name, version: Int32, outputs: Int = 1, _ attributes: [Attribute], convolution: ConvolutionAlgorithm? = nil,
      location: SourceLocation = #_sourceLocation
    ) throws -> [TestTensor] {
      for id in builder.node(name, version: version, operands, outputs: outputs, attributes) { builder.output(id) }
      let portable = try runOnce(builder.definition, fed, level: 0, convolution: convolution)
      for level in OperatorTests.levels {
        for threads in [1, 2] {
          let other = try runOnce(
            builder.definition, fed, level: level, threads: threads, convolution: convolution)
          #expect(other == portable, "level \(level), \(threads) threads", sourceLocation: location)
        }
      }
      return portable
    }
  }

  private static func ints(_ name: Name, _ values: [Int]) -> Attribute { Attribute(name, .ints(values.map { Int64($0) })) }

  private func expectClose(_ actual: [Double], _ expected: [Double], _ tolerance: Double, _ comment: Comment) {
    #expect(actual.count == expected.count, comment)
    let worst = zip(actual, expected).map { abs($0 - $1) }.max() ?? 0
    #expect(worst <= tolerance, "error \(worst), \(comment)")
  }

  @Test(arguments: 0..<12) func overAnyNumberOfAxes(seed: UInt64) throws {
    var random = SeededGenerator(seed: seed)
    let axes = [2, 3, 3, 4][random.int(0...3)]
    let group = [1, 2, 5][random.int(0...2)]
    let depthwise = random.int(0...2) == 0
    let (inputs, filters) = depthwise ? (1, random.int(1...2)) : (random.int(1...4), [3, 20][random.int(0...1)])
    let window = Reference.Window(
      kernel: (0..<axes).map { _ in random.int(1...3) }, strides: (0..<axes).map { _ in random.int(1...2) },
      dilations: (0..<axes).map { _ in random.int(1...2) }, begin: (0..<axes).map { _ in random.int(0...2) },
      end: (0..<axes).map { _ in random.int(0...2) })
    let xShape = [random.int(1...2), inputs * group] + (0..<axes).map { _ in random.int(5...6) }
    let wShape = [filters * group, inputs] + window.kernel
    let x = random.floats(Reference.count(xShape))
    let w = random.floats(Reference.count(wShape))
    let bias = random.floats(wShape[0])
    let expected = Reference.conv(x, xShape, w, wShape, bias: bias, group: group, window)
    let attributes = [
      Attribute("group", .int(Int64(group))), Self.ints("strides", window.strides), Self.ints("dilations", window.dilations),
      Self.ints("pads", window.begin + window.end),
    ]
    // Weights that are constants are packed once, others in each run.
    for constant in [true, false] {
      var single = Single()
      single.add(x, xShape, .float32, constant: false)
      single.add(w, wShape, .float32, constant: constant)
      single.add(bias, [wShape[0]], .float32, constant: constant)
      let y = try single.run("Conv", version: 22, attributes)[0]
      #expect(y.shape == expected.shape)
      expectClose(y.floats.map { Double($0) }, expected.values, 1e-4, "seed \(seed): x \(xShape) w \(wShape) \(window)")
    }
    var double = Single()
    double.add(x.map { Double($0) }, xShape, .float64, constant: false)
    double.add(w.map { Double($0) }, wShape, .float64, constant: true)
    double.add(bias.map { Double($0) }, [wShape[0]], .float64, constant: true)
    let exact: [Double] = try double.run("Conv", version: 22, attributes)[0].values()
    expectClose(exact, expected.values, 1e-12, "float64, seed \(seed)")
  }

  /// A 3x3 convolution by each algorithm, with constant weights and with others, and what the sizes choose.
  @Test(arguments: [ConvolutionAlgorithm.winograd2, .winograd4, .winograd6])
  func winograd(algorithm: ConvolutionAlgorithm) throws {
    var random = SeededGenerator(seed: 41)
    let window = Reference.Window(kernel: [3, 3], strides: [1, 1], dilations: [1, 1], begin: [1, 1], end: [1, 1])
    let (xShape, wShape) = ([1, 32, 15, 15], [24, 32, 3, 3])
    let x = random.floats(Reference.count(xShape))
    let w = random.floats(Reference.count(wShape))
    let bias = random.floats(wShape[0])
    let expected = Reference.conv(x, xShape, w, wShape, bias: bias, group: 1, window)
    var results: [ConvolutionAlgorithm: TestTensor] = [:]
    for wanted in [ConvolutionAlgorithm.direct, .automatic, algorithm] {
      for constant in [true, false] {
        var single = Single()
        single.add(x, xShape, .float32, constant: false)
        single.add(w, wShape, .float32, constant: constant)
        single.add(bias, [wShape[0]], .float32, constant: constant)
        let y = try single.run("Conv", version: 22, [Self.ints("pads", [1, 1, 1, 1])], convolution: wanted)[0]
        expectClose(y.floats.map { Double($0) }, expected.values, 1e-4, "\(wanted)")
        if !constant && wanted == .automatic {
          #expect(y == results[.direct], "weights that are no constants are not transformed in each run")
        } else {
          #expect(results[wanted] == nil || results[wanted] == y)
          results[wanted] = y
        }
      }
    }
    #expect(results[algorithm] != results[.direct])
    #expect((results[algorithm] == results[.automatic]) == (algorithm == .winograd4))
  }

  /// A 2x2 MaxPool behind a convolution by Winograd's algorithms, or of one input channel, is part of its step: the same bits as
  /// those of a step of its own, which it is where somebody else wants the convolution's result.
  @Test(arguments: [12, 13, 14, 15, 17, 18, 20], [(20, 37, 1), (1, 6, 1), (1, 6, 2)])
  func pooled(size: Int, kind: (Int, Int, Int)) throws {
    var random = SeededGenerator(seed: UInt64(size))
    let (channels, outputs, pad) = kind
    let taps = 2 * pad + 1
    var x = random.floats(2 * channels * size * (size + 3))
    x[7 * size] = .nan
    x[x.count - 9] = -.infinity
    let w = random.floats(outputs * channels * taps * taps)
    let bias = random.floats(outputs)
    func results(seen: Bool, ceil: Bool, _ algorithm: ConvolutionAlgorithm) throws -> TestTensor {
      var model = ModelBuilder()
      let input = model.input("x", Shape([2, channels, size, size + 3]))
      let weights = model.constant(w, [outputs, channels, taps, taps])
      let sums = model.node(
        "Conv", version: 22, [input, weights, model.constant(bias, [outputs])],
        [Self.ints("pads", [pad, pad, pad, pad])])[0]
      let positive = model.node("Relu", version: 14, [sums])[0]
      var window = [Self.ints("kernel_shape", [2, 2]), Self.ints("strides", [2, 2])]
      if ceil { window.append(Attribute("ceil_mode", .int(1))) }
      let maxima = model.node("MaxPool", version: 22, [positive], window)[0]
      if seen { model.output(maxima, positive) } else { model.output(maxima) }
      return try runOnce(model.definition, [TestTensor(x, [2, channels, size, size + 3])], convolution: algorithm)[0]
    }
    for algorithm in [ConvolutionAlgorithm.direct, .winograd2, .winograd4, .winograd6, .automatic] {
      for ceil in [false, true] {
        let alone = try results(seen: false, ceil: ceil, algorithm)
        #expect(try alone == results(seen: true, ceil: ceil, algorithm), "\(algorithm), ceil \(ceil)")
      }
    }
  }

  @Test(arguments: 0..<16) func transposed(seed: UInt64) throws {
    var random = SeededGenerator(seed: seed)
    let axes = random.int(1...3)
    let group = [1, 3][random.int(0...1)]
    let depthwise = random.int(0...3) == 0
    let (inputs, filters) = depthwise ? (1, 1) : (random.int(1...4), [2, 18][random.int(0...1)])
    let kernel = (0..<axes).map { _ in random.int(1...4) }
    let strides = (0..<axes).map { _ in random.int(1...4) }
    let dilations = (0..<axes).map { _ in random.int(1...3) }
    let begin = (0..<axes).map { _ in random.int(0...2) }
    let end = (0..<axes).map { _ in random.int(0...1) }
    let extra = strides.map { random.int(0...max(0, $0 - 1)) }
    let spatial = (0..<axes).map { _ in random.int(3...5) }
    let output = (0..<axes).map { (axis: Int) -> Int in
      let full: Int = (spatial[axis] - 1) * strides[axis] + extra[axis] + dilations[axis] * (kernel[axis] - 1) + 1
      return full - begin[axis] - end[axis]
    }
    let xShape = [2, inputs * group] + spatial
    let wShape = [inputs * group, filters] + kernel
    let yShape = [2, filters * group] + output
    let x = random.floats(Reference.count(xShape))
    let w = random.floats(Reference.count(wShape))
    let bias = random.floats(yShape[1])
    // As the operator is defined: each input element is spread over the outputs that it reaches.
    var expected = Reference.indices(yShape).map { Double(bias[$0[1]]) }
    for index in Reference.indices(xShape) {
      for filter in 0..<filters {
        for tap in Reference.indices(kernel) {
          var target = [index[0], index[1] / inputs * filters + filter]
          for axis in 0..<axes { target.append(index[axis + 2] * strides[axis] + tap[axis] * dilations[axis] - begin[axis]) }
          if (0..<axes).contains(where: { target[$0 + 2] < 0 || target[$0 + 2] >= output[$0] }) { continue }
          let factor = Double(w[Reference.offset([index[1], filter] + tap, wShape)])
          expected[Reference.offset(target, yShape)] += Double(x[Reference.offset(index, xShape)]) * factor
        }
      }
    }
    let attributes = [
      Attribute("group", .int(Int64(group))), Self.ints("strides", strides), Self.ints("dilations", dilations),
      Self.ints("pads", begin + end), Self.ints("output_padding", extra),
    ]
    for constant in [true, false] {
      var single = Single()
      single.add(x, xShape, .float32, constant: false)
      single.add(w, wShape, .float32, constant: constant)
      single.add(bias, [yShape[1]], .float32, constant: constant)
      let y = try single.run("ConvTranspose", version: 22, attributes)[0]
      #expect(y.shape == yShape)
      expectClose(y.floats.map { Double($0) }, expected, 1e-4, "seed \(seed): x \(xShape) w \(wShape) \(attributes)")
    }
  }

  @Test func transposedOutputShapePrescribed() throws {
    // One input element and a kernel of ones: the output is 1 where the window is, 0 beyond.
    for (auto, expected) in [("NOTSET", [1, 1, 0, 0]), ("SAME_LOWER", [1, 1, 0, 0])] as [(Name, [Float])] {
      var single = Single()
      single.add([1 as Float], [1, 1, 1], .float32, constant: false)
      single.add([1, 1] as [Float], [1, 1, 2], .float32, constant: true)
      let y = try single.run(
        "ConvTranspose", version: 22, [Self.ints("output_shape", [4]), Attribute("auto_pad", .string(auto))])[0]
      #expect(y.floats == expected)
    }
    // Two elements too many: both sides lose one.
    var single = Single()
    single.add([1, 2, 3] as [Float], [1, 1, 3], .float32, constant: false)
    single.add([1, 10, 100] as [Float], [1, 1, 3], .float32, constant: true)
    #expect(try single.run("ConvTranspose", version: 22, [Self.ints("output_shape", [3])])[0].floats == [12, 123, 230])
  }

  /// Batch normalization moves into the weights and bias, an activation into the kernel.
  @Test func transposedWithNormalizationAndActivation() throws {
    // Two groups of two inputs and three outputs, kernels of one element: output channel m is a sum of two inputs.
    let w: [Float] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]
    let scale: [Float] = [1, 2, 4, -1, 1, 0.5]
    let shift: [Float] = [0, 1, 2, 3, 400, 5]
    let mean: [Float] = [1, 0, 3, 0, 2, 0]
    var builder = ModelBuilder()
    let x = builder.input("x", [1, 4, 2])
    let weights = builder.constant(w, [4, 3, 1], "w")
    let sums = builder.node("ConvTranspose", version: 22, [x, weights], [Attribute("group", .int(2))])[0]
    let variance = Array(repeating: Float(1), count: 6)
    let statistics = [scale, shift, mean, variance].map { builder.constant($0, [6], "statistic") }
    let normal = builder.node(
      "BatchNormalization", version: 15, [sums] + statistics, [Attribute("epsilon", .float(0))])[0]
    builder.output(builder.node("Relu", version: 14, [normal])[0])
    let input: [Float] = [1, -1, 2, 0, 3, -3, 4, 1]
    let y = try runOnce(builder.definition, [TestTensor(input, [1, 4, 2])])[0].floats
    var expected: [Float] = []
    for channel in 0..<6 {
      for place in 0..<2 {
        let first = channel / 3 * 2
        let row = first * 3 + channel % 3
        let sum = input[first * 2 + place] * w[row] + input[first * 2 + 2 + place] * w[row + 3]
        expected.append(max(0, (sum - mean[channel]) * scale[channel] + shift[channel]))
      }
    }
    #expect(y == expected)
  }

  /// Where the stride is the kernel each output has one input pixel. One to five channels: few ones are finished in scratch, with
  /// the activation over all of them.
  @Test(arguments: 1...5) func transposedStrideIsKernel(channels: Int) throws {
    let (cin, height, width) = (3, 2, 19)
    let x: [Float] = (0..<cin * height * width).map { Float($0 % 7) - 3 }
    let w: [Float] = (0..<cin * channels * 4).map { Float($0 % 5) / 4 - 0.5 }
    let shift: [Float] = (0..<channels).map { Float($0) / 2 }
    var builder = ModelBuilder()
    let input = builder.input("x", [1, cin, height, width])
    let weights = builder.constant(w, [cin, channels, 2, 2], "w")
    let bias = builder.constant(shift, [channels], "b")
    let sums = builder.node("ConvTranspose", version: 22, [input, weights, bias], [Self.ints("strides", [2, 2])])[0]
    builder.output(builder.node("Sigmoid", version: 13, [sums])[0])
    let y = try runOnce(builder.definition, [TestTensor(x, [1, cin, height, width])])[0].floats
    var expected: [Double] = []
    for channel in 0..<channels {
      for row in 0..<2 * height {
        for column in 0..<2 * width {
          var sum = shift[channel]
          for c in 0..<cin {
            let tap = (c * channels + channel) * 4 + row % 2 * 2 + column % 2
            sum += x[(c * height + row / 2) * width + column / 2] * w[tap]
          }
          expected.append(1 / (1 + exp(-Double(sum))))
        }
      }
    }
    expectClose(y.map { Double($0) }, expected, 1e-6, "\(channels) channels")
  }

  @Test func deformableReadsBetweenPixels() throws {
    // A 1x1 kernel of 1 over the image y * 10 + x, moved by half a pixel down and a quarter to the right; far away it reads 0.
    let image: [Float] = (0..<16).map { Float($0 / 4 * 10 + $0 % 4) }
    var offset: [Float] = Array(repeating: 0.5, count: 16) + Array(repeating: 0.25, count: 16)
    offset[0] = -7
    var single = Single()
    single.add(image, [1, 1, 4, 4], .float32, constant: false)
    single.add([1 as Float], [1, 1, 1, 1], .float32, constant: true)
    single.add(offset, [1, 2, 4, 4], .float32, constant: false)
    let y = try single.run("DeformConv", version: 22, [])[0].floats
    #expect(y[0] == 0)
    #expect(y[1] == 6.25 && y[5] == 16.25)
    // The last row lies half outside, the last column a quarter.
    #expect(y[12] == 0.5 * 30.25 && y[7] == 0.75 * 18)
  }

  @Test(arguments: 0..<10) func quantized(seed: UInt64) throws {
    var random = SeededGenerator(seed: seed)
    let depthwise = random.int(0...2) == 0
    let group = depthwise ? random.int(2...70) : random.int(1...2)
    let (inputs, filters) = depthwise ? (1, 1) : (random.int(1...5), random.int(1...20))
    let window = Reference.Window(
      kernel: [random.int(1...3), random.int(1...3)], strides: [1, 2], dilations: [2, 1], begin: [1, 0], end: [0, 2])
    let xShape = [2, inputs * group, 6, 7]
    let wShape = [filters * group, inputs] + window.kernel
    let isSigned = random.bool()
    let x = (0..<Reference.count(xShape)).map { _ in UInt8(random.int(0...255)) }
    let w = (0..<Reference.count(wShape)).map { _ in Int8(random.int(-128...127)) }
    let xZero = UInt8(random.int(0...255))
    let wZero = (0..<wShape[0]).map { _ in Int8(isSigned ? random.int(-9...9) : 0) }
    let scales = random.floats(wShape[0], in: 0.001...0.02)
    let bias = (0..<wShape[0]).map { _ in Int32(random.int(-500...500)) }
    let weights: [Float] = Reference.indices(wShape).map { index in
      Float(w[Reference.offset(index, wShape)]) - Float(wZero[index[0]])
    }
    // Small integers: the sums are exact.
    let sums = Reference.conv(x.map { Float($0) - Float(xZero) }, xShape, weights, wShape, bias: nil, group: group, window)
    let attributes = [
      Attribute("group", .int(Int64(group))), Self.ints("strides", window.strides), Self.ints("dilations", window.dilations),
      Self.ints("pads", window.begin + window.end),
    ]
    for constant in [true, false] {
      var integer = Single()
      integer.add(x, xShape, .uint8, constant: false)
      integer.add(w, wShape, .int8, constant: constant)
      integer.add([xZero], [], .uint8, constant: constant)
      integer.add(wZero, [wShape[0]], .int8, constant: constant)
      let y = try integer.run("ConvInteger", version: 10, attributes)[0]
      #expect(y.values(Int32.self) == sums.values.map { Int32($0) }, "seed \(seed)")

      var linear = Single()
      linear.add(x, xShape, .uint8, constant: false)
      linear.add([0.02 as Float], [], .float32, constant: constant)
      linear.add([xZero], [], .uint8, constant: constant)
      linear.add(w, wShape, .int8, constant: constant)
      linear.add(scales, [wShape[0]], .float32, constant: constant)
      linear.add(wZero, [wShape[0]], .int8, constant: constant)
      linear.add([0.11 as Float], [], .float32, constant: constant)
      linear.add([-3 as Int8], [], .int8, constant: constant)
      linear.add(bias, [wShape[0]], .int32, constant: constant)
      let q = try linear.run("QLinearConv", version: 10, attributes)[0]
      let expected = zip(Reference.indices(sums.shape), sums.values).map { index, sum -> Int8 in
        let scale = Float(0.02) * scales[index[1]] / Float(0.11)
        let rounded = (Float(sum + Double(bias[index[1]])) * scale).rounded(.toNearestOrEven) - 3
        return Int8(max(-128, min(127, rounded)))
      }
      #expect(q.values(Int8.self) == expected, "seed \(seed)")
    }
  }

  @Test func wrongShapesAreNamed() throws {
    func status(_ name: Name, _ version: Int32, _ shapes: [[Int]], _ attributes: [Attribute]) throws -> ApusError {
      var builder = ModelBuilder()
      let operands = shapes.enumerated().map { builder.input(Name("x\($0)"), Shape($1)) }
      builder.output(builder.node(name, version: version, operands, attributes)[0])
      do throws(ApusError) {
        let model = try Model(definition: builder.definition)
        try Session(model: model).prepare(shapes)
      } catch {
        return error
      }
      throw ApusError(.internal, "accepted")
    }
    let padded = try status("ConvTranspose", 22, [[1, 2, 3], [2, 1, 1]], [Self.ints("pads", [2, 2])])
    #expect(padded.status == .shapeInference && padded.message.contains("padding is larger"))
    let channels = try status("ConvTranspose", 22, [[1, 2, 3], [3, 1, 1]], [])
    #expect(channels.status == .shapeInference && channels.message.contains("input channels and weights"))
    let offsets = try status("DeformConv", 22, [[1, 1, 4, 4], [1, 1, 1, 1], [1, 2, 4, 3]], [])
    #expect(offsets.status == .shapeInference && offsets.message.contains("places"))
    let list = try status("ConvTranspose", 22, [[1, 2, 3], [2, 1, 1]], [Self.ints("output_padding", [1, 1])])
    #expect(list.status == .invalidAttribute && list.message.contains("output_padding"))
  }
}
