import ApusGraph
import Testing

@testable import ApusRuntime

/// Products of activations that are quantized by the range of a run.
@Suite struct DynamicQuantizationTests {
  private func range(_ row: ArraySlice<Float>) -> (scale: Float, zero: Float) {
    let low = min(0, row.min() ?? 0), high = max(0, row.max() ?? 0)
    let scale: Float = (low == high ? 1 : high - low) / 255
    return (scale, (min(max(-low / scale, 0), 255)).rounded(.toNearestOrEven))
  }

  private func quantized(_ x: Float, _ scale: Float, _ zero: Float) -> Float {
    min(max((x / scale).rounded(.toNearestOrEven) + zero, 0), 255)
  }

  @Test func rowsKeepTheirRanges() throws {
    var random = SeededGenerator(seed: 61)
    for (shape, axis) in [([3, 5, 70], -1), ([3, 5, 70], 1), ([2, 9], 0), ([1, 1000], -1), ([9000], 0), ([4, 1], 1)] {
      let position = axis < 0 ? axis + shape.count : axis
      let rows = Reference.count(Array(shape[..<position])), columns = Reference.count(Array(shape[position...]))
      var builder = ModelBuilder()
      let x = builder.input("x", Shape(shape))
      let outputs = builder.node(
        "DynamicQuantizeLinear", version: 1, [x], outputs: 3, [Attribute("axis", .int(Int64(axis)))])
      builder.definition.graphs[0].nodes[0].domain = .apus
      builder.output(outputs[0], outputs[1], outputs[2])
      var values = random.floats(rows * columns, in: -3...5)
      for row in 0..<rows where row % 3 == 1 {
        for column in 0..<columns { values[row * columns + column] = abs(values[row * columns + column]) * Float(row) }
      }
      if rows > 2 { for column in 0..<columns { values[2 * columns + column] = 0 } }
      let results = try runOnce(builder.definition, [TestTensor(values, shape)])
      for level: Int32 in [0] {
        #expect(try runOnce(builder.definition, [TestTensor(values, shape)], level: level, threads: 2) == results)
      }
      #expect(results[1].shape == Array(shape[..<position]) + Array(repeating: 1, count: shape.count - position))
      for row in 0..<rows {
        let elements = values[(row * columns)..<((row + 1) * columns)]
        let (scale, zero) = range(elements)
        #expect(results[1].floats[row] == scale)
        #expect(Float(results[2].bytes[row]) == zero)
        #expect(elements.indices.allSatisfy { Float(results[0].bytes[$0]) == quantized(values[$0], scale, zero) })
      }
    }
  }

  /// What onnxruntime's quantizer writes, with one range or one for each row: one node, and the bits of the parts.
  @Test func productsInPartsAreOne() throws {
    var random = SeededGenerator(seed: 62)
    for number in 0..<12 {
      let (m, k, n) = ([1, 7, 33][number % 3], 50, 40)
      let (byRow, hasBias, perColumn) = (number % 2 == 1, number % 4 < 2, number % 3 == 0)
      var builder = ModelBuilder()
      let x = builder.input("x", [2, m, k])
      let q = builder.node("DynamicQuantizeLinear", version: byRow ? 1 : 11, [x], outputs: 3)
      if byRow { builder.definition.graphs[0].nodes[0].domain = .apus }
      let bytes = (0..<k * n).map { _ in Int8(random.int(-128...127)) }
      let w = builder.value("w", constant: builder.tensor(bytes, [k, n], .int8))
      let scales = random.floats(perColumn ? n : 1, in: 0.001...0.02)
      let s = builder.constant(scales, perColumn ? [n] : [])
      let sums = builder.node("MatMulInteger", version: 10, [q[0], w, q[2]])[0]
      let cast = builder.node("Cast", version: 25, [sums], [Attribute("to", .int(1))])[0]
      let scale = builder.node("Mul", version: 14, number % 2 == 0 ? [q[1], s] : [s, q[1]])[0]
      var y = builder.node("Mul", version: 14, number % 5 == 0 ? [scale, cast] : [cast, scale])[0]
      let bias = random.floats(n)
      if hasBias { y = builder.node("Add", version: 14, [builder.constant(bias, [n]), y])[0] }
      builder.output(y)
      let input = TestTensor(random.floats(2 * m * k, in: -2...1), [2, m, k])
      let result = try runOnce(builder.definition, [input])
      #expect(try runOnce(builder.definition, [input], optimizes: false) == result)
      for level: Int32 in [0] { #expect(try runOnce(builder.definition, [input], level: level, threads: 2) == result) }
      let model = try Model(definition: builder.definition)
      #expect(model.program.nodes.count == 2)
      #expect(model.program.nodes.contains { $0.node.operatorName == "MatMulIntegerToFloat" })
    }
  }
}
