import ApusGraph
import Foundation
import SwiftProtobuf
import Testing

@testable import ApusConvert

/// Files that somebody broke or made to break the reader: each gives an error or a model, never a crash.
@Suite struct ONNXHostileFileTests {
  private typealias O = ONNXModel

  /// A model with a bit of everything: a body with a capture, a function, tensors of three kinds, an old operator.
  private static func sample() throws -> [UInt8] {
    let body = O.graph([O.node("Add", ["t", "w"], ["b"])], outputs: ["b"], name: "body")
    let function = O.function(
      "F", inputs: ["a"], outputs: ["r"], attributes: ["s"],
      [
        O.node("LeakyRelu", ["a"], ["r"], [O.reference("alpha", to: "s", .float)])
      ])
    let graph = O.graph(
      [
        O.node("Softmax", ["x"], ["t"], [O.int("axis", 1)], name: "soft"),
        O.node("If", ["c"], ["u"], [O.graph("then_branch", body), O.graph("else_branch", body)]),
        O.node("F", ["u"], ["v"], [O.float("s", 0.1)], domain: "local"),
        O.node("Slice", ["v"], ["y"], [O.ints("starts", [0]), O.ints("ends", [1])]),
      ], inputs: [O.input("x", [2, 3, 4]), O.input("c", [], .bool)], outputs: ["y"],
      initializers: [O.floats("w", [4], [1, 2, 3, 4]), O.tensor("q", .int4, [3], raw: [0x21, 0x03])])
    return try O.model(operatorSet: 9, graph, functions: [function], otherSets: ["local": 1]).serializedBytes()
  }

  private func survive(_ bytes: [UInt8]) -> Bool {
    (try? ONNXImporter.survey(parsing: bytes)) != nil
  }

  @Test func cutFiles() throws {
    let bytes = try Self.sample()
    #expect(survive(bytes))
    var imported = 0
    for count in bytes.indices where survive(Array(bytes[..<count])) { imported += 1 }
    // Cuts between top-level fields leave readable messages; none before the graph is whole.
    #expect(imported < 20)
  }

  @Test func flippedBits() throws {
    let bytes = try Self.sample()
    for bit in 0..<bytes.count * 8 {
      var damaged = bytes
      damaged[bit / 8] ^= 1 << UInt8(bit % 8)
      _ = survive(damaged)
    }
  }

  @Test func randomDamage() throws {
    let bytes = try Self.sample()
    var state: UInt64 = 0x9e37_79b9_7f4a_7c15
    func next() -> Int {
      state ^= state << 13
      state ^= state >> 7
      state ^= state << 17
      return Int(state >> 33)
    }
    for _ in 0..<5000 {
      var damaged = bytes
      for _ in 0...next() % 8 {
        switch next() % 3 {
        case 0: damaged[next() % damaged.count] = UInt8(truncatingIfNeeded: next())
        case 1: damaged.remove(at: next() % damaged.count)
        default: damaged.insert(UInt8(truncatingIfNeeded: next()), at: next() % damaged.count)
        }
      }
      _ = survive(damaged)
    }
  }

  /// A length-delimited field around `content`.
  private static func field(_ number: Int, _ content: [UInt8]) -> [UInt8] {
    varint(number << 3 | 2) + varint(content.count) + content
  }

  private static func varint(_ number: Int) -> [UInt8] {
    var bytes: [UInt8] = []
    var rest = number
    repeat {
      bytes.append(UInt8(rest & 0x7f) | (rest > 0x7f ? 0x80 : 0))
      rest >>= 7
    } while rest > 0
    return bytes
  }

  private func status(_ bytes: [UInt8]) -> ApusError.Status? {
    do throws(ApusError) {
      _ = try ONNXImporter.survey(parsing: bytes)
      return nil
    } catch {
      return error.status
    }
  }

  @Test func graphsNestedTenThousandDeep() {
    // graph { node { attribute { g { node ...
    var nested: [UInt8] = []
    for _ in 0..<10_000 { nested = Self.field(1, Self.field(5, Self.field(6, nested))) }
    #expect(status([8, 8] + Self.field(7, nested)) == .malformed)
  }

  @Test func typesNestedTenThousandDeep() {
    var type: [UInt8] = []
    for _ in 0..<10_000 { type = Self.field(4, Self.field(1, type)) }
    #expect(status([8, 8] + Self.field(7, Self.field(11, Self.field(2, type)))) == .malformed)
  }

  @Test func graphsNestedDeeperThanFilesAllow() throws {
    var graph = O.graph([O.node("Abs", ["x"], ["y"])], outputs: ["y"])
    for _ in 0..<17 {
      graph = O.graph([O.node("If", ["c"], ["y"], [O.graph("then_branch", graph)])], outputs: ["y"])
    }
    graph.input = [O.input("x", [1]), O.input("c", [], .bool)]
    let bytes: [UInt8] = try O.model(graph).serializedBytes()
    #expect(status(bytes) == .limitExceeded)
  }

  @Test func aChainOfTenThousandNodesBackwards() throws {
    let nodes = (0..<10_000).reversed().map { O.node("Abs", ["v\($0)"], ["v\($0 + 1)"]) }
    let definition = try O.imported(O.model(O.graph(nodes, inputs: [O.input("v0", [1])], outputs: ["v10000"])))
    #expect(definition.graphs[0].nodes.count == 10_000)
  }

  @Test func functionsThatMultiplyTheirCalls() {
    let functions = (0..<40).map { level in
      O.function(
        "F\(level)", inputs: ["a"], outputs: ["r"],
        [
          O.node(level == 0 ? "Abs" : "F\(level - 1)", ["a"], ["t"], domain: level == 0 ? "" : "local"),
          O.node(level == 0 ? "Abs" : "F\(level - 1)", ["t"], ["r"], domain: level == 0 ? "" : "local"),
        ])
    }
    let model = O.model(
      O.graph([O.node("F39", ["x"], ["y"], domain: "local")], inputs: [O.input("x", [1])], outputs: ["y"]),
      functions: functions, otherSets: ["local": 1])
    var options = ONNXImporter.Options()
    options.maximumNodes = 1000
    // They are counted, not inlined: 2^40 of them.
    #expect { try O.imported(model, options) } throws: { error in
      (error as? ApusError)?.status == .limitExceeded && (error as? ApusError)?.actual == "1099511627776"
    }
  }

  @Test func noModelAtAll() {
    #expect(status([]) == .malformed)
    #expect(status(Array("not a model".utf8)) != nil)
    #expect(status([8, 2] + Self.field(7, [])) == .unsupportedVersion)
  }

  // MARK: External data

  private func external(_ entries: [String: String], in scratch: Scratch) throws -> ApusError.Status? {
    var tensor = O.tensor("w", .float32, [2])
    tensor.dataLocation = .external
    tensor.externalData = entries.sorted { $0.key < $1.key }.map { key, value in
      var entry = ONNXStringStringEntryProto()
      entry.key = key
      entry.value = value
      return entry
    }
    let graph = O.graph([O.node("Add", ["x", "w"], ["y"])], inputs: [O.input("x", [2])], outputs: ["y"], initializers: [tensor])
    try scratch.write(try O.model(graph).serializedBytes(), "model.onnx")
    do throws(ApusError) {
      _ = try ONNXImporter(path: scratch.file("model.onnx")).survey()
      return nil
    } catch {
      return error.tensorName == "w" && error.file.hasSuffix("model.onnx") ? error.status : .internal
    }
  }

  @Test func externalDataStaysInTheModelsFolder() throws {
    let scratch = try Scratch()
    let outside = try Scratch()
    try scratch.write(Array(0..<16), "data.bin")
    try outside.write(Array(0..<16), "secret.bin")
    try FileManager.default.createSymbolicLink(atPath: scratch.file("link.bin"), withDestinationPath: outside.file("secret.bin"))
    try FileManager.default.createSymbolicLink(atPath: scratch.file("inside.bin"), withDestinationPath: scratch.file("data.bin"))
    #expect(try external(["location": "data.bin", "offset": "8", "length": "8"], in: scratch) == nil)
    #expect(try external(["location": "./data.bin"], in: scratch) == nil)
    #expect(try external(["location": "inside.bin"], in: scratch) == nil)
    #expect(try external(["location": "link.bin"], in: scratch) == .invalidModel)
    #expect(try external(["location": outside.file("secret.bin")], in: scratch) == .invalidModel)
    #expect(
      try external(["location": "../" + (outside.path as NSString).lastPathComponent + "/secret.bin"], in: scratch)
        == .invalidModel)
    #expect(try external(["location": "a/../data.bin"], in: scratch) == .invalidModel)
  }

  @Test func externalDataFitsItsFile() throws {
    let scratch = try Scratch()
    try scratch.write(Array(0..<16), "data.bin")
    #expect(try external(["location": "data.bin", "offset": "9"], in: scratch) == .truncated)
    #expect(try external(["location": "data.bin", "offset": "18446744073709551615"], in: scratch) == .truncated)
    #expect(try external(["location": "data.bin", "offset": "-1"], in: scratch) == .malformed)
    #expect(try external(["location": "data.bin", "length": "4"], in: scratch) == .malformed)
    #expect(try external(["location": "none.bin"], in: scratch) == .fileNotFound)
    #expect(try external(["location": "."], in: scratch) != nil)
    #expect(try external([:], in: scratch) == .malformed)
  }
}
