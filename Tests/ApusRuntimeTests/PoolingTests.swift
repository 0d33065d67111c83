import ApusGraph
import ApusRuntime
import Testing

/// Pooling of every rank and type and its inverses, with hand-checkable values or against plain loops.
@Suite struct PoolingTests {
  private func run<T>(
    _ name: Name, version: Int32 = 22, _ values: [T], _ shape: [Int], _ type: ElementType, outputs: Int = 1,
    constants: [[Int64]] = [], _ attributes: [Attribute] = []
  ) throws -> [TestTensor] {
    var builder = ModelBuilder()
    var operands = [builder.input("x", Shape(shape), type)]
    for list in constants { operands.append(builder.constant(list)) }
    for id in builder.node(name, version: version, operands, outputs: outputs, attributes) { builder.output(id) }
    let fed = [TestTensor(values, shape)]
    let portable = try runOnce(builder.definition, fed, level: 0)
    for level in OperatorTests.levels {
      for threads in [1, 2] { #expect(try runOnce(builder.definition, fed, level: level, threads: threads) == portable) }
    }
    return portable
  }

  private func ints(_ name: Name, _ values: [Int]) -> Attribute { Attribute(name, .ints(values.map { Int64($0) })) }

  @Test(arguments: 0..<10) func overAnyNumberOfAxes(seed: UInt64) throws {
    var random = SeededGenerator(seed: seed)
    let axes = random.int(1...4)
    let kernel = (0..<axes).map { _ in random.int(1...3) }
    let window = Reference.Window(
      kernel: kernel, strides: kernel.map { _ in random.int(1...2) }, dilations: kernel.map { _ in random.int(1...2) },
      begin: kernel.map { random.int(0...($0 - 1)) }, end: kernel.map { random.int(0...($0 - 1)) })
    let shape = [2, [3, 70][random.int(0...1)]] + kernel.map { _ in random.int(5...6) }
    let outputShape = Array(shape[..<2]) + window.output(Array(shape[2...]))
    let x = random.floats(Reference.count(shape))
    let windows = Reference.windows(x, shape, outputShape, window)
    let attributes = [
      ints("kernel_shape", kernel), ints("strides", window.strides), ints("dilations", window.dilations),
      ints("pads", window.begin + window.end),
    ]
    let largest = windows.map { $0.max() ?? -.infinity }
    let maximum = try run("MaxPool", x, shape, .float32, outputs: 2, attributes)
    #expect(maximum[0].shape == outputShape && maximum[0].floats.map { Double($0) } == largest)
    #expect(maximum[1].values(Int64.self).map { Double(x[Int($0)]) } == largest)
    let double = try run("MaxPool", x.map { Double($0) }, shape, .float64, attributes)[0]
    #expect(double.values() == largest)
    let bytes = x.map { Int8($0 * 127) }
    let narrow = try run("MaxPool", bytes, shape, .int8, attributes)[0]
    #expect(narrow.values(Int8.self) == largest.map { Int8(Float($0) * 127) })

    let mean = try run("AveragePool", x, shape, .float32, attributes)[0].floats
    let root = try run("LpPool", x, shape, .float32, attributes + [Attribute("p", .int(3))])[0].floats
    for (index, elements) in windows.enumerated() {
      #expect(abs(Double(mean[index]) - elements.reduce(0, +) / Double(max(elements.count, 1))) < 1e-6)
      let cubes = elements.reduce(0) { $0 + abs($1 * $1 * $1) }
      #expect(abs(Double(root[index]) * Double(root[index]) * Double(root[index]) - cubes) < 1e-5 * max(cubes, 1))
    }
  }

  @Test func positionsColumnMajor() throws {
    let x: [Float] = [1, 2, 3, 4, 5, 6]
    for (order, expected) in [(0, [4, 5]), (1, [3, 5])] as [(Int64, [Int64])] {
      let y = try run(
        "MaxPool", x, [1, 1, 2, 3], .float32, outputs: 2,
        [ints("kernel_shape", [2, 2]), Attribute("storage_order", .int(order))])
      #expect(y[0].floats == [5, 6] && y[1].values(Int64.self) == expected)
    }
  }

  @Test func notANumberIsTheLargest() throws {
    let y = try run("MaxPool", [1, .nan, 3, .nan] as [Double], [1, 1, 4], .float64, outputs: 2, [ints("kernel_shape", [4])])
    #expect(y[0].values(Double.self)[0].isNaN && y[1].values(Int64.self) == [1])
  }

  @Test func globalNorms() throws {
    let x: [Float] = [3, -4, 0, 1, 2, -2]
    #expect(try run("GlobalLpPool", x, [1, 2, 3], .float32)[0].floats == [5, 3])
    #expect(try run("GlobalLpPool", x, [1, 2, 3], .float32, [Attribute("p", .int(1))])[0].floats == [7, 5])
    #expect(try run("GlobalMaxPool", x, [1, 2, 3], .float32)[0].floats == [3, 2])
    #expect(
      try run("GlobalAveragePool", x.map { Double($0) }, [1, 2, 3], .float64)[0].values(Double.self) == [-1.0 / 3, 1.0 / 3])
  }

  /// A sum that no float64 rounds to zero or beyond has the right root, at the ends of the range too.
  @Test func rootsOverTheWholeRange() throws {
    for value in [1e-38, 1e-20, 0.3, 7, 1e20, 3e38] as [Float] {
      let orders: [Int64] = value > 0.1 && value < 10 ? [3, 101] : [3, 4, 7]
      for p in orders {
        let y = try run("LpPool", [value], [1, 1, 1], .float32, [ints("kernel_shape", [1]), Attribute("p", .int(p))])[0].floats[0]
        #expect(abs(y / value - 1) < 1e-6, "\(value), \(p)")
      }
    }
  }

  @Test func unpooling() throws {
    // Two elements of windows of two, back into four; and into six.
    #expect(try unpool([5, 6], places: [1, 2]) == [0, 5, 6, 0])
    #expect(try unpool([5, 6], places: [1, 2], into: [1, 1, 6]) == [0, 5, 6, 0, 0, 0])
    #expect(throws: ApusError.self) { try unpool([5, 6], places: [1, 4]) }
    #expect(throws: ApusError.self) { try unpool([5, 6], places: [-1, 2]) }
    #expect(throws: ApusError.self) { try unpool([5, 6], places: [1, 2], into: [1, 1, 3]) }
  }

  private func unpool(_ values: [Float], places: [Int64], into output: [Int64]? = nil) throws -> [Float] {
    let shape = [1, 1, values.count]
    var builder = ModelBuilder()
    let x = builder.input("x", Shape(shape))
    let id = builder.tensor(places, shape, .int64)
    var operands = [x, builder.value("places", constant: id)]
    if let output { operands.append(builder.constant(output)) }
    let attributes = [ints("kernel_shape", [2]), ints("strides", [2])]
    builder.output(builder.node("MaxUnpool", version: 22, operands, attributes)[0])
    return try runOnce(builder.definition, [TestTensor(values, shape)])[0].floats
  }

  @Test func columnsToImages() throws {
    // Ones: each pixel counts the windows that cover it.
    let y = try run(
      "Col2Im", version: 18, Array(repeating: Float(1), count: 4 * 4), [1, 4, 4], .float32, constants: [[3, 3], [2, 2]])[0]
    #expect(y.shape == [1, 1, 3, 3] && y.floats == [1, 2, 1, 2, 4, 2, 1, 2, 1])
    // A stride of 2 with padding: positions -1 and 1 of an image of 3.
    let padded = try run(
      "Col2Im", version: 18, [1, 2, 10, 20] as [Int32], [1, 2, 2], .int32, constants: [[3], [2]],
      [ints("strides", [2]), ints("pads", [1, 0])])[0]
    #expect(padded.values(Int32.self) == [10, 2, 20])
  }
}
