import ApusGraph
import Testing

@testable import ApusRuntime

/// Weights that a model stores with 16 bits and casts to float32: the bits of a model that stores these values in float32.
@Suite struct HalfWeightsTests {
  private enum Storage: CaseIterable { case float16, bfloat16 }

  /// Makes the same network twice: with weights of 16 bits behind a Cast, and with their values in float32.
  private struct Network {
    var half = ModelBuilder(), wide = ModelBuilder()
    var random = SeededGenerator(seed: 7)
    let storage: Storage
    /// By position: the same value in both, whose ids differ for the Casts.
    private var ids: [(half: ValueID, wide: ValueID)] = []

    init(_ storage: Storage) { self.storage = storage }

    private mutating func both(_ make: (inout ModelBuilder) -> ValueID) -> ValueID {
      ids.append((make(&half), make(&wide)))
      return ValueID(ids.count - 1)
    }

    mutating func input(_ shape: [Int], _ type: ElementType = .float32) -> ValueID {
      both { $0.input("x", Shape(shape), type) }
    }

    mutating func weights(_ shape: [Int]) -> ValueID {
      let values = random.floats(Reference.count(shape), in: -0.5...0.5)
      let type: ElementType = storage == .float16 ? .float16 : .bfloat16
      let bits = values.map { storage == .float16 ? Float16($0).bitPattern : UInt16($0.bitPattern >> 16) }
      let rounded = bits.map { storage == .float16 ? Float(Float16(bitPattern: $0)) : Float(bitPattern: UInt32($0) << 16) }
      let stored = half.value(Name("w\(ids.count)"), constant: half.tensor(bits, shape, type))
      let cast = half.node(
        "Cast", version: 25, [stored], [Attribute("to", .int(Int64(ElementType.float32.rawValue)))])[0]
      ids.append((cast, wide.constant(rounded, shape, "w")))
      return ValueID(ids.count - 1)
    }

    mutating func floats(_ shape: [Int]) -> ValueID {
      let values = random.floats(Reference.count(shape))
      return both { $0.constant(values, shape) }
    }

    mutating func op(_ name: Name, _ inputs: [ValueID], _ attributes: [Attribute] = []) -> ValueID {
      let version = OperatorRegistry.core.schemas(domain: .onnx, name: name).last?.versions.last ?? 1
      let made = (
        half.node(name, version: version, inputs.map { $0 < 0 ? $0 : ids[Int($0)].half }, attributes)[0],
        wide.node(name, version: version, inputs.map { $0 < 0 ? $0 : ids[Int($0)].wide }, attributes)[0]
      )
      ids.append(made)
      return ValueID(ids.count - 1)
    }

    /// The results of both, on every level, with one and two threads, folded or not: one and the same.
    /// - Parameter folds: whether the compiler rounds weights once more.
    mutating func expectSame(_ output: ValueID, _ inputs: [TestTensor], folds: Bool = false) throws {
      half.output(ids[Int(output)].half)
      wide.output(ids[Int(output)].wide)
      let expected = try runOnce(wide.definition, inputs)
      for level in HalfWeightsTests.levels {
        for threads in 1...2 {
          #expect(try runOnce(half.definition, inputs, level: level, threads: threads) == expected, "level \(level)")
        }
      }
      if !folds { #expect(try runOnce(half.definition, inputs, optimizes: false) == expected) }
    }

    /// Bytes of packed weights and of constants that kernels read, of the half and the wide network.
    func bytes(_ shapes: [[Int]]) throws -> (half: UInt64, wide: UInt64) {
      func bytes(_ definition: ModelDefinition) throws -> UInt64 {
        let needs = try Model(definition: definition).memoryRequirements(shapes: shapes, threads: 1)
        return needs.packedBytes + needs.constantBytes
      }
      return (try bytes(half.definition), try bytes(wide.definition))
    }
  }

  /// The levels of this CPU.
  fileprivate static let levels: [Int32] = {
    (0...2).filter { level in
      var options = LoadOptions()
      options.level = Int32(level)
      return (try? Model(definition: ModelBuilder().definition, options: options)) != nil
    }.map { Int32($0) }
  }()

  @Test(arguments: [1, 2, 7, 8, 9, 40]) func products(rows: Int) throws {
    for storage in Storage.allCases {
      var network = Network(storage)
      let x = network.input([rows, 300])
      let hidden = network.op(
        "Relu",
        [
          network.op(
            "Gemm", [x, network.weights([129, 300]), network.floats([129])],
            [
              Attribute("transB", .int(1))
            ])
        ])
      let y = network.op("MatMul", [hidden, network.weights([129, 64])])
      try network.expectSame(y, [TestTensor(network.random.floats(rows * 300), [rows, 300])])
      let bytes = try network.bytes([[rows, 300]])
      if rows <= 8 { #expect(bytes.half < bytes.wide * 55 / 100) } else { #expect(bytes.half == bytes.wide) }
    }
  }

  @Test func batchedMatrices() throws {
    for storage in Storage.allCases {
      var network = Network(storage)
      let x = network.input([3, 2, 50])
      let y = network.op("MatMul", [x, network.weights([3, 50, 70])])
      try network.expectSame(y, [TestTensor(network.random.floats(300), [3, 2, 50])])
    }
  }

  @Test(arguments: ["LSTM", "GRU", "RNN"]) func recurrentLayers(name: String) throws {
    let gates = name == "LSTM" ? 4 : name == "GRU" ? 3 : 1
    for batch in [1, 3, 20] {
      for storage in Storage.allCases {
        var network = Network(storage)
        let (hidden, width, steps) = (90, 33, 6)
        let x = network.input([steps, batch, width])
        let y = network.op(
          Name(name),
          [
            x, network.weights([2, gates * hidden, width]), network.weights([2, gates * hidden, hidden]),
            network.floats([2, 2 * gates * hidden]),
          ],
          [Attribute("hidden_size", .int(Int64(hidden))), Attribute("direction", .string("bidirectional"))])
        try network.expectSame(y, [TestTensor(network.random.floats(steps * batch * width), [steps, batch, width])])
      }
    }
  }

  @Test func convolutions() throws {
    for storage in Storage.allCases {
      var network = Network(storage)
      let x = network.input([1, 8, 12, 12])
      let pads = Attribute("pads", .ints([1, 1, 1, 1]))
      var y = network.op("Conv", [x, network.weights([24, 8, 3, 3])], [pads])
      // A map of channels that the compiler folds into the weights.
      y = network.op(
        "BatchNormalization",
        [
          y, network.floats([24]), network.floats([24]), network.floats([24]), network.op("Abs", [network.floats([24])]),
        ])
      y = network.op("Conv", [y, network.weights([24, 1, 3, 3])], [pads, Attribute("group", .int(24))])
      y = network.op("ConvTranspose", [y, network.weights([24, 5, 2, 2])])
      let input = TestTensor(network.random.floats(8 * 144), [1, 8, 12, 12])
      try network.expectSame(y, [input], folds: true)
    }
  }

  /// A table of words that is the output layer's matrix too: read with 16 bits by both.
  @Test func tablesOfWords() throws {
    for storage in Storage.allCases {
      var network = Network(storage)
      let words = network.input([1, 4], .int64)
      let table = network.weights([500, 64])
      let found = network.op("Gather", [table, words])
      let y = network.op(
        "MatMul",
        [
          network.op("Relu", [found]),
          network.op(
            "Transpose", [table],
            [
              Attribute("perm", .ints([1, 0]))
            ]),
        ])
      try network.expectSame(y, [TestTensor([Int64(3), 499, 0, 77], [1, 4])])
      let bytes = try network.bytes([[1, 4]])
      #expect(bytes.half * 2 == bytes.wide)
    }
  }

  /// A model that computes in float16 throughout: its weights are read with 16 bits, too.
  @Test func float16Throughout() throws {
    var random = SeededGenerator(seed: 3)
    var builder = ModelBuilder()
    let x = builder.input("x", [1, 256], .float16)
    let bits = random.floats(256 * 96).map { Float16($0).bitPattern }
    let weights = builder.value("w", constant: builder.tensor(bits, [256, 96], .float16))
    let y = builder.node("MatMul", version: 13, [x, weights])
    builder.output(y[0])
    let input = random.floats(256).map { Float16($0) }
    let outputs = try Self.levels.map {
      try runOnce(builder.definition, [TestTensor(input, [1, 256])], level: $0)
    }
    for output in outputs { #expect(output == outputs[0]) }
    let needs = try Model(definition: builder.definition).memoryRequirements(shapes: [[1, 256]], threads: 1)
    #expect(needs.packedBytes == 2 * 256 * 96)
    var sum = 0.0
    for p in 0..<256 { sum += Double(input[p]) * Double(Float16(bitPattern: bits[p * 96])) }
    #expect(abs(Double(outputs[0][0].values(Float16.self)[0]) - sum) < 0.02)
  }
}
