import ApusGraph
import Testing

@testable import ApusRuntime

/// Products whose weights are DequantizeLinear of constants: read as they are stored, and near what the floats give.
@Suite struct BlockWeightsTests {
  private enum Axis { case tensor, column, blocks(Int) }

  /// A model of one product, and another of the same with float32 weights.
  private struct Network {
    var quantized = ModelBuilder()
    var wide = ModelBuilder()
    let x: (ValueID, ValueID)
    let w: (ValueID, ValueID)

    init(
      _ random: inout SeededGenerator, x shape: [Int], w extents: [Int], kAxis: Int, _ axis: Axis, _ type: ElementType,
      scales scaleType: ElementType = .float16, hasZeros: Bool = false
    ) {
      let half = type == .int4 || type == .uint4 ? 8 : 128
      let isSigned = type == .int8 || type == .int4
      var table = extents
      var attributes = [Attribute("output_dtype", .int(Int64(ElementType.float32.rawValue)))]
      switch axis {
      case .tensor: table = []
      case .column:
        table = [extents[1 - kAxis]]
        attributes.append(Attribute("axis", .int(Int64(1 - kAxis))))
      case .blocks(let size):
        table[kAxis] = (extents[kAxis] + size - 1) / size
        attributes += [Attribute("axis", .int(Int64(kAxis))), Attribute("block_size", .int(Int64(size)))]
      }
      let elements = (0..<extents[0] * extents[1]).map { _ in random.int(0...(2 * half - 1)) }
      let count = Reference.count(table)
      let scales = random.floats(count, in: 0.001...0.01).map { scaleType == .float16 ? Float(Float16($0)) : $0 }
      let zeros = (0..<count).map { _ in random.int(0...(2 * half - 1)) }
      func number(_ element: Int) -> Int { isSigned && element >= half ? element - 2 * half : element }
      let values = elements.indices.map { index in
        let (row, column) = (index / extents[1], index % extents[1])
        var entry = 0
        switch axis {
        case .tensor: break
        case .column: entry = kAxis == 0 ? column : row
        case .blocks(let size): entry = kAxis == 0 ? row / size * extents[1] + column : row * table[1] + column / size
        }
        return Float(number(elements[index]) - (hasZeros ? number(zeros[entry]) : 0)) * scales[entry]
      }
      func bytes(_ elements: [Int]) -> [UInt8] {
        if half == 128 { return elements.map { UInt8($0) } }
        return stride(from: 0, to: elements.count, by: 2).map { index in
          UInt8(elements[index] | (index + 1 < elements.count ? elements[index + 1] << 4 : 0))
        }
      }
      let q = quantized.value("q", constant: quantized.tensor(bytes(elements), extents, type))
      let s =
        scaleType == .float16
        ? quantized.value("s", constant: quantized.tensor(scales.map { Float16($0).bitPattern }, table, .float16))
        : quantized.constant(scales, table)
      var inputs = [q, s]
      if hasZeros { inputs.append(quantized.value("z", constant: quantized.tensor(bytes(zeros), table, type))) }
      x = (quantized.input("x", Shape(shape)), wide.input("x", Shape(shape)))
      w = (
        quantized.node("DequantizeLinear", version: 25, inputs, attributes)[0], wide.constant(values, extents)
      )
    }

    mutating func finish(_ name: Name, _ others: [[Float]] = [], _ attributes: [Attribute] = []) {
      let version: Int32 = 13
      var ids = ([x.0, w.0], [x.1, w.1])
      for other in others {
        ids.0.append(quantized.constant(other, [other.count]))
        ids.1.append(wide.constant(other, [other.count]))
      }
      quantized.output(quantized.node("Relu", version: 14, quantized.node(name, version: version, ids.0, attributes))[0])
      wide.output(wide.node("Relu", version: 14, wide.node(name, version: version, ids.1, attributes))[0])
    }

    /// One result on all levels and with two threads; unfolded the float32 one's bits; folded these, or near them.
    func expect(_ input: TestTensor, exact: Bool, error: Float = 1e-4) throws {
      let expected = try runOnce(wide.definition, [input])
      let result = try runOnce(quantized.definition, [input])
      for (level, threads): (Int32?, Int) in [(0, 1), (1, 2), (nil, 2)] {
        var options = LoadOptions()
        options.level = level
        guard (try? Model(definition: ModelBuilder().definition, options: options)) != nil else { continue }
        #expect(try runOnce(quantized.definition, [input], level: level, threads: threads) == result)
      }
      #expect(try runOnce(quantized.definition, [input], optimizes: false) == expected)
      if exact { #expect(result == expected) }
      let pairs = zip(result[0].values(Float.self), expected[0].values(Float.self))
      #expect(pairs.allSatisfy { abs($0 - $1) <= error })
    }

    func bytes(_ shape: [Int]) throws -> UInt64 {
      let needs = try Model(definition: quantized.definition).memoryRequirements(shapes: [shape], threads: 1)
      return needs.packedBytes + needs.constantBytes
    }
  }

  private static let types: [ElementType] = [.int8, .uint8, .int4, .uint4]

  @Test(arguments: [1, 7, 33]) func products(rows: Int) throws {
    var random = SeededGenerator(seed: 4)
    let (k, n) = (192, 70)
    for type in Self.types {
      for (number, axis) in [Axis.tensor, .column, .blocks(32), .blocks(64), .blocks(128), .blocks(192)].enumerated() {
        let isTurned = number % 2 == 1
        var network = Network(
          &random, x: [rows, k], w: isTurned ? [n, k] : [k, n], kAxis: isTurned ? 1 : 0, axis, type,
          scales: number % 3 == 0 ? .float32 : .float16, hasZeros: random.bool() || type == .uint8 || type == .uint4)
        if isTurned {
          network.finish("Gemm", [random.floats(n)], [Attribute("transB", .int(1))])
        } else {
          network.finish("MatMul")
        }
        try network.expect(TestTensor(random.floats(rows * k), [rows, k]), exact: rows > 8)
        let bits = type == .int8 || type == .uint8 ? 8 : 4
        // Whole panels of 32 columns and whole blocks, and the tables of small blocks.
        #expect(try network.bytes([rows, k]) <= UInt64(256 * 96 * bits / 8 + 96 * (k / 32) * 5 + 1024), "\(type) \(number)")
      }
    }
  }

  /// Blocks across columns, and of sizes without kernels, are floats by the time of a run.
  @Test func otherForms() throws {
    var random = SeededGenerator(seed: 5)
    for (axis, kAxis): (Axis, Int) in [(.blocks(16), 0), (.blocks(32), 1), (.column, 1)] {
      var network = Network(&random, x: [2, 64], w: [64, 96], kAxis: kAxis, axis, .int4, hasZeros: true)
      network.finish("MatMul")
      try network.expect(TestTensor(random.floats(128), [2, 64]), exact: true)
    }
  }

  @Test func convolutions() throws {
    var random = SeededGenerator(seed: 6)
    for axis in [Axis.column, .blocks(3)] {
      var network = Network(&random, x: [1, 6, 8, 8], w: [10, 6], kAxis: 1, axis, .int4, hasZeros: true)
      let shape: [Int64] = [10, 6, 1, 1]
      let ids = (network.quantized.constant(shape), network.wide.constant(shape))
      let kernels = (
        network.quantized.node("Reshape", version: 25, [network.w.0, ids.0])[0],
        network.wide.node("Reshape", version: 25, [network.w.1, ids.1])[0]
      )
      network.quantized.output(network.quantized.node("Conv", version: 22, [network.x.0, kernels.0])[0])
      network.wide.output(network.wide.node("Conv", version: 22, [network.x.1, kernels.1])[0])
      try network.expect(TestTensor(random.floats(384), [1, 6, 8, 8]), exact: true)
    }
  }

  /// A table of words: found rows have the bits of the float32 table's, which is never made.
  @Test func tables() throws {
    var random = SeededGenerator(seed: 9)
    for (axis, kAxis): (Axis, Int) in [(.tensor, 1), (.column, 1), (.column, 0), (.blocks(32), 1)] {
      for type: ElementType in [.int8, .uint8] {
        var network = Network(&random, x: [2, 3], w: [300, 64], kAxis: kAxis, axis, type, hasZeros: true)
        let words = (
          network.quantized.input("words", [2, 3], .int64), network.wide.input("words", [2, 3], .int64)
        )
        network.quantized.output(network.quantized.node("Gather", version: 13, [network.w.0, words.0])[0])
        network.wide.output(network.wide.node("Gather", version: 13, [network.w.1, words.1])[0])
        let inputs = [TestTensor(random.floats(6), [2, 3]), TestTensor([Int64(3), 299, 0, 77, 3, 1], [2, 3])]
        #expect(try runOnce(network.quantized.definition, inputs) == runOnce(network.wide.definition, inputs))
        let model = try Model(definition: network.quantized.definition)
        let needs = try model.memoryRequirements(shapes: [[2, 3], [2, 3]], threads: 1)
        #expect(needs.constantBytes < 300 * 64 * 2)
      }
    }
  }

  /// com.microsoft MatMulNBits: zero points of odd numbers of blocks, more rows than few, a bias.
  @Test(arguments: [4, 8]) func matMulNBits(bits: Int) throws {
    var random = SeededGenerator(seed: 8)
    let (k, n, block) = (96, 37, 32)
    let most = 1 << bits
    let q = (0..<n * k).map { _ in random.int(0...(most - 1)) }, zeros = (0..<n * 3).map { _ in random.int(0...(most - 1)) }
    let scales = random.floats(n * 3), bias = random.floats(n)
    func packed(_ row: ArraySlice<Int>) -> [UInt8] {
      let row = Array(row)
      if bits == 8 { return row.map { UInt8($0) } }
      return stride(from: 0, to: row.count, by: 2).map { UInt8(row[$0] | ($0 + 1 < row.count ? row[$0 + 1] << 4 : 0)) }
    }
    for hasZeros in [true, false] {
      for rows in [1, 5, 20] {
        var builder = ModelBuilder()
        let x = builder.input("x", [rows, k])
        let elements = packed(q[...]), table = (0..<n).flatMap { packed(zeros[($0 * 3)..<($0 * 3 + 3)]) }
        let w = builder.value("q", constant: builder.tensor(elements, [n, 3, elements.count / n / 3], .uint8))
        let s = builder.constant(scales, [n, 3])
        let z = hasZeros ? builder.value("z", constant: builder.tensor(table, [table.count], .uint8)) : .absent
        let attributes = [("K", k), ("N", n), ("bits", bits), ("block_size", block)].map { (name: StaticString, number) in
          Attribute(Name(stringLiteral: name), .int(Int64(number)))
        }
        let y = builder.node(
          "MatMulNBits", version: 1, [x, w, s, z, .absent, builder.constant(bias, [n])], attributes)[0]
        builder.definition.graphs[0].nodes[0].domain = .microsoft
        builder.output(y)
        let input = random.floats(rows * k)
        let result = try runOnce(builder.definition, [TestTensor(input, [rows, k])])[0].values(Float.self)
        for i in 0..<rows {
          for j in 0..<n {
            var sum = Double(bias[j])
            for p in 0..<k {
              let zero = hasZeros ? zeros[j * 3 + p / block] : most / 2
              sum += Double(input[i * k + p]) * Double(q[j * k + p] - zero) * Double(scales[j * 3 + p / block])
            }
            #expect(abs(Double(result[i * n + j]) - sum) < 2e-5 * Double(most) * Double(k))
          }
        }
      }
    }
  }
}
