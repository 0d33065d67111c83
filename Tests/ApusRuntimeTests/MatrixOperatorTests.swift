import ApusGraph
import Testing

import ApusRuntime

/// A typed operand of a test, fed or constant.
struct Fed {
  let tensor: TestTensor
  let type: ElementType
  var isConstant = false

  init(_ values: [Float], _ shape: [Int]) { (tensor, type) = (TestTensor(values, shape), .float32) }
  init(_ values: [Double], _ shape: [Int]) { (tensor, type) = (TestTensor(values, shape), .float64) }
  init(_ values: [Int32], _ shape: [Int]) { (tensor, type) = (TestTensor(values, shape), .int32) }
  init(_ values: [Int64], _ shape: [Int]) { (tensor, type) = (TestTensor(values, shape), .int64) }
  init(_ values: [UInt64], _ shape: [Int]) { (tensor, type) = (TestTensor(values, shape), .uint64) }
  init(_ values: [Int8], _ shape: [Int]) { (tensor, type) = (TestTensor(values, shape), .int8) }
  init(_ values: [UInt8], _ shape: [Int]) { (tensor, type) = (TestTensor(values, shape), .uint8) }
  init(_ values: [Bool], _ shape: [Int]) { (tensor, type) = (TestTensor(values, shape), .bool) }

  var constant: Fed {
    var copy = self
    copy.isConstant = true
    return copy
  }
}

/// Runs one node on every instruction set, with one and two threads; all must give the portable kernels' bits.
func runNode(
  _ name: Name, domain: Name = .onnx, version: Int32, _ operands: [Fed?], outputs: Int = 1, _ attributes: [Attribute] = [],
  location: SourceLocation = #_sourceLocation
) throws -> [TestTensor] {
  var builder = ModelBuilder()
  var inputs: [ValueID] = []
  for (position, operand) in operands.enumerated() {
    guard let operand else {
      inputs.append(.absent)
      continue
    }
    if operand.isConstant {
      let tensor = builder.tensor(operand.tensor.bytes, operand.tensor.shape, operand.type)
      inputs.append(builder.value(Name("c\(position)"), constant: tensor))
    } else {
      inputs.append(builder.input(Name("x\(position)"), Shape(operand.tensor.shape), operand.type))
    }
  }
  let results = builder.node(name, version: version, inputs, outputs: outputs, attributes)
  builder.definition.graphs[0].nodes[0].domain = domain
  builder.definition.graphs[0].outputs = results
  let fed = operands.compactMap { $0 }.filter { !$0.isConstant }.map { $0.tensor }
  let reference = try runOnce(builder.definition, fed, level: 0)
  for level in OperatorTests.levels {
    for threads in [1, 2] {
      #expect(
        try runOnce(builder.definition, fed, level: level, threads: threads) == reference,
        "level \(level), \(threads) threads", sourceLocation: location)
    }
  }
  return reference
}

@Suite struct MatrixOperatorTests {
  @Test func matMulOfEveryType() throws {
    let doubles = try runNode(
      "MatMul", version: 13, [Fed([1.0, 2, 3, 4], [2, 2]), Fed([5.0, 6, 7, 8], [2, 2])])
    #expect(doubles[0].values(Double.self) == [19, 22, 43, 50])
    // Products wrap as two's complement does.
    let wide = try runNode("MatMul", version: 13, [Fed([Int64.max, 2], [1, 2]), Fed([2, Int64(3)], [2, 1])])
    #expect(wide[0].values(Int64.self) == [4])
    let unsigned = try runNode("MatMul", version: 13, [Fed([UInt64(1) << 63], [1]), Fed([UInt64(3)], [1])])
    #expect(unsigned[0].values(UInt64.self) == [1 << 63])
    #expect(unsigned[0].shape == [])
  }

  @Test func matMulBroadcastsBatchesAndVectors() throws {
    var random = SeededGenerator(seed: 3)
    for (a, b, y) in [
      ([2, 1, 3, 4], [5, 4, 2], [2, 5, 3, 2]), ([4], [2, 4, 3], [2, 3]), ([2, 3, 4], [4], [2, 3]), ([3, 0], [0, 2], [3, 2]),
    ] {
      let x = random.floats(Reference.count(a))
      let w = random.floats(Reference.count(b))
      let float = try runNode("MatMul", version: 13, [Fed(x, a), Fed(w, b)])[0]
      let double = try runNode("MatMul", version: 13, [Fed(x.map { Double($0) }, a), Fed(w.map { Double($0) }, b)])[0]
      let constant = try runNode("MatMul", version: 13, [Fed(x, a), Fed(w, b).constant])[0]
      #expect(float.shape == y)
      #expect(double.shape == y)
      #expect(constant == float)
      for (v, u) in zip(float.floats, double.values(Double.self)) { #expect(abs(Double(v) - u) < 1e-5) }
    }
  }

  @Test func gemmScalesAndBroadcastsIntegers() throws {
    let result = try runNode(
      "Gemm", version: 13,
      [Fed([Int32(1), 2, 3, 4], [2, 2]), Fed([Int32(1), 0, 0, 1], [2, 2]), Fed([Int32(10), 20], [2, 1])],
      1, [Attribute("alpha", .float(2)), Attribute("beta", .float(0.5)), Attribute("transA", .int(1))])
    #expect(result[0].values(Int32.self) == [7, 11, 14, 18])
  }

  private func runNode(
    _ name: Name, version: Int32, _ operands: [Fed?], _ outputs: Int = 1, _ attributes: [Attribute] = [], domain: Name = .onnx
  ) throws -> [TestTensor] {
    try ApusRuntimeTests.runNode(name, domain: domain, version: version, operands, outputs: outputs, attributes)
  }

  @Test(arguments: [
    ("ij,jk->ik", [19.0, 22, 43, 50]), ("ij,jk->ki", [19, 43, 22, 50]), ("ij,ij->", [70]),
    ("ij,kl", [5, 6, 7, 8, 10, 12, 14, 16, 15, 18, 21, 24, 20, 24, 28, 32]),
    ("ii,jj->", [65]), ("ii,ij->j", [33, 38]), ("...j,...j->...", [17, 53]), ("ij,jk", [19, 22, 43, 50]),
  ])
  func einsum(equation: String, expected: [Double]) throws {
    let attributes = [Attribute("equation", .string(Name(equation)))]
    let doubles = try runNode(
      "Einsum", version: 12, [Fed([1.0, 2, 3, 4], [2, 2]), Fed([5.0, 6, 7, 8], [2, 2])], 1, attributes)
    #expect(doubles[0].values(Double.self) == expected)
    let integers = try runNode(
      "Einsum", version: 12, [Fed([Int32(1), 2, 3, 4], [2, 2]), Fed([Int32(5), 6, 7, 8], [2, 2])], 1, attributes)
    #expect(integers[0].values(Int32.self).map { Double($0) } == expected)
  }

  @Test(arguments: ["ij,jk->ikk", "ij->i", "ij,jk->il", "i,jk->ik", "i.j,jk->ik", "ij,jk-ik"])
  func einsumRefuses(equation: String) {
    #expect(throws: ApusError.self) {
      try runNode(
        "Einsum", version: 12, [Fed([1.0, 2, 3, 4], [2, 2]), Fed([5.0, 6, 7, 8], [2, 2])], 1,
        [Attribute("equation", .string(Name(equation)))])
    }
  }

  @Test func largeEinsumUsesMatrixProducts() throws {
    var random = SeededGenerator(seed: 9)
    let x = random.floats(2 * 6 * 3 * 8)
    let w = random.floats(2 * 7 * 3 * 8)
    let attributes = [Attribute("equation", .string("bihd,bjhd->bhij"))]
    let float = try runNode("Einsum", version: 12, [Fed(x, [2, 6, 3, 8]), Fed(w, [2, 7, 3, 8])], 1, attributes)[0]
    let double = try runNode(
      "Einsum", version: 12, [Fed(x.map { Double($0) }, [2, 6, 3, 8]), Fed(w.map { Double($0) }, [2, 7, 3, 8])], 1, attributes)[0]
    #expect(float.shape == [2, 3, 6, 7])
    for (v, u) in zip(float.floats, double.values(Double.self)) { #expect(abs(Double(v) - u) < 1e-5) }
  }

  @Test func integerProductsTakeZeroPointsOfRowsAndColumns() throws {
    let a: [UInt8] = [1, 200, 3, 255, 0, 6]
    let b: [Int8] = [-128, 2, 3, 127, -5, 6]
    let operands = [Fed(a, [2, 3]), Fed(b, [3, 2]), Fed([UInt8(2), 255], [2]), Fed([Int8(-3), 4], [2])]
    var expected: [Int32] = []
    for i in 0..<2 {
      for j in 0..<2 {
        expected.append(
          (0..<3).map { (Int32(a[i * 3 + $0]) - [2, 255][i]) * (Int32(b[$0 * 2 + j]) - [-3, 4][j]) }.reduce(0, +))
      }
    }
    #expect(try runNode("MatMulInteger", version: 10, operands)[0].values(Int32.self) == expected)
    let constant = [operands[0], operands[1].constant, operands[2], operands[3]]
    #expect(try runNode("MatMulInteger", version: 10, constant)[0].values(Int32.self) == expected)
  }

  @Test func quantizedProductRoundsToEvenAndSaturates() throws {
    func one(_ value: Float) -> Fed { Fed([value], []) }
    let operands: [Fed] = [
      Fed([Int8(1), 3, 100], [3, 1]), one(0.5), Fed([Int8(0)], []), Fed([Int8(1)], [1, 1]), one(1), Fed([Int8(0)], []), one(1),
      Fed([UInt8(200)], []),
    ]
    // 0.5 and 1.5 go to the even neighbour.
    let result = try runNode("QLinearMatMul", version: 21, operands)
    #expect(result[0].values(UInt8.self) == [200, 202, 250])
    var saturated = operands
    saturated[1] = one(50)
    #expect(try runNode("QLinearMatMul", version: 21, saturated)[0].values(UInt8.self) == [250, 255, 255])
  }

  @Test func blockQuantizedWeights() throws {
    // One column, two blocks of 8 elements in 4 bits: zero points 1 and 2, scales 1 and 10.
    let q: [UInt8] = [0x21, 0x43, 0x65, 0x87, 0x22, 0x22, 0x22, 0x23]
    let ones = [Float](repeating: 1, count: 16)
    let result = try runNode(
      "MatMulNBits", version: 1, [Fed(ones, [1, 16]), Fed(q, [1, 2, 4]), Fed([Float(1), 10], [2]), Fed([UInt8(0x21)], [1])], 1,
      [
        Attribute("K", .int(16)), Attribute("N", .int(1)), Attribute("bits", .int(4)), Attribute("block_size", .int(8)),
      ], domain: .microsoft)
    #expect(result[0].floats == [28 + 10])
  }

  @Test func determinants() throws {
    let result = try runNode("Det", version: 22, [Fed([0, 2, 3, 4, 1, 2, 2, 4].map { Float($0) }, [2, 2, 2])])
    #expect(result[0].floats == [-6, 0])
    #expect(try runNode("Det", version: 22, [Fed([Double](), [3, 0, 0])])[0].values(Double.self) == [1, 1, 1])
  }
}
