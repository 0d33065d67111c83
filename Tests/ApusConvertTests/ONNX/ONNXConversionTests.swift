import Apus
import ApusGraph
import Foundation
import SwiftProtobuf
import Testing

@testable import ApusConvert

private typealias O = ONNXModel

@Suite struct ONNXConversionTests {
  /// y = relu(x w + x), then a branch over it that the optimizer can fuse.
  private func write(_ scratch: Scratch, extra: [ONNXNodeProto] = [], domain: String = "own") throws -> String {
    let nodes =
      [
        O.node("MatMul", ["x", "w"], ["p"], name: "product"), O.node("Add", ["p", "x"], ["s"], name: "sum"),
        O.node("Relu", ["s"], ["y"], name: "relu"),
      ] + extra
    let graph = O.graph(
      nodes, inputs: [O.input("x", [-1, 2])], outputs: ["y"], initializers: [O.floats("w", [2, 2], [1, 2, 3, -4])])
    try scratch.write(try O.model(graph, otherSets: [domain: 1]).serializedBytes(), "m.onnx")
    return scratch.file("m.onnx")
  }

  private func value(_ values: [Float], _ dimensions: [Int]) -> StoredValue {
    .tensor(NpyArray(elementType: .float32, dimensions: dimensions, bytes: values.withUnsafeBytes { Array($0) }))
  }

  @Test func everyProblemIsReportedAtOnceAndNoFileIsWritten() throws {
    let scratch = try Scratch()
    let extra = (1...5).map { O.node("Unknown\($0)", ["y"], ["z\($0)"], domain: "own", name: "odd \($0)") }
    let source = try write(scratch, extra: extra)
    let coverage = try Coverage(path: source)
    #expect(!coverage.isConvertible)
    #expect(coverage.exitCode == 3)
    for number in 1...5 {
      #expect(coverage.text.contains("own.Unknown\(number)-1"))
      #expect(coverage.text.contains("odd \(number)"))
    }
    #expect(coverage.json["problems"]?.arrayValue?.count == 5)
    let error = #expect(throws: ApusError.self) { _ = try Conversion().convert(source, to: scratch.file("m.apus")) }
    #expect(error?.status == .unsupportedOperator)
    #expect(scratch.files == ["m.onnx"])
  }

  @Test func storedDataBecomesTestVectors() throws {
    let scratch = try Scratch()
    let source = try write(scratch)
    let tensor = ValueType.tensor(TensorType(.float32, nil))
    try makeDirectory(scratch.file("data"))
    // [3, 1] w = [6, 2], plus x.
    try ValueFile.write(value([3, 1], [1, 2]), as: tensor, to: scratch.file("data/input_0.pb"))
    try ValueFile.write(value([9, 3], [1, 2]), as: tensor, to: scratch.file("data/output_0.pb"))
    var conversion = Conversion()
    conversion.embeddedData = scratch.file("data")
    let report = try conversion.convert(source, to: scratch.file("m.apus"))
    #expect(report.definition.metadata.testVectors.count == 1)
    #expect(report.verification.worstError == 0)
    var options = Agreement.Options()
    options.against = scratch.file("data")
    options.perNode = true
    let agreement = try Agreement(path: scratch.file("m.apus"), options: options)
    #expect(agreement.agrees, "\(agreement.text)")

    try ValueFile.write(value([9, 4], [1, 2]), as: tensor, to: scratch.file("data/output_0.pb"))
    #expect(try !Agreement(path: scratch.file("m.apus"), options: options).agrees)
    let error = #expect(throws: ApusError.self) { _ = try conversion.convert(source, to: scratch.file("wrong.apus")) }
    #expect(error?.status == .selfTestFailed)
    #expect(!scratch.files.contains("wrong.apus"))
  }

  @Test func fixedShapesAreThoseOfTheFile() throws {
    let scratch = try Scratch()
    let source = try write(scratch)
    var conversion = Conversion()
    conversion.fixedShapes = ["x": [4, 2]]
    _ = try conversion.convert(source, to: scratch.file("m.apus"))
    let model = try Model.load(contentsOfFile: scratch.file("m.apus"))
    #expect(model.inputs[0].shape?.known == [4, 2])
    conversion.fixedShapes = ["x": [4, 3]]
    #expect(throws: ApusError.self) { _ = try conversion.convert(source, to: scratch.file("m.apus")) }
  }

  /// A weight changed between the source and the file: the comparison names the node that reads it, not those behind it.
  @Test func theFirstNodeThatDepartsIsNamed() throws {
    let scratch = try Scratch()
    _ = try Conversion().convert(try write(scratch), to: scratch.file("m.apus"))
    let graph = O.graph(
      [
        O.node("MatMul", ["x", "w"], ["p"], name: "product"), O.node("Add", ["p", "x"], ["s"], name: "sum"),
        O.node("Relu", ["s"], ["y"], name: "relu"),
      ], inputs: [O.input("x", [-1, 2])], outputs: ["y"], initializers: [O.floats("w", [2, 2], [1, 2, 3, 4])])
    try scratch.write(try O.model(graph).serializedBytes(), "changed.onnx")
    var options = Agreement.Options()
    options.against = scratch.file("changed.onnx")
    options.shapes = ["x": [3, 2]]
    options.perNode = true
    let agreement = try Agreement(path: scratch.file("m.apus"), options: options)
    #expect(!agreement.agrees)
    let nodes = try #require(agreement.sets[0].nodes)
    let first = try #require(nodes.first)
    #expect(nodes.lines.first { $0.departs }?.node == first.node)
    #expect(agreement.text.contains("the first that departs: " + first.node))
  }
}
