import ApusGraph
import Testing

@testable import ApusRuntime

/// Operators on tensors of text.
@Suite struct TextTests {
  private enum Value {
    case text([String], [Int])
    case numbers(TestTensor, ElementType)
  }

  private func run(_ name: Name, version: Int32, _ operands: [Value], _ attributes: [Attribute] = []) throws -> RuntimeTensor {
    var builder = ModelBuilder()
    var inputs: [ValueID] = []
    for (index, operand) in operands.enumerated() {
      switch operand {
      case .text(_, let shape): inputs.append(builder.input(Name("x\(index)"), Shape(shape), .string))
      case .numbers(let tensor, let type): inputs.append(builder.input(Name("x\(index)"), Shape(tensor.shape), type))
      }
    }
    builder.output(builder.node(name, version: version, inputs, attributes)[0])
    let model = try Model(definition: builder.definition)
    let values = try operands.map { operand -> RuntimeValue in
      switch operand {
      case .text(let strings, let shape):
        return .tensor(try RuntimeTensor(strings: strings.map { Array($0.utf8) }, shape, memory: model.memory))
      case .numbers(let tensor, let type):
        let made = try RuntimeTensor(type, tensor.shape, memory: model.memory)
        made.mutableBytes.copyBytes(from: tensor.bytes)
        return .tensor(made)
      }
    }
    return try #require(try Session(model: model).run(values)[0].tensor)
  }

  private func bytes(_ tensor: RuntimeTensor) -> [UInt8] { withExtendedLifetime(tensor) { Array(tensor.bytes) } }

  private func strings(_ tensor: RuntimeTensor) -> [String] { tensor.strings.map { String(decoding: $0, as: UTF8.self) } }

  @Test func equalityAndSelectionBroadcast() throws {
    let words = Value.text(["a", "", "bc", "a"], [2, 2])
    #expect(bytes(try run("Equal", version: 19, [words, .text(["a"], [])])) == [1, 0, 0, 1])
    let chosen = try run(
      "Where", version: 16, [.numbers(TestTensor([UInt8(1), 0], [2]), .bool), words, .text(["é"], [1])])
    #expect(strings(chosen) == ["a", "é", "bc", "é"])
    #expect(chosen.extents == [2, 2])
  }

  @Test func elementsAreMoved() throws {
    let turned = try run("Transpose", version: 25, [.text(["a", "b", "c", "d", "e", "f"], [2, 3])])
    #expect(turned.extents == [3, 2])
    #expect(strings(turned) == ["a", "d", "b", "e", "c", "f"])
    let joined = try run("Concat", version: 13, [.text(["x"], [1]), .text(["", "x"], [2])], [Attribute("axis", .int(0))])
    #expect(strings(joined) == ["x", "", "x"])
  }

  @Test func numbersAreReadAndWritten() throws {
    let words = Value.text(["1.5", " -2e-3 ", "+INF", "nan", "100.5"], [5])
    let floats = try run("Cast", version: 25, [words], [Attribute("to", .int(1))])
    let values = TestTensor(shape: [5], bytes: bytes(floats)).floats
    #expect(Array(values[..<3]) == [1.5, -0.002, .infinity] && values[3].isNaN && values[4] == 100.5)
    let whole = try run(
      "Cast", version: 25, [.text(["9223372036854775807", "-7", "1e3"], [3])], [Attribute("to", .int(7))])
    #expect(TestTensor(shape: [3], bytes: bytes(whole)).values(Int64.self) == [.max, -7, 1000])
    let text = try run(
      "Cast", version: 25, [.numbers(TestTensor([0.1, -3, 1e20] as [Float], [3]), .float32)], [Attribute("to", .int(8))])
    #expect(strings(text) == ["0.1", "-3.0", "1e+20"])
    for word in ["", "x", "0x10", "1.2.3"] {
      #expect(message { _ = try run("Cast", version: 25, [.text([word], [1])], [Attribute("to", .int(1))]) }.contains("no number"))
    }
  }
}
