import ApusGraph
import Testing

@testable import ApusRuntime

/// Recurrent layers with weights of 8 bits: near the layers of the same weights in float32, the same bits on all levels and for
/// all numbers of threads.
@Suite struct QuantizedRecurrenceTests {
  private struct Weights {
    let bytes: [Int8]
    let scales: [Float]
    /// `[directions, rows, columns]`, with a scale for each row.
    let values: [Float]

    init(_ random: inout SeededGenerator, _ rows: Int, _ columns: Int) {
      let bytes = (0..<rows * columns).map { _ in Int8(random.int(-128...127)) }
      let scales = random.floats(rows, in: 0.0005...0.002)
      values = bytes.indices.map { Float(bytes[$0]) * scales[$0 / columns] }
      (self.bytes, self.scales) = (bytes, scales)
    }

    /// Directions stay, the two axes behind them change places.
    func turned(_ directions: Int, _ rows: Int, _ columns: Int) -> [Int8] {
      (0..<directions * rows * columns).map { index in
        let (d, c, r) = (index / (rows * columns), index / rows % columns, index % rows)
        return bytes[(d * rows + r) * columns + c]
      }
    }
  }

  private func expectOne(_ definition: ModelDefinition, _ input: TestTensor, near expected: [TestTensor], _ error: Float) throws {
    let result = try runOnce(definition, [input])
    for threads in 1...2 {
      for level: Int32? in [0, nil] {
        #expect(try runOnce(definition, [input], level: level, threads: threads) == result)
      }
    }
    for (a, b) in zip(result, expected) {
      #expect(zip(a.floats, b.floats).allSatisfy { abs($0 - $1) <= error })
    }
  }

  private func attributes(_ hidden: Int, _ directions: Int) -> [Attribute] {
    [
      Attribute("hidden_size", .int(Int64(hidden))),
      Attribute("direction", .string(directions == 2 ? "bidirectional" : "forward")),
    ]
  }

  /// W and R behind a DequantizeLinear with one block along the last axis.
  @Test(arguments: ["LSTM", "GRU", "RNN"]) func weightsAlone(name: String) throws {
    let gates = name == "LSTM" ? 4 : name == "GRU" ? 3 : 1
    for (batch, hidden, directions) in [(1, 70, 2), (3, 64, 1), (11, 33, 1), (1, 300, 1)] {
      var random = SeededGenerator(seed: UInt64(batch * hidden))
      let (width, steps, rows) = (40, 5, directions * gates * hidden)
      let w = Weights(&random, rows, width), r = Weights(&random, rows, hidden), bias = random.floats(2 * rows)
      var quantized = ModelBuilder(), wide = ModelBuilder()
      var inputs = ([quantized.input("x", [steps, batch, width])], [wide.input("x", [steps, batch, width])])
      for (weights, columns) in [(w, width), (r, hidden)] {
        let shape = [directions, gates * hidden, columns]
        let q = quantized.value(Name("q\(columns)"), constant: quantized.tensor(weights.bytes, shape, .int8))
        let s = quantized.constant(weights.scales, [directions, gates * hidden, 1])
        inputs.0 += quantized.node(
          "DequantizeLinear", version: 25, [q, s],
          [
            Attribute("axis", .int(2)), Attribute("block_size", .int(Int64(columns))),
          ])
        inputs.1.append(wide.constant(weights.values, shape))
      }
      inputs.0.append(quantized.constant(bias, [directions, 2 * gates * hidden]))
      inputs.1.append(wide.constant(bias, [directions, 2 * gates * hidden]))
      let settings = attributes(hidden, directions)
      let y = quantized.node(Name(name), version: 22, inputs.0, outputs: 2, settings)
      let z = wide.node(Name(name), version: 22, inputs.1, outputs: 2, settings)
      quantized.output(y[0], y[1])
      wide.output(z[0], z[1])
      let input = TestTensor(random.floats(steps * batch * width), [steps, batch, width])
      try expectOne(quantized.definition, input, near: try runOnce(wide.definition, [input]), 2e-5)
      let needs = try Model(definition: quantized.definition).memoryRequirements(shapes: [input.shape], threads: 1)
      #expect(needs.packedBytes < UInt64((width + 40) * (rows + 32) + directions * gates * (hidden + 132) * (hidden + 40)))
    }
  }

  /// com.microsoft DynamicQuantizeLSTM, with scales for directions or for columns, and lengths.
  @Test func dynamicQuantizeLSTM() throws {
    for (batch, hidden, directions, perColumn) in [(1, 64, 1, false), (2, 40, 2, true), (1, 40, 2, false), (9, 20, 1, true)] {
      var random = SeededGenerator(seed: UInt64(hidden + batch))
      let (width, steps, rows) = (48, 6, directions * 4 * hidden)
      let w = Weights(&random, rows, width), r = Weights(&random, rows, hidden)
      let bias = random.floats(2 * rows), shape = [steps, batch, width]
      var quantized = ModelBuilder(), wide = ModelBuilder()
      let x = (quantized.input("x", Shape(shape)), wide.input("x", Shape(shape)))
      var tables: [ValueID] = []
      var floats: [ValueID] = []
      for (weights, columns) in [(w, width), (r, hidden)] {
        // One scale for a direction: that of its first row.
        let scales = perColumn ? weights.scales : (0..<directions).map { weights.scales[$0 * 4 * hidden] }
        let table = perColumn ? [directions, 4 * hidden] : [directions]
        let values = weights.bytes.indices.map { index in
          Float(weights.bytes[index]) * scales[perColumn ? index / columns : index / columns / (4 * hidden)]
        }
        floats.append(wide.constant(values, [directions, 4 * hidden, columns]))
        tables.append(quantized.constant(scales, table))
        let zeros = [Int8](repeating: 0, count: scales.count)
        tables.append(quantized.value(Name("z\(tables.count)"), constant: quantized.tensor(zeros, table, .int8)))
      }
      let q = quantized.value(
        "qw", constant: quantized.tensor(w.turned(directions, 4 * hidden, width), [directions, width, 4 * hidden], .int8))
      let p = quantized.value(
        "qr", constant: quantized.tensor(r.turned(directions, 4 * hidden, hidden), [directions, hidden, 4 * hidden], .int8))
      let lengths = (0..<batch).map { Int32(steps - $0 % 3) }
      let l = (
        quantized.value("l", constant: quantized.tensor(lengths, [batch], .int32)),
        wide.value("l", constant: wide.tensor(lengths, [batch], .int32))
      )
      let b = (quantized.constant(bias, [directions, 8 * hidden]), wide.constant(bias, [directions, 8 * hidden]))
      let settings = attributes(hidden, directions)
      let y = quantized.node(
        "DynamicQuantizeLSTM", version: 1, [x.0, q, p, b.0, l.0, .absent, .absent, .absent] + tables, outputs: 3, settings)
      quantized.definition.graphs[0].nodes[0].domain = .microsoft
      let z = wide.node("LSTM", version: 22, [x.1, floats[0], floats[1], b.1, l.1], outputs: 3, settings)
      quantized.output(y[0], y[1], y[2])
      wide.output(z[0], z[1], z[2])
      let input = TestTensor(random.floats(Reference.count(shape)), shape)
      // X keeps an error of half a 255th of its range.
      try expectOne(quantized.definition, input, near: try runOnce(wide.definition, [input]), 0.02)
    }
  }
}
