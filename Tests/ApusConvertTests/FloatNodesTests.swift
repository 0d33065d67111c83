import Apus
import ApusGraph
import SwiftProtobuf
import Testing

@testable import ApusConvert

private typealias O = ONNXModel

/// What a quantized model still computes in float, and the reason that is told for it.
@Suite struct FloatNodesTests {
  /// `x` in codes of 8 bits and back, as `name`.
  private func codes(_ x: String, _ name: String, scale: String = "scale", zero: String = "zero") -> [ONNXNodeProto] {
    [
      O.node("QuantizeLinear", [x, scale, zero], [name + ".q"], [O.int("axis", 1)]),
      O.node("DequantizeLinear", [name + ".q", scale, zero], [name], [O.int("axis", 1)]),
    ]
  }

  /// - Parameter middle: reads `a`, gives `b`.
  private func floats(_ middle: [ONNXNodeProto]) throws -> [[String]] {
    let weights = (0..<16).map { UInt8($0) }
    let graph = O.graph(
      codes("x", "a")
        + [
          O.node("DequantizeLinear", ["w.q", "scale"], ["w"]),
          O.node("DequantizeLinear", ["v.q", "scales"], ["v"], [O.int("axis", 0)]),
        ] + middle + codes("b", "c") + [O.node("Conv", ["c", "w"], ["d"], name: "last")] + codes("d", "y"),
      inputs: [O.input("x", [1, 4, 3, 3])], outputs: ["y"],
      initializers: [
        O.floats("scale", [], [0.05]), O.tensor("zero", .uint8, [], raw: [128]), O.floats("scales", [4], [0.1, 0.2, 0.3, 0.4]),
        O.tensor("zeros", .uint8, [4], raw: [1, 2, 3, 4]), O.tensor("w.q", .int8, [4, 4, 1, 1], raw: weights),
        O.tensor("v.q", .int8, [4, 4, 1, 1], raw: weights), O.floats("f", [4, 4, 1, 1], weights.map { Float($0) / 7 }),
        O.tensor("wide", .uint16, [], raw: [0, 128]), O.floats("row", [1, 4, 1, 1], [1, 2, 3, 4]),
      ])
    let scratch = try Scratch()
    try scratch.write(try O.model(graph).serializedBytes(), "m.onnx")
    _ = try Conversion().convert(scratch.file("m.onnx"), to: scratch.file("m.apus"))
    let found = try #require(try Inspection(path: scratch.file("m.apus")).floats)
    return found.lines.map { [$0.node, $0.reason] }
  }

  @Test func whatHasAnIntegerFormIsNotListed() throws {
    #expect(try floats([O.node("Conv", ["a", "w"], ["b"])]).isEmpty)
    #expect(try floats([O.node("Conv", ["a", "v"], ["p"]), O.node("Relu", ["p"], ["b"])]).isEmpty)
    #expect(try floats([O.node("Add", ["a", "a"], ["b"])]).isEmpty)
    #expect(try floats([O.node("Tanh", ["a"], ["b"])]).isEmpty)
  }

  @Test func reasonsAreTold() throws {
    #expect(
      try floats([O.node("Softmax", ["a"], ["b"], [O.int("axis", 1)], name: "n")]) == [["n", "Softmax has no 8-bit form"]])
    #expect(try floats([O.node("Conv", ["a", "f"], ["b"], name: "n")]) == [["n", "its weights are float"]])
    #expect(try floats([O.node("Mul", ["a", "row"], ["b"], name: "n")]) == [["n", "its constant row is float"]])
    #expect(
      try floats(codes("a", "h", zero: "wide") + [O.node("Conv", ["h", "w"], ["b"], name: "n")])
        == [["n", "its operand h has uint16 codes"]])
    #expect(
      try floats(codes("a", "h", scale: "scales", zero: "zeros") + [O.node("Conv", ["h", "w"], ["b"], name: "n")])
        == [["n", "its operand h has more than one scale"]])
    #expect(
      try floats([
        O.node("Softmax", ["a"], ["s"], [O.int("axis", 1)], name: "first"), O.node("Conv", ["s", "w"], ["b"], name: "n"),
      ]) == [["first", "Softmax has no 8-bit form"], ["n", "its operand is what first (Softmax) gives as float"]])
  }
}
