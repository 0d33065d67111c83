import ApusGraph
import ApusRuntime
import Testing

@Suite struct QuantizationTests {
  private func floats(_ values: [Float], _ shape: [Int]) -> (TestTensor, ElementType) { (TestTensor(values, shape), .float32) }

  @Test func halvesRoundToEvenAndResultsSaturate() throws {
    let x = floats([-1, 0, 0.5, 1.5, 2.5, 1000, -1000, .nan], [8]), scale = floats([1], [])
    let zero: (TestTensor, ElementType) = (TestTensor([Int8(10)], []), .int8)
    #expect(
      try runNode("QuantizeLinear", version: 25, [x, scale, zero], as: Int8.self).values == [9, 10, 10, 12, 12, 127, -128, 10])
    #expect(try runNode("QuantizeLinear", version: 25, [x, scale], as: UInt8.self).values == [0, 0, 0, 2, 2, 255, 0, 0])
  }

  /// Every way at once: the generic path against a plain loop over all layouts of scales.
  @Test(arguments: 0..<24) func everyGranularityFollowsItsFormula(seed: UInt64) throws {
    var random = SeededGenerator(seed: seed)
    let shape = (0..<3).map { _ in random.int(1...7) }
    let axis = random.int(0...2)
    let count = shape.reduce(1, *)
    let inner = shape[(axis + 1)...].reduce(1, *)
    let kind = Int(seed % 3)
    let block = kind == 2 ? random.int(1...4) : 0
    var scaleShape: [Int] = []
    if kind == 1 { scaleShape = [shape[axis]] }
    if kind == 2 {
      scaleShape = shape
      scaleShape[axis] = (shape[axis] + block - 1) / block
    }
    let scales = random.floats(scaleShape.reduce(1, *), in: 0.01...0.1)
    let zeros = (0..<scales.count).map { _ in Int16(random.int(-300...300)) }
    let x = random.floats(count, in: -400...400)
    func number(_ index: Int) -> Int {
      let (outer, position, rest) = (index / inner / shape[axis], index / inner % shape[axis], index % inner)
      if kind == 0 { return 0 }
      return kind == 1 ? position : (outer * scaleShape[axis] + position / block) * inner + rest
    }
    let attributes = [
      Attribute("axis", .int(Int64(random.bool() ? axis : axis - 3))), Attribute("block_size", .int(Int64(block))),
    ]
    let zero: (TestTensor, ElementType) = (TestTensor(zeros, scaleShape), .int16)
    let quantized = try runNode(
      "QuantizeLinear", version: 25, [floats(x, shape), floats(scales, scaleShape), zero], attributes, as: Int16.self)
    let expected = x.indices.map { index -> Int16 in
      let k = number(index)
      let sum = Double((x[index] / scales[k]).rounded(.toNearestOrEven)) + Double(zeros[k])
      return Int16(min(max(sum, -32768), 32767))
    }
    #expect(quantized.values == expected, "seed \(seed): \(shape), axis \(axis), block \(block)")
    let back = try runNode(
      "DequantizeLinear", version: 25, [(TestTensor(expected, shape), .int16), floats(scales, scaleShape), zero], attributes,
      as: Float.self)
    let restored = expected.indices.map { (Float(expected[$0]) - Float(zeros[number($0)])) * scales[number($0)] }
    #expect(back.values == restored, "seed \(seed): \(shape), axis \(axis), block \(block)")
  }

  @Test func fourBitsArePackedAndReadBack() throws {
    let x = floats([-20, -3, 0.4, 6.6, 20], [5]), scale = floats([1], [])
    let packed = try runNode(
      "QuantizeLinear", version: 25, [x, scale], [Attribute("output_dtype", .int(Int64(ElementType.int4.rawValue)))],
      as: UInt8.self)
    #expect(packed.values == [0xD8, 0x70, 0x07])
    let back = try runNode(
      "DequantizeLinear", version: 25, [(TestTensor(shape: [5], bytes: packed.values), .int4), scale], as: Float.self)
    #expect(back.values == [-8, -3, 0, 7, 7])
  }

  @Test func scalesThatDoNotFitAreErrors() {
    let x = floats([1, 2, 3, 4, 5, 6], [2, 3])
    #expect(
      message { _ = try runNode("QuantizeLinear", version: 25, [x, floats([1, 1], [2])], as: UInt8.self) }.contains("[3]"))
    #expect(
      message {
        _ = try runNode(
          "QuantizeLinear", version: 25, [x, floats([1, 1], [2])], [Attribute("axis", .int(2))], as: UInt8.self)
      }.contains("axis"))
    #expect(
      message {
        _ = try runNode(
          "QuantizeLinear", version: 25, [x, floats([1], []), (TestTensor([UInt8(0)], []), .uint8)],
          [Attribute("output_dtype", .int(3))], as: UInt8.self)
      }.contains("output_dtype"))
  }

  @Test func dynamicQuantizationTakesTheRange() throws {
    var builder = ModelBuilder()
    let x = builder.input("x", [6])
    let outputs = builder.node("DynamicQuantizeLinear", version: 11, [x], outputs: 3)
    builder.output(outputs[0], outputs[1], outputs[2])
    // The example of the operator's specification.
    let results = try runOnce(builder.definition, [TestTensor([0, 2, -3, -2.5, 1.34, 0.5] as [Float], [6])])
    #expect(results[0].bytes == [153, 255, 0, 26, 221, 179])
    #expect(abs(results[1].floats[0] - 0.0196078438) < 1e-9)
    #expect(results[2].bytes == [153])
  }
}

@Suite struct RandomOperatorTests {
  /// Numbers of NumPy's RandomState(0) and RandomState(7).
  @Test func seededNumbersAreThoseOfTheReference() throws {
    func draw(_ name: Name, _ attributes: [Attribute]) throws -> [Double] {
      var builder = ModelBuilder()
      builder.output(
        builder.node(
          name, version: 22, [],
          attributes + [Attribute("seed", .float(0)), Attribute("shape", .ints([5])), Attribute("dtype", .int(11))])[0])
      return try runOnce(builder.definition, [])[0].values()
    }
    for (value, expected) in zip(try draw("RandomUniform", []), [0.5488135, 0.71518937, 0.60276338, 0.54488318, 0.4236548]) {
      #expect(abs(value - expected) < 1e-8)
    }
    for (value, expected) in zip(try draw("RandomNormal", []), [1.76405235, 0.40015721, 0.97873798, 2.2408932, 1.86755799]) {
      #expect(abs(value - expected) < 1e-8)
    }
    let p: [Double] = [0.1, 0.5, 0.9, 0.3, 0.7, 0, 1, 0.5]
    let drawn = try runNode(
      "Bernoulli", version: 22, [(TestTensor(p, [8]), .float64)],
      [Attribute("seed", .float(7)), Attribute("dtype", .int(Int64(ElementType.uint8.rawValue)))], as: UInt8.self)
    #expect(drawn.values == [0, 1, 1, 1, 0, 0, 1, 0])
  }

  @Test func dropoutScalesWhatStaysAndSaysWhich() throws {
    var builder = ModelBuilder()
    let x = builder.input("x", [5])
    let ratio = builder.input("ratio", [])
    let training = builder.input("training", [], .bool)
    let outputs = builder.node("Dropout", version: 22, [x, ratio, training], outputs: 2, [Attribute("seed", .int(0))])
    builder.output(outputs[0], outputs[1])
    func dropped(_ training: UInt8) throws -> [TestTensor] {
      try runOnce(
        builder.definition,
        [TestTensor([1, 2, 3, 4, 5] as [Float], [5]), TestTensor([Float(0.545)], []), TestTensor([training], [])])
    }
    let results = try dropped(1)
    #expect(results[1].bytes == [1, 1, 1, 0, 0])
    for (value, expected) in zip(results[0].floats, [1, 2, 3, 0, 0]) { #expect(abs(value - Float(expected) / 0.455) < 1e-5) }
    let idle = try dropped(0)
    #expect(idle[0].floats == [1, 2, 3, 4, 5] && idle[1].bytes == [1, 1, 1, 1, 1])
  }

  @Test func multinomialDrawsOnlyWhatIsPossible() throws {
    let weights: [Float] = [-.infinity, 0, -.infinity, 1000, -.infinity, 1000]
    let drawn = try runNode(
      "Multinomial", version: 22, [(TestTensor(weights, [2, 3]), .float32)],
      [Attribute("sample_size", .int(100)), Attribute("seed", .float(3))], as: Int32.self)
    #expect(drawn.shape == [2, 100])
    #expect(drawn.values[..<100].allSatisfy { $0 == 1 })
    let second = drawn.values[100...]
    #expect(second.allSatisfy { $0 == 0 || $0 == 2 } && second.contains(0) && second.contains(2))
  }
}
