import Apus
import ApusConvert
import ApusSafetensors
import Testing

@Suite struct ModelRunTests {
  private func floats(_ array: NpyArray) -> [Float] {
    array.bytes.withUnsafeBytes { bytes in
      (0..<bytes.count / 4).map { bytes.loadUnaligned(fromByteOffset: $0 * 4, as: Float.self) }
    }
  }

  private func array(_ values: [Float], _ dimensions: [Int]) -> NpyArray {
    NpyArray(elementType: .float32, dimensions: dimensions, bytes: values.withUnsafeBytes { Array($0) })
  }

  @Test func arraysGoInAndComeOut() throws {
    let scratch = try Scratch()
    _ = try scratch.convert()
    let model = try Model.load(contentsOfFile: scratch.file("m.apus"))
    let checkpoint = SmallCheckpoint()
    let run = try ModelRun(model, inputs: ["x": .tensor(array(checkpoint.input, [2, 2]))], profile: true)
    #expect(run.outputs.map(\.name) == ["logits"])
    #expect(run.outputs[0].value.array?.dimensions == [2, 2])
    for (actual, expected) in zip(floats(try #require(run.outputs[0].value.array)), checkpoint.output) {
      #expect(abs(actual - expected) < 1e-5)
    }
    let profile = try #require(run.profile(of: model))
    #expect(profile.lines.contains { $0.operatorName == "Gemm" })
    #expect(profile.text.contains("fc1"))
  }

  @Test func wrongInputsAreNamed() throws {
    let scratch = try Scratch()
    _ = try scratch.convert()
    let model = try Model.load(contentsOfFile: scratch.file("m.apus"))
    let good = array([1, 2], [1, 2])
    let integers = NpyArray(elementType: .int32, dimensions: [1, 2], bytes: [UInt8](repeating: 0, count: 8))
    for (inputs, status, name) in [
      ([:], .invalidArgument, "x"), (["x": good, "z": good], .unknownName, "z"), (["x": integers], .typeMismatch, "x"),
      (["x": array([1, 2, 3], [1, 3])], .shapeMismatch, "x"), (["x": array([1, 2], [2])], .shapeMismatch, "x"),
      (["x": array([], [0, 2])], .shapeMismatch, "x"),
    ] as [([Name: NpyArray], ApusError.Status, String)] {
      let error = #expect(throws: ApusError.self) { _ = try ModelRun(model, inputs: inputs.mapValues { .tensor($0) }) }
      #expect(error?.status == status, "\(String(describing: error))")
      #expect(error?.tensorName == name)
    }
  }
}
