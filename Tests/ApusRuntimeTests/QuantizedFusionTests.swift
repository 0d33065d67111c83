import ApusGraph
import CApusPlatform
import Testing

@testable import ApusRuntime

/// Quantization of a tensor in a test.
struct TestQuantum {
  var scale: Float
  var zero: Int
  var type: ElementType = .uint8

  var range: ClosedRange<Int> { type == .int8 ? -128...127 : 0...255 }

  func quantized(_ v: Float) -> Int { min(max(Int(v.rounded(.toNearestOrEven)) + zero, range.lowerBound), range.upperBound) }
}

/// Builds models of operators between DequantizeLinear and QuantizeLinear, over inputs of 8 bits.
struct QuantizedNet {
  var builder = ModelBuilder()
  var random: SeededGenerator
  private(set) var inputs: [TestTensor] = []

  init(seed: UInt64) { random = SeededGenerator(seed: seed) }

  mutating func quantum(_ type: ElementType? = nil, scale: ClosedRange<Float> = 0.01...0.1) -> TestQuantum {
    let type = type ?? (random.bool() ? .uint8 : .int8)
    return TestQuantum(
      scale: Float.random(in: scale, using: &random), zero: random.int(type == .int8 ? -60...60 : 60...190), type: type)
  }

  mutating func zero(_ quantum: TestQuantum) -> ValueID {
    let id = builder.tensor([UInt8(truncatingIfNeeded: quantum.zero)], [], quantum.type, "zero")
    return builder.value(Name("zero\(id)"), constant: id)
  }

  mutating func op(_ name: Name, _ inputs: [ValueID], _ attributes: [Attribute] = []) -> ValueID {
    let schema = OperatorRegistry.core.schemas(domain: .onnx, name: name).last
    return builder.node(name, version: schema?.versions.last ?? 1, inputs, attributes)[0]
  }

  /// A dequantized input of random bytes.
  mutating func input(_ shape: [Int], _ quantum: TestQuantum) -> ValueID {
    let q = builder.input(Name("x\(inputs.count)"), Shape(shape), quantum.type)
    inputs.append(TestTensor((0..<Reference.count(shape)).map { _ in UInt8(random.int(0...255)) }, shape))
    return dequantized(q, quantum)
  }

  mutating func dequantized(_ q: ValueID, _ quantum: TestQuantum) -> ValueID {
    op("DequantizeLinear", [q, builder.constant([quantum.scale], []), zero(quantum)])
  }

  mutating func quantized(_ v: ValueID, _ quantum: TestQuantum) -> ValueID {
    op("QuantizeLinear", [v, builder.constant([quantum.scale], []), zero(quantum)])
  }

  /// Weights of int8 with a scale a channel of `axis`.
  mutating func weights(_ shape: [Int], axis: Int) -> ValueID {
    let id = builder.tensor((0..<Reference.count(shape)).map { _ in Int8(random.int(-127...127)) }, shape, .int8, "w")
    let q = builder.value(Name("w\(id)"), constant: id)
    return op(
      "DequantizeLinear", [q, builder.constant(random.floats(shape[axis], in: 0.002...0.01), [shape[axis]])],
      [Attribute("axis", .int(Int64(axis)))])
  }

  mutating func floats(_ shape: [Int], in range: ClosedRange<Float> = -1...1) -> ValueID {
    builder.constant(random.floats(Reference.count(shape), in: range), shape)
  }

  /// The bytes of the only output.
  func run(level: Int32? = nil, threads: Int = 1, optimizes: Bool = true) throws -> TestTensor {
    try runOnce(builder.definition, inputs, level: level, threads: threads, optimizes: optimizes)[0]
  }

  func operators() throws -> [String] {
    try Model(definition: builder.definition).program.nodes.map { $0.node.operatorName.string }
  }
}

/// Models with QuantizeLinear and DequantizeLinear run on integers, and compute what the float operators compute.
@Suite struct QuantizedFusionTests {
  private static let levels: [Int32] = {
    var cpu = apusp_cpu()
    apusp_cpu_detect(&cpu)
    return Array(0...cpu.level)
  }()

  /// Runs a net as it is and on integers, on each level and number of threads.
  /// - Returns: the operators that are left.
  private func check(_ net: QuantizedNet, _ type: ElementType, steps: Int, _ comment: String) throws -> [String] {
    let expected = try net.run(optimizes: false)
    let found = try net.run()
    #expect(found.shape == expected.shape)
    var most = 0
    for (a, b) in zip(found.bytes, expected.bytes) {
      let difference =
        type == .int8 ? Int(Int8(bitPattern: a)) - Int(Int8(bitPattern: b)) : Int(a) - Int(b)
      most = max(most, abs(difference))
    }
    #expect(most <= steps, "\(comment): \(most) steps of the result's scale")
    for level in QuantizedFusionTests.levels {
      for threads in [1, 3] { #expect(try net.run(level: level, threads: threads) == found, "\(comment), level \(level)") }
    }
    return try net.operators()
  }

  /// An operator over dequantized images, quantized, with the operators that must be left.
  private typealias Case = (
    name: String, steps: Int, left: [String], build: @Sendable (inout QuantizedNet, ValueID, inout TestQuantum) -> ValueID
  )

  private static let cases: [Case] = [
    ("conv", 1, ["QLinearConv"], { net, x, _ in net.op("Conv", [x, net.weights([5, 6, 3, 3], axis: 0), net.floats([5])]) }),
    (
      "depthwise", 1, ["QLinearConv"],
      { net, x, _ in
        net.op(
          "Conv", [x, net.weights([6, 1, 3, 3], axis: 0)], [Attribute("group", .int(6)), Attribute("pads", .ints([1, 1, 1, 1]))])
      }
    ),
    (
      "average", 1, ["AveragePool"],
      { net, x, _ in
        net.op("AveragePool", [x], [Attribute("kernel_shape", .ints([3, 2])), Attribute("pads", .ints([1, 1, 1, 0]))])
      }
    ),
    (
      "padded average", 1, ["AveragePool"],
      { net, x, _ in
        net.op(
          "AveragePool", [x],
          [
            Attribute("kernel_shape", .ints([3, 3])), Attribute("pads", .ints([1, 1, 1, 1])),
            Attribute("strides", .ints([2, 2])),
            Attribute("count_include_pad", .int(1)), Attribute("ceil_mode", .int(1)),
          ])
      }
    ),
    ("global average", 1, ["GlobalAveragePool"], { net, x, _ in net.op("GlobalAveragePool", [x]) }),
    (
      "mean of pixels", 1, ["ReduceMean"],
      { net, x, _ in
        net.op("ReduceMean", [x, net.builder.constant([Int64](arrayLiteral: -1, 2))], [Attribute("keepdims", .int(0))])
      }
    ),
    ("sum", 1, ["Add"], { net, x, _ in net.op("Add", [x, net.input([2, 6, 7, 5], net.quantum())]) }),
    ("difference", 1, ["Sub"], { net, x, _ in net.op("Sub", [x, net.input([6, 1, 1], net.quantum())]) }),
    ("sum and relu", 1, ["Add"], { net, x, _ in net.op("Relu", [net.op("Add", [net.input([1], net.quantum()), x])]) }),
    ("product", 1, ["Mul"], { net, x, _ in net.op("Mul", [x, net.input([2, 6, 1, 1], net.quantum())]) }),
    ("hard swish", 0, ["HardSwish"], { net, x, _ in net.op("HardSwish", [x]) }),
    ("swish", 0, ["Mul"], { net, x, _ in net.op("Mul", [net.op("Sigmoid", [x]), x]) }),
    (
      "gelu", 0, ["Mul"],
      { net, x, _ in
        let erf = net.op("Erf", [net.op("Div", [x, net.builder.constant([1.4142135], [])])])
        return net.op(
          "Mul", [net.op("Mul", [x, net.op("Add", [erf, net.builder.constant([1], [])])]), net.builder.constant([0.5], [])])
      }
    ),
    ("other scale", 0, ["QuantizeLinear"], { _, x, _ in x }),
    (
      "transposition", 0, ["Transpose", "QuantizeLinear"],
      { net, x, _ in
        net.op("Transpose", [x], [Attribute("perm", .ints([0, 2, 3, 1]))])
      }
    ),
    (
      "concatenation", 0, ["Concat"],
      { net, x, _ in
        net.op("Concat", [x, net.input([2, 3, 7, 5], net.quantum())], [Attribute("axis", .int(1))])
      }
    ),
  ]

  @Test(arguments: cases.indices, [ElementType.uint8, .int8]) func operatorsRunOnIntegers(index: Int, type: ElementType) throws {
    let (name, steps, left, build) = QuantizedFusionTests.cases[index]
    for seed in 0..<4 {
      var net = QuantizedNet(seed: UInt64(100 * index + seed))
      let x = net.input([2, 6, 7, 5], net.quantum(type))
      var result = net.quantum()
      let y = build(&net, x, &result)
      net.builder.output(net.quantized(y, result))
      #expect(try check(net, result.type, steps: steps, "\(name), seed \(seed)") == left, "\(name)")
    }
  }

  @Test(arguments: 0..<6) func matrixProductsRunOnIntegers(seed: UInt64) throws {
    var net = QuantizedNet(seed: 900 + seed)
    let x = net.input([3, 20], net.quantum())
    let turned = seed % 2 == 1
    let result = net.quantum(scale: 0.05...0.1)
    let y: ValueID
    if seed < 2 {
      y = net.op("MatMul", [x, net.weights([20, 9], axis: 1)])
    } else {
      y = net.op(
        "Gemm", [x, net.weights(turned ? [9, 20] : [20, 9], axis: turned ? 0 : 1), net.floats([9])],
        [Attribute("transB", .int(turned ? 1 : 0))])
    }
    net.builder.output(net.quantized(seed > 3 ? net.op("Relu", [y]) : y, result))
    let left = try check(net, result.type, steps: 1, "seed \(seed)")
    #expect(left.first == (seed < 2 ? "QLinearMatMul" : "QGemm") && left.count <= 2, "\(left)")
  }

  /// What moves elements between equal scales keeps each of them; the last conversion, a result of the graph, keeps them, too.
  @Test func movementKeepsBytes() throws {
    var net = QuantizedNet(seed: 7)
    let quantum = net.quantum(.int8)
    var x = net.input([1, 8, 6, 4], quantum)
    func again(_ v: ValueID) -> ValueID { net.dequantized(net.quantized(v, quantum), quantum) }
    x = again(net.op("MaxPool", [x], [Attribute("kernel_shape", .ints([2, 2])), Attribute("pads", .ints([0, 1, 1, 0]))]))
    x = again(net.op("DepthToSpace", [x], [Attribute("blocksize", .int(2))]))
    x = again(net.op("Pad", [x, net.builder.constant([Int64](arrayLiteral: 0, 0, 1, 0, 0, 0, 0, 2))]))
    x = again(net.op("Concat", [x, x], [Attribute("axis", .int(1))]))
    x = again(net.op("Transpose", [x], [Attribute("perm", .ints([0, 2, 1, 3]))]))
    x = again(net.op("Flatten", [x]))
    net.builder.output(net.quantized(x, quantum))
    #expect(
      try check(net, .int8, steps: 0, "moves") == [
        "MaxPool", "DepthToSpace", "Pad", "Concat", "Transpose", "Flatten", "QuantizeLinear",
      ])
  }

  /// Elements without their zero point.
  private func numbers(_ tensor: TestTensor, _ quantum: TestQuantum) -> [Int] {
    tensor.bytes.map { (quantum.type == .int8 ? Int(Int8(bitPattern: $0)) : Int($0)) - quantum.zero }
  }

  /// Sums, products and means follow their rule to the bit.
  @Test(arguments: 0..<12) func rulesAreExact(seed: UInt64) throws {
    var net = QuantizedNet(seed: 300 + seed)
    let (qa, qb, result) = (net.quantum(), net.quantum(), net.quantum())
    let count = net.random.int(1...70)
    let a = net.input([1, count, 1, 3], qa)
    let kind = seed % 3
    var names = ["Add", "Mul", "GlobalAveragePool"]
    var operands = [a]
    if kind < 2 { operands.append(net.input([1, count, 1, 3], qb)) }
    net.builder.output(net.quantized(net.op(Name(names[Int(kind)]), operands), result))
    names = try net.operators()
    #expect(names.count == 1)
    let x = numbers(net.inputs[0], qa)
    var expected: [Int] = []
    if kind == 0 {
      let factorA = qa.scale / result.scale
      let factorB = qb.scale / result.scale
      for (p, q) in zip(x, numbers(net.inputs[1], qb)) {
        let (first, second): (Float, Float) = (Float(p) * factorA, Float(q) * factorB)
        expected.append(result.quantized(first + second))
      }
    } else if kind == 1 {
      let scale: Float = qa.scale * qb.scale
      let factor: Float = scale / result.scale
      for (p, q) in zip(x, numbers(net.inputs[1], qb)) { expected.append(result.quantized(Float(p * q) * factor)) }
    } else {
      let divisor: Float = 3 * result.scale
      let factor: Float = qa.scale / divisor
      for channel in 0..<count {
        let sum: Int = x[3 * channel] + x[3 * channel + 1] + x[3 * channel + 2]
        expected.append(result.quantized(Float(sum) * factor))
      }
    }
    let bytes = expected.map { UInt8(truncatingIfNeeded: $0) }
    for level in QuantizedFusionTests.levels {
      let found = try net.run(level: level).bytes
      #expect(found == bytes, "seed \(seed), level \(level)")
    }
  }

  /// A small network with a residual, a squeeze-and-excitation and a head: nothing between its ends is a float.
  @Test(arguments: 0..<4) func networksRunOnIntegers(seed: UInt64) throws {
    var net = QuantizedNet(seed: 500 + seed)
    func again(_ v: ValueID, _ scale: ClosedRange<Float> = 0.02...0.04) -> ValueID {
      let quantum = net.quantum(.uint8, scale: scale)
      return net.dequantized(net.quantized(v, quantum), quantum)
    }
    let x = net.builder.input("image", [1, 3, 12, 10])
    let image = again(x, 0.007...0.008)
    let stem = again(net.op("Relu", [net.op("Conv", [image, net.weights([8, 3, 3, 3], axis: 0), net.floats([8])])]))
    let pads = [Attribute("pads", .ints([1, 1, 1, 1]))]
    let branch = again(net.op("Conv", [stem, net.weights([8, 8, 3, 3], axis: 0), net.floats([8])], pads))
    let joint = again(net.op("Relu", [net.op("Add", [stem, branch])]))
    let squeezed = again(net.op("GlobalAveragePool", [joint]))
    let gate = again(net.op("Conv", [squeezed, net.weights([8, 8, 1, 1], axis: 0), net.floats([8])]))
    let excited = again(net.op("Mul", [joint, again(net.op("HardSigmoid", [gate]))]))
    let pooled = again(net.op("Flatten", [net.op("AveragePool", [excited], [Attribute("kernel_shape", .ints([10, 8]))])]))
    net.builder.output(net.op("Gemm", [pooled, net.weights([8, 4], axis: 1)]))
    let input = TestTensor(net.random.floats(3 * 12 * 10), [1, 3, 12, 10])
    let left = try net.operators()
    #expect(left.first == "QuantizeLinear")
    #expect(!left.dropFirst().contains { $0 == "QuantizeLinear" || $0 == "DequantizeLinear" || $0 == "Conv" }, "\(left)")
    let expected = try runOnce(net.builder.definition, [input], optimizes: false)[0].floats
    let found = try runOnce(net.builder.definition, [input])[0]
    for (a, b) in zip(found.floats, expected) { #expect(abs(a - b) <= 0.02, "seed \(seed)") }
    for level in QuantizedFusionTests.levels {
      for threads in [1, 3] {
        #expect(try runOnce(net.builder.definition, [input], level: level, threads: threads)[0] == found)
      }
    }
  }
}
