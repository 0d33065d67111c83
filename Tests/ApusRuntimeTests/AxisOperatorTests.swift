import ApusGraph
import Foundation
import Testing

import ApusRuntime

/// Operators along one axis, with results that can be told by hand.
@Suite struct AxisOperatorTests {
  /// Runs one node on inputs in order; the constants come behind them.
  private func run(
    _ name: Name, version: Int32, _ inputs: [(TestTensor, ElementType)], constants: [[Int64]] = [], outputs: Int = 1,
    _ attributes: [Attribute] = []
  ) throws -> [TestTensor] {
    var builder = ModelBuilder()
    var operands = inputs.enumerated().map { index, input in
      builder.input(Name("x\(index)"), Shape(input.0.shape), input.1)
    }
    operands += constants.map { builder.constant($0) }
    for id in builder.node(name, version: version, operands, outputs: outputs, attributes) { builder.output(id) }
    return try runOnce(builder.definition, inputs.map { $0.0 })
  }

  @Test func topKPutsNaNFirstAndEqualElementsInTheOrderOfTheirPlaces() throws {
    let x = TestTensor([Float](arrayLiteral: 2, 5, .nan, 5, -1, 5, 2, .nan), [8])
    let largest = try run("TopK", version: 11, [(x, .float32)], constants: [[6]], outputs: 2)
    #expect(largest[0].floats.prefix(2).allSatisfy { $0.isNaN } && Array(largest[0].floats.dropFirst(2)) == [5, 5, 5, 2])
    #expect(largest[1].values(Int64.self) == [2, 7, 1, 3, 5, 0])
    let smallest = try run(
      "TopK", version: 11, [(x, .float32)], constants: [[4]], outputs: 2, [Attribute("largest", .int(0))])
    #expect(smallest[0].floats == [-1, 2, 2, 5])
    #expect(smallest[1].values(Int64.self) == [4, 0, 6, 1])
  }

  @Test func topKGoesAlongItsAxisForNarrowIntegers() throws {
    let x = TestTensor([UInt8](arrayLiteral: 1, 200, 3, 9, 100, 3), [3, 2])
    let result = try run(
      "TopK", version: 24, [(x, .uint8)], constants: [[2]], outputs: 2, [Attribute("axis", .int(-2))])
    #expect(result[0] == TestTensor([UInt8](arrayLiteral: 100, 200, 3, 9), [2, 2]))
    #expect(result[1].values(Int64.self) == [2, 0, 1, 1])
  }

  @Test func topKOfMoreThanThereAreIsRefused() {
    #expect(throws: ApusError.self) {
      try run("TopK", version: 11, [(TestTensor([Float](arrayLiteral: 1, 2), [2]), .float32)], constants: [[3]], outputs: 2)
    }
  }

  @Test(arguments: [(false, [0, 2, 1] as [Int64]), (true, [2, 2, 1])])
  func argMaxTakesTheFirstOfEqualElementsOrTheLast(last: Bool, places: [Int64]) throws {
    let x = TestTensor([Int32](arrayLiteral: 7, 1, 7, 0, 2, 3, -5, -4, -6), [3, 3])
    let result = try run(
      "ArgMax", version: 13, [(x, .int32)],
      [Attribute("axis", .int(1)), Attribute("keepdims", .int(0)), Attribute("select_last_index", .int(last ? 1 : 0))])
    #expect(result[0].shape == [3] && result[0].values(Int64.self) == places)
  }

  @Test func argMinOfNoneIsRefused() {
    #expect(throws: ApusError.self) { try run("ArgMin", version: 13, [(TestTensor([Float](), [0, 3]), .float32)]) }
  }

  @Test func cumulativeSumsGoEitherWay() throws {
    let x = TestTensor([Int64](arrayLiteral: 1, 2, 3, 4, 5, 6), [2, 3])
    func sums(_ axis: Int64, _ exclusive: Int64, _ reverse: Int64) throws -> [Int64] {
      try run(
        "CumSum", version: 14, [(x, .int64)], constants: [[axis]],
        [Attribute("exclusive", .int(exclusive)), Attribute("reverse", .int(reverse))])[0].values()
    }
    #expect(try sums(-1, 0, 0) == [1, 3, 6, 4, 9, 15])
    #expect(try sums(1, 1, 1) == [5, 3, 0, 11, 6, 0])
    #expect(try sums(0, 1, 0) == [0, 0, 0, 1, 2, 3])
    let products = try run("CumProd", version: 26, [(x, .int64)], constants: [[0]])
    #expect(products[0].values(Int64.self) == [1, 2, 3, 4, 10, 18])
  }

  @Test func hardmaxMarksTheFirstLargestAndLpNormalizationKeepsZeros() throws {
    let x = TestTensor([Double](arrayLiteral: 3, -4, 0, 0, 3, 1), [3, 2])
    #expect(try run("Hardmax", version: 13, [(x, .float64)])[0].values(Double.self) == [1, 0, 1, 0, 1, 0])
    let unit = try run("LpNormalization", version: 22, [(x, .float64)])
    #expect(unit[0].values(Double.self).prefix(4) == [0.6, -0.8, 0, 0])
    let sums = try run("LpNormalization", version: 22, [(x, .float64)], [Attribute("axis", .int(0)), Attribute("p", .int(1))])
    #expect(sums[0].values(Double.self) == [0.5, -0.8, 0, 0, 0.5, 0.2])
  }

  @Test func softmaxInDoublePrecisionSumsToOne() throws {
    let x = TestTensor([Double](arrayLiteral: 1000, 1001, 999, 0, 0, 0), [2, 3])
    let y = try run("Softmax", version: 13, [(x, .float64)])[0].values(Double.self)
    #expect(abs(y[0] + y[1] + y[2] - 1) < 1e-15 && abs(y[1] / y[0] - M_E) < 1e-12 && y[3] == 1.0 / 3)
    let logs = try run("LogSoftmax", version: 13, [(x, .float64)], [Attribute("axis", .int(0))])
    #expect(logs[0].values(Double.self) == [0, 0, 0, -1000, -1001, -999])
  }

  @Test func reductionsTakeTheirAxesAtRunTimeAndEveryType() throws {
    let x = TestTensor([UInt8](arrayLiteral: 0, 1, 1, 1), [2, 2])
    let all = try run("ReduceMin", version: 20, [(x, .bool)], constants: [[1]])
    #expect(all[0] == TestTensor([UInt8](arrayLiteral: 0, 1), [2, 1]))
    let empty = TestTensor([Int8](), [2, 0])
    #expect(try run("ReduceMax", version: 20, [(empty, .int8)], constants: [[-1]])[0].values(Int8.self) == [-128, -128])
    let wide = TestTensor([UInt32](arrayLiteral: 4_000_000_000, 5), [2])
    #expect(try run("ReduceMax", version: 20, [(wide, .uint32)])[0].values(UInt32.self) == [4_000_000_000])
    let squares = try run(
      "ReduceSumSquare", version: 18, [(TestTensor([Float](arrayLiteral: 2, -3), [2]), .float32)], constants: [[]],
      [Attribute("noop_with_empty_axes", .int(1))])
    #expect(squares[0].floats == [4, 9])
  }
}
