import ApusGraph
import ApusRuntime
import Testing

/// Resize and its kin against plain loops in double.
@Suite struct ResamplingTests {
  func resize(_ input: TestTensor, _ type: ElementType, sizes: [Int64], _ attributes: [Attribute]) throws -> TestTensor {
    var builder = ModelBuilder()
    let x = builder.input("x", Shape(input.shape), type)
    let operands = [x, ValueID.absent, .absent, builder.constant(sizes, "sizes")]
    builder.output(builder.node("Resize", version: 19, operands, attributes)[0])
    let result = try runOnce(builder.definition, [input])
    for level in OperatorTests.levels {
      for threads in [1, 2] {
        #expect(try runOnce(builder.definition, [input], level: level, threads: threads) == result, "level \(level)")
      }
    }
    return result[0]
  }

  /// One axis by the formulas of ONNX: half_pixel coordinates, neighbours held to the ends.
  func linear(_ values: [Double], to size: Int) -> [Double] {
    (0..<size).map { i in
      let x = (Double(i) + 0.5) * Double(values.count) / Double(size) - 0.5
      let low = x.rounded(.down)
      func at(_ place: Double) -> Double { values[min(max(Int(place), 0), values.count - 1)] }
      return at(low) * (1 - (x - low)) + at(low + 1) * (x - low)
    }
  }

  @Test(arguments: 0..<12) func linearResizeIsSeparable(seed: UInt64) throws {
    var random = SeededGenerator(seed: seed)
    let (h, w, c) = (random.int(1...9), random.int(1...40), [1, 2, 3, 4, 7][random.int(0...4)])
    let (oh, ow) = (random.int(1...17), random.int(1...50))
    let x = random.floats(h * w * c)
    // Channels innermost: rows, then columns.
    var expected: [Double] = Array(repeating: 0, count: oh * ow * c)
    for channel in 0..<c {
      var rows: [[Double]] = Array(repeating: [], count: oh)
      for column in 0..<w {
        let line = linear((0..<h).map { Double(x[($0 * w + column) * c + channel]) }, to: oh)
        for row in 0..<oh { rows[row].append(line[row]) }
      }
      for row in 0..<oh {
        for (column, value) in linear(rows[row], to: ow).enumerated() { expected[(row * ow + column) * c + channel] = value }
      }
    }
    let mode = [Attribute("mode", .string("linear")), Attribute("axes", .ints([1, 2]))]
    let floats = try resize(TestTensor(x, [1, h, w, c]), .float32, sizes: [Int64(oh), Int64(ow)], mode)
    #expect(floats.shape == [1, oh, ow, c])
    for (a, b) in zip(floats.floats, expected) { #expect(abs(Double(a) - b) < 1e-5, "seed \(seed)") }
    let bytes = x.map { UInt8(127 + 120 * $0) }
    let integers = try resize(TestTensor(bytes, [1, h, w, c]), .uint8, sizes: [Int64(oh), Int64(ow)], mode)
    let wide = try resize(
      TestTensor(bytes.map { Float($0) }, [1, h, w, c]), .float32, sizes: [Int64(oh), Int64(ow)], mode)
    #expect(integers.bytes == wide.floats.map { UInt8($0.rounded(.toNearestOrEven)) }, "seed \(seed)")
  }

  @Test func nearestRoundsHalvesAsAsked() throws {
    let x = TestTensor([0, 1, 2, 3] as [Float], [4])
    func nearest(_ rounding: Name) throws -> [Float] {
      try resize(
        x, .float32, sizes: [8],
        [Attribute("nearest_mode", .string(rounding)), Attribute("coordinate_transformation_mode", .string("asymmetric"))]
      ).floats
    }
    #expect(try nearest("round_prefer_floor") == [0, 0, 1, 1, 2, 2, 3, 3])
    #expect(try nearest("round_prefer_ceil") == [0, 1, 1, 2, 2, 3, 3, 3])
    #expect(try nearest("floor") == [0, 0, 1, 1, 2, 2, 3, 3])
    #expect(try nearest("ceil") == [0, 1, 1, 2, 2, 3, 3, 3])
  }

  @Test func aNeighbourWithoutWeightDoesNotSpoilTheSum() throws {
    let result = try resize(
      TestTensor([1, .nan, 3] as [Float], [3]), .float32, sizes: [5],
      [Attribute("mode", .string("linear")), Attribute("coordinate_transformation_mode", .string("align_corners"))])
    #expect(result.floats[0] == 1 && result.floats[4] == 3)
    #expect(result.floats[1].isNaN && result.floats[2].isNaN)
  }

  @Test func suppressionKeepsTheBestOfEachClass() throws {
    var builder = ModelBuilder()
    let boxes = builder.input("boxes", [1, 3, 4]), scores = builder.input("scores", [1, 1, 3])
    let limit = builder.constant([3] as [Int64], "limit"), overlap = builder.constant([0.5] as [Float], [1], "overlap")
    builder.output(builder.node("NonMaxSuppression", version: 11, [boxes, scores, limit, overlap])[0])
    let result = try runOnce(
      builder.definition,
      [
        TestTensor([0, 0, 1, 1, 0, 0.1, 1, 1.1, 0, 10, 1, 11] as [Float], [1, 3, 4]),
        TestTensor([0.6, 0.9, 0.3] as [Float], [1, 1, 3]),
      ])
    #expect(result[0].shape == [2, 3])
    #expect(result[0].values(Int64.self) == [0, 0, 1, 0, 0, 2])
  }
}
