import ApusGraph
import CApusPlatform
import Foundation
import Testing

import ApusRuntime

/// Each operator, over random shapes, against the double-precision reference; on all instruction sets and with two threads
/// the bits must be those of the portable kernels.
@Suite struct OperatorTests {
  /// The levels that this CPU has.
  static var levels: [Int32] {
    var cpu = apusp_cpu()
    apusp_cpu_detect(&cpu)
    return Array(0...cpu.level)
  }

  /// Runs a model everywhere, demands equal bits, and compares output 0 with expected values.
  func check(
    _ definition: ModelDefinition, _ inputs: [TestTensor], _ expected: [Double], _ shape: [Int], tolerance: Double,
    _ comment: Comment, location: SourceLocation = #_sourceLocation
  ) throws {
    let reference = try runOnce(definition, inputs, level: 0)
    #expect(reference[0].shape == shape, comment, sourceLocation: location)
    for level in Self.levels {
      for threads in [1, 2] {
        #expect(
          try runOnce(definition, inputs, level: level, threads: threads) == reference,
          "level \(level), \(threads) threads, \(comment)", sourceLocation: location)
      }
    }
    let actual = reference[0].floats
    #expect(actual.count == expected.count, comment, sourceLocation: location)
    let worst = zip(actual, expected).map { abs(Double($0) - $1) - tolerance * max(1, abs($1)) }.max() ?? 0
    #expect(worst <= 0, "error over tolerance by \(worst), \(comment)", sourceLocation: location)
  }

  @Test(arguments: 0..<24) func convolution(seed: UInt64) throws {
    var random = SeededGenerator(seed: seed)
    let isPlanar = random.int(0...3) > 0
    let axes = isPlanar ? 2 : 1
    let group = [1, 1, 1, 2, 3][random.int(0...4)]
    let depthwise = random.int(0...4) == 0
    let (inputs, filters) = depthwise ? (group, group) : (random.int(1...5), random.int(1...9))
    let window = Reference.Window(
      kernel: (0..<axes).map { _ in random.int(1...4) }, strides: (0..<axes).map { _ in random.int(1...3) },
      dilations: (0..<axes).map { _ in random.int(1...2) }, begin: (0..<axes).map { _ in random.int(0...2) },
      end: (0..<axes).map { _ in random.int(0...2) })
    let xShape = [random.int(1...3), inputs * group] + (0..<axes).map { _ in random.int(8...13) }
    let wShape = [filters * group, inputs] + window.kernel
    let x = random.floats(Reference.count(xShape))
    let w = random.floats(Reference.count(wShape))
    let bias = random.bool() ? random.floats(wShape[0]) : nil
    var builder = ModelBuilder()
    var operands = [builder.input("x", Shape(xShape)), builder.constant(w, wShape, "w")]
    if let bias { operands.append(builder.constant(bias, [wShape[0]], "b")) }
    builder.output(
      builder.node(
        "Conv", version: 22, operands,
        [
          Attribute("group", .int(Int64(group))), Attribute("strides", .ints(window.strides.map { Int64($0) })),
          Attribute("dilations", .ints(window.dilations.map { Int64($0) })),
          Attribute("pads", .ints((window.begin + window.end).map { Int64($0) })),
        ])[0])
    let expected = Reference.conv(x, xShape, w, wShape, bias: bias, group: group, window)
    try check(
      builder.definition, [TestTensor(x, xShape)], expected.values, expected.shape, tolerance: 1e-5,
      "seed \(seed): x \(xShape) w \(wShape) \(window)")
  }

  @Test(arguments: 0..<16) func pooling(seed: UInt64) throws {
    var random = SeededGenerator(seed: seed)
    let kernel = [random.int(1...3), random.int(1...3)]
    let window = Reference.Window(
      kernel: kernel, strides: [random.int(1...3), random.int(1...3)], dilations: [1, 1],
      begin: kernel.map { random.int(0...($0 - 1)) }, end: kernel.map { random.int(0...($0 - 1)) })
    let xShape = [random.int(1...2), random.int(1...9), random.int(4...9), random.int(4...9)]
    let x = random.floats(Reference.count(xShape))
    let attributes = [
      Attribute("kernel_shape", .ints(kernel.map { Int64($0) })),
      Attribute("strides", .ints(window.strides.map { Int64($0) })),
      Attribute("pads", .ints((window.begin + window.end).map { Int64($0) })),
    ]
    let shape = [xShape[0], xShape[1]] + window.output(Array(xShape[2...]))
    let windows = Reference.windows(x, xShape, shape, window)
    var maximum = ModelBuilder()
    maximum.output(maximum.node("MaxPool", version: 22, [maximum.input("x", Shape(xShape))], attributes)[0])
    try check(
      maximum.definition, [TestTensor(x, xShape)], windows.map { $0.max() ?? 0 }, shape, tolerance: 0, "seed \(seed): max")
    for countsPadding in [false, true] {
      var average = ModelBuilder()
      average.output(
        average.node(
          "AveragePool", version: 22, [average.input("x", Shape(xShape))],
          attributes + [Attribute("count_include_pad", .int(countsPadding ? 1 : 0))])[0])
      let expected = windows.map { $0.reduce(0, +) / Double(countsPadding ? kernel[0] * kernel[1] : $0.count) }
      try check(
        average.definition, [TestTensor(x, xShape)], expected, shape, tolerance: 1e-6,
        "seed \(seed): average, counts padding \(countsPadding)")
    }
  }

  @Test(arguments: 0..<16) func gemm(seed: UInt64) throws {
    var random = SeededGenerator(seed: seed)
    let (m, k, n) = (random.int(1...20), random.int(1...40), random.int(1...70))
    let (transA, transB) = (random.bool(), random.bool())
    let (alpha, beta) = random.bool() ? (Float(1), Float(1)) : (Float(0.5), Float(-1.5))
    let (a, b) = (random.floats(m * k), random.floats(k * n))
    let cShape = [[n], [1, n], [m, 1], [m, n], [1], []][random.int(0...5)]
    let c = random.floats(Reference.count(cShape))
    for constantRight in [true, false] {
      var builder = ModelBuilder()
      let left = builder.input("a", Shape(transA ? [k, m] : [m, k]))
      let rightShape = transB ? [n, k] : [k, n]
      let right = constantRight ? builder.constant(b, rightShape, "b") : builder.input("b", Shape(rightShape))
      builder.output(
        builder.node(
          "Gemm", version: 13, [left, right, builder.constant(c, cShape, "c")],
          [
            Attribute("transA", .int(transA ? 1 : 0)), Attribute("transB", .int(transB ? 1 : 0)),
            Attribute("alpha", .float(alpha)), Attribute("beta", .float(beta)),
          ])[0])
      let wideA = a.map { Double($0) }
      let wideB = b.map { Double($0) }
      let product = Reference.product(
        transA ? Reference.transposed(wideA, rows: k, columns: m) : wideA,
        transB ? Reference.transposed(wideB, rows: n, columns: k) : wideB, m: m, k: k, n: n)
      let expected = Reference.indices([m, n]).enumerated().map { position, index in
        Double(alpha) * product[position] + Double(beta) * Double(c[Reference.broadcastOffset(index, cShape)])
      }
      let inputs = [TestTensor(a, transA ? [k, m] : [m, k])] + (constantRight ? [] : [TestTensor(b, rightShape)])
      try check(
        builder.definition, inputs, expected, [m, n], tolerance: 1e-5,
        "seed \(seed): \(m)x\(k)x\(n) trans \(transA) \(transB) c \(cShape) constant \(constantRight)")
    }
  }

  @Test(arguments: [
    ([5, 7], [7, 9]), ([2, 5, 7], [7, 9]), ([2, 5, 7], [2, 7, 9]), ([3, 1, 4, 6], [2, 6, 5]), ([7], [7, 3]), ([4, 7], [7]),
    ([7], [7]), ([1, 4, 6], [3, 6, 5]),
  ]) func matMul(aShape: [Int], bShape: [Int]) throws {
    var random = SeededGenerator(seed: 7)
    let a = random.floats(Reference.count(aShape))
    let b = random.floats(Reference.count(bShape))
    let wideA = aShape.count == 1 ? [1] + aShape : aShape
    let wideB = bShape.count == 1 ? bShape + [1] : bShape
    let (m, k, n) = (wideA[wideA.count - 2], wideA[wideA.count - 1], wideB[wideB.count - 1])
    let batchA = Array(wideA.dropLast(2))
    let batchB = Array(wideB.dropLast(2))
    let rank = max(batchA.count, batchB.count)
    let batch = (0..<rank).map { axis in
      max(
        axis - (rank - batchA.count) >= 0 ? batchA[axis - (rank - batchA.count)] : 1,
        axis - (rank - batchB.count) >= 0 ? batchB[axis - (rank - batchB.count)] : 1)
    }
    var expected: [Double] = []
    for index in Reference.indices(batch) {
      let x = Reference.broadcastOffset(index, batchA) * m * k
      let y = Reference.broadcastOffset(index, batchB) * k * n
      expected += Reference.product(
        a[x..<x + m * k].map { Double($0) }, b[y..<y + k * n].map { Double($0) }, m: m, k: k, n: n)
    }
    var shape = batch
    if aShape.count > 1 { shape.append(m) }
    if bShape.count > 1 { shape.append(n) }
    for constantRight in [true, false] {
      var builder = ModelBuilder()
      let left = builder.input("a", Shape(aShape))
      let right = constantRight ? builder.constant(b, bShape, "b") : builder.input("b", Shape(bShape))
      builder.output(builder.node("MatMul", version: 13, [left, right])[0])
      try check(
        builder.definition, [TestTensor(a, aShape)] + (constantRight ? [] : [TestTensor(b, bShape)]), expected, shape,
        tolerance: 1e-5, "\(aShape) x \(bShape), constant \(constantRight)")
    }
  }

  @Test(arguments: [
    ([3, 4], [3, 4]), ([2, 3, 4], [4]), ([2, 3, 4], [3, 1]), ([3, 1], [1, 4]), ([], [5]), ([2, 1, 4, 1], [3, 1, 5]),
    ([0, 3], [1]),
  ]) func binary(aShape: [Int], bShape: [Int]) throws {
    var random = SeededGenerator(seed: 11)
    let a = random.floats(Reference.count(aShape))
    let b = random.floats(Reference.count(bShape), in: 0.5...2)
    let shape = broadcast(Shape(aShape), Shape(bShape))?.known ?? []
    let operators: [(Name, (Float, Float) -> Float)] = [
      ("Add", { $0 + $1 }), ("Sub", { $0 - $1 }), ("Mul", { $0 * $1 }), ("Div", { $0 / $1 }),
    ]
    for (name, function) in operators {
      var builder = ModelBuilder()
      builder.output(
        builder.node(name, version: 14, [builder.input("a", Shape(aShape)), builder.input("b", Shape(bShape))])[0])
      let expected = Reference.indices(shape).map {
        Double(function(a[Reference.broadcastOffset($0, aShape)], b[Reference.broadcastOffset($0, bShape)]))
      }
      try check(
        builder.definition, [TestTensor(a, aShape), TestTensor(b, bShape)], expected, shape, tolerance: 0,
        "\(name.string) \(aShape) \(bShape)")
    }
  }

  @Test func unary() throws {
    var random = SeededGenerator(seed: 3)
    let x = random.floats(1003, in: -12...12)
    let operators: [(Name, Int32, [Attribute], (Double) -> Double)] = [
      ("Relu", 14, [], { max($0, 0) }), ("LeakyRelu", 16, [Attribute("alpha", .float(0.25))], { $0 < 0 ? 0.25 * $0 : $0 }),
      ("Sigmoid", 13, [], Reference.sigmoid), ("Tanh", 13, [], { tanh($0) }),
    ]
    for (name, version, attributes, function) in operators {
      var builder = ModelBuilder()
      builder.output(builder.node(name, version: version, [builder.input("x", [17, 59])], attributes)[0])
      try check(
        builder.definition, [TestTensor(x, [17, 59])], x.map { function(Double($0)) }, [17, 59], tolerance: 1e-6, "\(name.string)"
      )
    }
  }

  @Test(arguments: [0, 1, 2, -1]) func softmax(axis: Int) throws {
    var random = SeededGenerator(seed: 5)
    let shape = [4, 19, 6]
    let x = random.floats(Reference.count(shape), in: -20...20)
    let position = axis < 0 ? axis + 3 : axis
    let sums = Reference.indices(shape).map { index -> Double in
      (0..<shape[position]).reduce(0.0) { sum, i in
        var other = index
        other[position] = i
        return sum + exp(Double(x[Reference.offset(other, shape)]))
      }
    }
    for name: Name in ["Softmax", "LogSoftmax"] {
      var builder = ModelBuilder()
      builder.output(
        builder.node(name, version: 13, [builder.input("x", Shape(shape))], [Attribute("axis", .int(Int64(axis)))])[0])
      let expected = zip(x, sums).map { name == "Softmax" ? exp(Double($0)) / $1 : Double($0) - log($1) }
      try check(builder.definition, [TestTensor(x, shape)], expected, shape, tolerance: 2e-6, "\(name.string) axis \(axis)")
    }
  }

  @Test(arguments: [[0], [1], [2], [0, 2], [1, 2], [], [0, 1, 2], [-1]]) func reductions(axes: [Int]) throws {
    var random = SeededGenerator(seed: 9)
    let shape = [3, 35, 4]
    let x = random.floats(Reference.count(shape))
    for keeps in [true, false] {
      for isMean in [true, false] {
        var builder = ModelBuilder()
        let operands = [builder.input("x", Shape(shape)), builder.constant(axes.map { Int64($0) }, "axes")]
        builder.output(
          builder.node(
            isMean ? "ReduceMean" : "ReduceSum", version: isMean ? 18 : 13, operands,
            [Attribute("keepdims", .int(keeps ? 1 : 0))])[0])
        let reduced = axes.isEmpty ? [0, 1, 2] : axes.map { $0 < 0 ? $0 + 3 : $0 }
        let kept = shape.indices.map { reduced.contains($0) ? 1 : shape[$0] }
        var sums = Array(repeating: 0.0, count: Reference.count(kept))
        for (position, index) in Reference.indices(shape).enumerated() {
          sums[Reference.broadcastOffset(index, kept)] += Double(x[position])
        }
        let divisor = isMean ? Double(x.count / sums.count) : 1
        let outputShape = keeps ? kept : shape.indices.filter { !reduced.contains($0) }.map { shape[$0] }
        try check(
          builder.definition, [TestTensor(x, shape)], sums.map { $0 / divisor }, outputShape, tolerance: 1e-5,
          "axes \(axes) keeps \(keeps) mean \(isMean)")
      }
    }
  }

  @Test(arguments: [true, false]) func globalAveragePool(afterConvolution: Bool) throws {
    var random = SeededGenerator(seed: 13)
    let shape = [2, 3, 5, 7]
    let x = random.floats(Reference.count(shape))
    var builder = ModelBuilder()
    var value = builder.input("x", Shape(shape))
    // An identity convolution makes the pool's operand channels-last.
    if afterConvolution {
      let identity = (0..<9).map { Float($0 % 4 == 0 ? 1 : 0) }
      value = builder.node("Conv", version: 22, [value, builder.constant(identity, [3, 3, 1, 1], "w")])[0]
    }
    builder.output(builder.node("GlobalAveragePool", version: 22, [value])[0])
    let expected = (0..<6).map { channel in x[channel * 35..<(channel + 1) * 35].reduce(0.0) { $0 + Double($1) } / 35 }
    try check(builder.definition, [TestTensor(x, shape)], expected, [2, 3, 1, 1], tolerance: 1e-6, "\(afterConvolution)")
  }

  @Test(arguments: [[0, 1, 2, 3], [3, 2, 1, 0], [0, 2, 3, 1], [1, 0, 3, 2], [2, 3, 0, 1]]) func transpose(order: [Int]) throws {
    var random = SeededGenerator(seed: 17)
    let shape = [2, 3, 4, 5]
    let x = random.floats(Reference.count(shape))
    var builder = ModelBuilder()
    builder.output(
      builder.node(
        "Transpose", version: 21, [builder.input("x", Shape(shape))], [Attribute("perm", .ints(order.map { Int64($0) }))])[0])
    let result = order.map { shape[$0] }
    let expected = Reference.indices(result).map { index -> Double in
      var source = Array(repeating: 0, count: 4)
      for (axis, from) in order.enumerated() { source[from] = index[axis] }
      return Double(x[Reference.offset(source, shape)])
    }
    try check(builder.definition, [TestTensor(x, shape)], expected, result, tolerance: 0, "\(order)")
  }

  @Test(arguments: [0, 1, 2, -1]) func concat(axis: Int) throws {
    var random = SeededGenerator(seed: 19)
    let position = axis < 0 ? axis + 3 : axis
    let extents = [2, 1, 3]
    var builder = ModelBuilder()
    var inputs: [TestTensor] = []
    var ids: [ValueID] = []
    for (number, extent) in extents.enumerated() {
      var shape = [2, 3, 4]
      shape[position] = extent
      inputs.append(TestTensor(random.floats(Reference.count(shape)), shape))
      ids.append(builder.input(Name("x\(number)"), Shape(shape)))
    }
    builder.output(builder.node("Concat", version: 13, ids, [Attribute("axis", .int(Int64(axis)))])[0])
    var shape = [2, 3, 4]
    shape[position] = 6
    let expected = Reference.indices(shape).map { index -> Double in
      var (source, number) = (index, 0)
      while source[position] >= extents[number] {
        source[position] -= extents[number]
        number += 1
      }
      return Double(inputs[number].floats[Reference.offset(source, inputs[number].shape)])
    }
    try check(builder.definition, inputs, expected, shape, tolerance: 0, "axis \(axis)")
  }

  @Test(arguments: [0, 1, 2]) func gather(axis: Int) throws {
    var random = SeededGenerator(seed: 23)
    let shape = [3, 4, 5]
    let x = random.floats(Reference.count(shape))
    let indices: [Int64] = [0, -1, 2, -3, 1, 1]
    var builder = ModelBuilder()
    let operands = [builder.input("x", Shape(shape)), builder.input("i", [2, 3], .int64)]
    builder.output(builder.node("Gather", version: 13, operands, [Attribute("axis", .int(Int64(axis)))])[0])
    let result = Array(shape[..<axis]) + [2, 3] + Array(shape[(axis + 1)...])
    let expected = Reference.indices(result).map { index -> Double in
      let chosen = Int(indices[index[axis] * 3 + index[axis + 1]])
      let source = Array(index[..<axis]) + [chosen < 0 ? chosen + shape[axis] : chosen] + Array(index[(axis + 2)...])
      return Double(x[Reference.offset(source, shape)])
    }
    try check(
      builder.definition, [TestTensor(x, shape), TestTensor(indices, [2, 3])], expected, result, tolerance: 0, "axis \(axis)")
  }

  @Test(arguments: ["forward", "reverse", "bidirectional"], [0, 1]) func lstm(direction: String, layout: Int) throws {
    var random = SeededGenerator(seed: 29)
    let (steps, batch, width, hidden) = (5, 3, 7, 9)
    let directions = direction == "bidirectional" ? 2 : 1
    let x = random.floats(steps * batch * width)
    let w = random.floats(directions * 4 * hidden * width)
    let r = random.floats(directions * 4 * hidden * hidden)
    let bias = random.floats(directions * 8 * hidden)
    let h0 = random.floats(directions * batch * hidden)
    let c0 = random.floats(directions * batch * hidden)
    func swapped(_ values: [Float], _ shape: [Int]) -> [Float] {
      // Exchanges the first two axes.
      Reference.indices([shape[1], shape[0]] + shape[2...]).map {
        values[Reference.offset([$0[1], $0[0]] + $0[2...], shape)]
      }
    }
    let batchFirst = layout == 1
    var builder = ModelBuilder()
    let input = builder.input("x", Shape(batchFirst ? [batch, steps, width] : [steps, batch, width]))
    let state = [directions, batch, hidden]
    let stored = batchFirst ? [batch, directions, hidden] : state
    let outputs = builder.node(
      "LSTM", version: 22,
      [
        input, builder.constant(w, [directions, 4 * hidden, width], "w"),
        builder.constant(r, [directions, 4 * hidden, hidden], "r"), builder.constant(bias, [directions, 8 * hidden], "b"),
        .absent, builder.constant(batchFirst ? swapped(h0, state) : h0, stored, "h0"),
        builder.constant(batchFirst ? swapped(c0, state) : c0, stored, "c0"),
      ], outputs: 3,
      [
        Attribute("direction", .string(Name(direction))), Attribute("hidden_size", .int(Int64(hidden))),
        Attribute("layout", .int(Int64(layout))),
      ])
    builder.output(outputs[0], outputs[1], outputs[2])
    var expected = Array(repeating: 0.0, count: steps * directions * batch * hidden)
    for d in 0..<directions {
      let size = batch * hidden
      let result = Reference.lstm(
        x, steps: steps, batch: batch, width: width, hidden: hidden,
        w: Array(w[d * 4 * hidden * width..<(d + 1) * 4 * hidden * width]),
        r: Array(r[d * 4 * hidden * hidden..<(d + 1) * 4 * hidden * hidden]),
        bias: Array(bias[d * 8 * hidden..<(d + 1) * 8 * hidden]), h0: Array(h0[d * size..<(d + 1) * size]),
        c0: Array(c0[d * size..<(d + 1) * size]), reverse: direction == "reverse" || d == 1)
      for t in 0..<steps {
        for b in 0..<batch {
          for unit in 0..<hidden {
            let place =
              batchFirst ? ((b * steps + t) * directions + d) * hidden + unit : ((t * directions + d) * batch + b) * hidden + unit
            expected[place] = result.y[(t * batch + b) * hidden + unit]
          }
        }
      }
    }
    let feed = batchFirst ? swapped(x, [steps, batch, width]) : x
    let feedShape = batchFirst ? [batch, steps, width] : [steps, batch, width]
    let shape = batchFirst ? [batch, steps, directions, hidden] : [steps, directions, batch, hidden]
    try check(
      builder.definition, [TestTensor(feed, feedShape)], expected, shape, tolerance: 1e-5, "\(direction) layout \(layout)")
  }
}
