import ApusGraph
import ApusRuntime
import Testing

/// Operators that move elements, against values worked out by hand.
@Suite struct MovementTests {
  /// Runs one node whose operands after the first are constants, at the best level with one and two threads.
  func run(
    _ name: Name, version: Int32, _ input: TestTensor, _ type: ElementType, _ attributes: [Attribute] = [], outputs: Int = 1,
    operands: (inout ModelBuilder) -> [ValueID] = { _ in [] }
  ) throws -> [TestTensor] {
    var builder = ModelBuilder()
    let x = builder.input("x", Shape(input.shape), type)
    let rest = operands(&builder)
    builder.definition.graphs[0].outputs = builder.node(name, version: version, [x] + rest, outputs: outputs, attributes)
    let result = try runOnce(builder.definition, [input])
    #expect(try runOnce(builder.definition, [input], level: 0, threads: 2) == result)
    return result
  }

  func status(_ body: () throws -> Void) -> ApusError.Status? {
    do {
      try body()
      return nil
    } catch let error as ApusError {
      return error.status
    } catch {
      return nil
    }
  }

  let matrix = TestTensor([Float](arrayLiteral: 0, 1, 2, 3, 4, 5), [2, 3])

  @Test func sliceWalksBackwardsAndClampsItsBounds() throws {
    let result = try run("Slice", version: 13, matrix, .float32) { builder in
      [
        builder.constant([5, -100] as [Int64]), builder.constant([Int64.min, 100]), builder.constant([1, 0] as [Int64]),
        builder.constant([-2, 1] as [Int64]),
      ]
    }
    #expect(result[0] == TestTensor([Float](arrayLiteral: 2, 0, 5, 3), [2, 2]))
  }

  @Test func sliceBeyondTheEndIsEmpty() throws {
    let result = try run("Slice", version: 13, matrix, .float32) { builder in
      [builder.constant([7] as [Int64]), builder.constant([9] as [Int64])]
    }
    #expect(result[0].shape == [0, 3])
  }

  @Test func sliceRefusesAStepOfZero() {
    #expect(
      status {
        _ = try run("Slice", version: 13, matrix, .float32) { builder in
          [
            builder.constant([0] as [Int64]), builder.constant([1] as [Int64]), builder.constant([0] as [Int64]),
            builder.constant([0] as [Int64]),
          ]
        }
      } == .shapeInference)
  }

  @Test(arguments: [
    ("constant", [Float](arrayLiteral: 0, 0, 1, 2, 0)), ("edge", [1, 1, 1, 2, 2]), ("reflect", [1, 2, 1, 2, 1]),
    ("wrap", [1, 2, 1, 2, 1]),
  ]) func padRepeatsWhatTheModeSays(mode: String, expected: [Float]) throws {
    let result = try run(
      "Pad", version: 25, TestTensor([1, 2] as [Float], [2]), .float32, [Attribute("mode", .string(Name(mode)))]
    ) { builder in [builder.constant([2, 1] as [Int64])] }
    #expect(result[0].floats == expected)
  }

  @Test func padCutsWhereItIsNegativeAndTakesAnyType() throws {
    let result = try run("Pad", version: 25, TestTensor([1, 2, 3, 4] as [Int16], [4]), .int16) { builder in
      let fill = builder.tensor([Int16(9)], [], .int16)
      return [builder.constant([-1, 2] as [Int64]), builder.value("fill", constant: fill)]
    }
    #expect(result[0].values(Int16.self) == [2, 3, 4, 9, 9])
  }

  @Test func splitGivesTheLastPartsWhatIsLeft() throws {
    let input = TestTensor([Int64](0..<7), [7])
    let result = try run("Split", version: 18, input, .int64, [Attribute("num_outputs", .int(3))], outputs: 3)
    #expect(result.map { $0.values(Int64.self) } == [[0, 1, 2], [3, 4, 5], [6]])
  }

  @Test func tileRepeatsEveryAxis() throws {
    let result = try run("Tile", version: 13, TestTensor([1, 2] as [Float], [1, 2]), .float32) { builder in
      [builder.constant([2, 2] as [Int64])]
    }
    #expect(result[0] == TestTensor([Float](arrayLiteral: 1, 2, 1, 2, 1, 2, 1, 2), [2, 4]))
  }

  @Test func scatterAddsDuplicatesInOrder() throws {
    let result = try run(
      "ScatterElements", version: 18, TestTensor([1, 1, 1] as [Float], [3]), .float32, [Attribute("reduction", .string("add"))]
    ) { builder in
      [builder.constant([2, -1, 0] as [Int64]), builder.constant([10, 20, 30] as [Float], [3], "updates")]
    }
    #expect(result[0].floats == [31, 1, 31])
  }

  @Test func anIndexOutOfRangeFailsTheRun() {
    #expect(
      status {
        _ = try run("GatherElements", version: 13, TestTensor([1, 2] as [Float], [2]), .float32) { builder in
          [builder.constant([0, 2] as [Int64])]
        }
      } == .valueOutOfRange)
  }

  @Test func uniqueTellsFirstPlacesClassesAndCounts() throws {
    let input = TestTensor([2, 1, 1, 3, 4, 3] as [Float], [6])
    let sorted = try run("Unique", version: 11, input, .float32, outputs: 4)
    #expect(sorted[0].floats == [1, 2, 3, 4])
    #expect(sorted[1].values(Int64.self) == [1, 0, 3, 4])
    #expect(sorted[2].values(Int64.self) == [1, 0, 0, 2, 3, 2])
    #expect(sorted[3].values(Int64.self) == [2, 1, 2, 1])
    let unsorted = try run("Unique", version: 11, input, .float32, [Attribute("sorted", .int(0))], outputs: 4)
    #expect(unsorted[0].floats == [2, 1, 3, 4])
    #expect(unsorted[2].values(Int64.self) == [0, 1, 1, 2, 3, 2])
  }

  @Test func nonZeroOfZerosIsEmpty() throws {
    let result = try run("NonZero", version: 13, TestTensor([0, -0.0] as [Float], [2]), .float32)
    #expect(result[0].shape == [1, 0])
  }

  @Test func triluKeepsWhatTheDiagonalLeaves() throws {
    let result = try run(
      "Trilu", version: 14, TestTensor([UInt8](1...6), [2, 3]), .uint8, [Attribute("upper", .int(0))]
    ) { builder in [builder.constant([Int64.min], "k")] }
    #expect(result[0].bytes == [0, 0, 0, 0, 0, 0])
  }

  /// A pooling leaves its result channels-last where it gets it so: what follows must give what it gives in the plain layout.
  @Test(arguments: ["DepthToSpace", "SpaceToDepth", "Transpose", "Slice", "Pad", "Split", "Resize", "CenterCropPad"])
  func movementKeepsElementsInBothLayouts(name: String) throws {
    var random = SeededGenerator(seed: 5)
    let shape = [2, 8, 4, 6]
    let values = random.floats(Reference.count(shape))
    func model(channelsLast: Bool) -> ModelDefinition {
      var builder = ModelBuilder()
      var x = builder.input("x", channelsLast ? [2, 4, 6, 8] : [2, 8, 4, 6])
      if channelsLast {
        // Moves nothing: the value lies channels-last alone.
        x = builder.node("Transpose", version: 25, [x], [Attribute("perm", .ints([0, 3, 1, 2]))])[0]
      }
      var outputs: [ValueID]
      switch name {
      case "DepthToSpace":
        outputs = builder.node(Name(name), version: 13, [x], [Attribute("blocksize", .int(2))])
        outputs += builder.node(
          Name(name), version: 13, [x], [Attribute("blocksize", .int(2)), Attribute("mode", .string("CRD"))])
      case "SpaceToDepth": outputs = builder.node(Name(name), version: 13, [x], [Attribute("blocksize", .int(2))])
      case "Transpose":
        outputs = builder.node(Name(name), version: 25, [x], [Attribute("perm", .ints([0, 2, 3, 1]))])
        outputs += builder.node(Name(name), version: 25, [x], [Attribute("perm", .ints([1, 0, 3, 2]))])
      case "Slice":
        outputs = builder.node(
          Name(name), version: 13,
          [
            x, builder.constant([1, 5] as [Int64]), builder.constant([7, 0] as [Int64]), builder.constant([1, 3] as [Int64]),
            builder.constant([2, -2] as [Int64]),
          ])
      case "Pad":
        outputs = builder.node(
          Name(name), version: 25, [x, builder.constant([0, 1, 2, 0, 0, 1, -1, 3] as [Int64])],
          [Attribute("mode", .string("reflect"))])
      case "Split":
        outputs = builder.node(
          Name(name), version: 18, [x], outputs: 3, [Attribute("axis", .int(1)), Attribute("num_outputs", .int(3))])
      case "Resize":
        outputs = []
        for mode in ["nearest", "linear", "cubic"] as [Name] {
          outputs += builder.node(
            Name(name), version: 19, [x, .absent, .absent, builder.constant([2, 8, 7, 3] as [Int64])],
            [Attribute("mode", .string(mode))])
        }
      default: outputs = builder.node(Name(name), version: 18, [x, builder.constant([2, 5, 7, 6] as [Int64])])
      }
      builder.definition.graphs[0].outputs = outputs
      return builder.definition
    }
    var moved: [Float] = []
    for index in Reference.indices([2, 4, 6, 8]) {
      moved.append(values[Reference.offset([index[0], index[3], index[1], index[2]], shape)])
    }
    let plain = try runOnce(model(channelsLast: false), [TestTensor(values, shape)])
    #expect(try runOnce(model(channelsLast: true), [TestTensor(moved, [2, 4, 6, 8])]) == plain)
  }
}
