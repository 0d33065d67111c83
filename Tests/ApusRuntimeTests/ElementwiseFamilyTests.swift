import ApusGraph
import ApusRuntime
import Foundation
import Testing

/// Runs one node whose operands are all fed.
func runNode<Result: BitwiseCopyable>(
  _ name: Name, version: Int32, _ operands: [(TestTensor, ElementType)], _ attributes: [Attribute] = [],
  as: Result.Type = Result.self
) throws -> (values: [Result], shape: [Int]) {
  var builder = ModelBuilder()
  let inputs = operands.enumerated().map { builder.input(Name("x\($0)"), Shape($1.0.shape), $1.1) }
  builder.output(builder.node(name, version: version, inputs, attributes)[0])
  let result = try runOnce(builder.definition, operands.map { $0.0 })[0]
  return (result.values(), result.shape)
}

/// The message of the error that `body` throws.
func message(_ body: () throws -> Void) -> String {
  do {
    try body()
    return "nothing was thrown"
  } catch { return "\(error)" }
}

@Suite struct ElementwiseFamilyTests {
  private typealias Operand = (TestTensor, ElementType)

  private func floats(_ values: [Float], _ shape: [Int]) -> Operand { (TestTensor(values, shape), .float32) }

  @Test func comparisonsOfNaNAreFalseAndResultsAreBytes() throws {
    // Four bytes of results, as many as the one number that is broadcast: it must not be written over while it is read.
    let x = floats([1, .nan, 2, 3], [4]), two = floats([2], [1])
    let expected: [(Name, Int32, [UInt8])] = [
      ("Less", 13, [1, 0, 0, 0]), ("LessOrEqual", 16, [1, 0, 1, 0]), ("Greater", 13, [0, 0, 0, 1]),
      ("GreaterOrEqual", 16, [0, 0, 1, 1]), ("Equal", 19, [0, 0, 1, 0]),
    ]
    for (name, version, bits) in expected {
      #expect(try runNode(name, version: version, [x, two], as: UInt8.self).values == bits, "\(name.string)")
    }
    let large: [UInt64] = [1 << 63, 5]
    #expect(
      try runNode(
        "Less", version: 13, [(TestTensor([UInt64(7), 7], [2]), .uint64), (TestTensor(large, [2]), .uint64)], as: UInt8.self
      ).values == [1, 0])
  }

  @Test func whereBroadcastsAllThree() throws {
    let result = try runNode(
      "Where", version: 16,
      [
        (TestTensor([UInt8(1), 0], [2, 1]), .bool), (TestTensor([Int16(1), 2, 3], [3]), .int16),
        (TestTensor([Int16(-1)], []), .int16),
      ], as: Int16.self)
    #expect(result.shape == [2, 3])
    #expect(result.values == [1, 2, 3, -1, -1, -1])
  }

  @Test func remaindersHaveTheSignOfTheDivisorOrTheDividend() throws {
    let a: Operand = (TestTensor([Int8(-7), 7, -128, 6], [4]), .int8),
      b: Operand = (TestTensor([Int8(3), -3, -1, 3], [4]), .int8)
    #expect(try runNode("Mod", version: 13, [a, b], as: Int8.self).values == [2, -2, 0, 0])
    let fmod = [Attribute("fmod", .int(1))]
    #expect(try runNode("Mod", version: 13, [a, b], fmod, as: Int8.self).values == [-1, 1, 0, 0])
    #expect(
      try runNode("Mod", version: 13, [floats([-7.5, 7.5], [2]), floats([2], [])], fmod, as: Float.self).values == [-1.5, 1.5])
    let zero: Operand = (TestTensor([Int8(1), 0, 1, 1], [4]), .int8)
    #expect(message { _ = try runNode("Mod", version: 13, [a, zero], as: Int8.self) }.contains("Mod"))
  }

  @Test func powersOfMixedTypes() throws {
    let whole: Operand = (TestTensor([Int64(2), 3, -2, 0], [4]), .int64)
    #expect(
      try runNode("Pow", version: 15, [floats([1.5, -2, 2, 0], [4]), whole], as: Float.self).values == [2.25, -8, 0.25, 1])
    let base: Operand = (TestTensor([Int32(-3), 2, 10, 7], [4]), .int32)
    #expect(
      try runNode("Pow", version: 15, [base, (TestTensor([Int8(3), 31, 9, 0], [4]), .int8)], as: Int32.self).values == [
        -27, .min, 1_000_000_000, 1,
      ])
    #expect(try runNode("Pow", version: 15, [base, floats([0.5, 0.5, 2, -1], [4])], as: Int32.self).values == [0, 1, 100, 0])
  }

  @Test func narrowIntegersShiftAndInvertInTheirOwnWidth() throws {
    let x: Operand = (TestTensor([UInt8(0x81), 0xFF, 3], [3]), .uint8),
      by: Operand = (TestTensor([UInt8(1), 8, 200], [3]), .uint8)
    let left = [Attribute("direction", .string("LEFT"))], right = [Attribute("direction", .string("RIGHT"))]
    #expect(try runNode("BitShift", version: 11, [x, by], left, as: UInt8.self).values == [2, 0, 0])
    #expect(try runNode("BitShift", version: 11, [x, by], right, as: UInt8.self).values == [0x40, 0, 0])
    #expect(try runNode("BitwiseNot", version: 18, [x], as: UInt8.self).values == [0x7E, 0, 0xFC])
    #expect(
      message { _ = try runNode("BitShift", version: 11, [x, by], [Attribute("direction", .string("UP"))], as: UInt8.self) }
        .contains("LEFT or RIGHT"))
  }

  @Test func variadicOperatorsGrowTheirShape() throws {
    let a = floats([1, 5], [2, 1]), b = floats([3], []), c = floats([0, 4, .nan], [3])
    let highest = try runNode("Max", version: 13, [a, b, c], as: Float.self)
    #expect(highest.shape == [2, 3])
    #expect(Array(highest.values[..<2]) == [3, 4] && highest.values[2].isNaN && Array(highest.values[3..<5]) == [5, 5])
    #expect(try runNode("Mean", version: 13, [a, b], as: Float.self).values == [2, 4])
    #expect(try runNode("Sum", version: 13, [a], as: Float.self).values == [1, 5])
    let bytes: Operand = (TestTensor([UInt8(200), 3], [2]), .uint8)
    #expect(try runNode("Min", version: 13, [bytes, (TestTensor([UInt8(100)], []), .uint8)], as: UInt8.self).values == [100, 3])
  }

  @Test func boundsThatAreComputedOrCrossed() throws {
    let x = floats([-5, 0, 5], [3])
    #expect(try runNode("Clip", version: 13, [x, floats([-1], []), floats([2], [])], as: Float.self).values == [-1, 0, 2])
    #expect(try runNode("Clip", version: 13, [x, floats([2], []), floats([-1], [])], as: Float.self).values == [-1, -1, -1])
    let bytes: Operand = (TestTensor([Int8(-128), 0, 127], [3]), .int8)
    #expect(
      try runNode("Clip", version: 13, [bytes, (TestTensor([Int8(-3)], []), .int8)], as: Int8.self).values == [-3, 0, 127])
    #expect(message { _ = try runNode("Clip", version: 13, [x, x], as: Float.self) }.contains("a bound is one number"))
  }

  @Test func operandsOfNoElements() throws {
    let none = floats([], [0, 3])
    #expect(try runNode("Greater", version: 13, [none, floats([1, 2, 3], [3])], as: UInt8.self).shape == [0, 3])
    #expect(try runNode("Erf", version: 13, [none], as: Float.self).values.isEmpty)
    #expect(
      message { _ = try runNode("Add", version: 14, [none, floats([1, 2], [2, 1])], as: Float.self) }.contains("broadcast"))
  }

  @Test func halfPrecisionIsRoundedOnce() throws {
    let x: [Float16] = [0.1, -2, 30, -0.3]
    for (name, version, function) in [
      ("Tanh", 13, { tanh($0) }), ("Softplus", 22, { max($0, 0) + log1p(exp(-abs($0))) }), ("Cosh", 22, { cosh($0) }),
    ] as [(Name, Int32, (Double) -> Double)] {
      let y = try runNode(name, version: version, [(TestTensor(x, [4]), .float16)], as: Float16.self).values
      for (value, argument) in zip(y, x) { #expect(value == Float16(function(Double(argument))), "\(name.string) \(argument)") }
    }
  }
}
