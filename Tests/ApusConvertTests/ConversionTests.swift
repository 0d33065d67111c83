import Apus
import ApusConvert
import ApusFormat
import ApusSafetensors
import Crypto
import Foundation
import Testing

@Suite struct ConversionTests {
  /// Weights of 1.4 MB: read in pieces, stored in a segment of several chunks.
  static let large = SmallCheckpoint(inputs: 600, hidden: 600, outputs: 10)

  @Test func aCheckpointBecomesAFileThatGivesItsResults() throws {
    let scratch = try Scratch()
    let report = try scratch.convert()
    #expect(scratch.files == ["m.apus", "m.safetensors"])
    let file = try ModelFile(.path(scratch.file("m.apus")))
    #expect(file.modelID == report.summary.modelID)
    #expect(file.needs.flops == 2 * 2 * 3 + 3 + 3 + 2 * 3 * 2)
    #expect(file.needs.operators.map(\.name) == ["Gemm", "Relu"])
    #expect(file.definition.metadata.producer == Conversion.producer)
    #expect(file.definition.metadata.sourceHash == Array(SHA256.hash(data: try scratch.read("m.safetensors"))))
    let model = try Model.load(contentsOfFile: scratch.file("m.apus"))
    let checkpoint = SmallCheckpoint()
    let outputs = try Session(model: model).run(["x": try Tensor(checkpoint.input, shape: [2, 2])])
    let logits = try #require(outputs["logits"]).values(as: Float.self)
    for (actual, expected) in zip(logits, checkpoint.output) { #expect(abs(actual - expected) < 1e-5) }
    #expect(report.verification.passed)
    #expect(report.verification.worstError < 1e-5)
  }

  @Test(arguments: Conversion.Codec.allCases) func convertingTwiceGivesTheSameBytes(_ codec: Conversion.Codec) throws {
    let scratch = try Scratch()
    _ = try scratch.convert(Self.large, codec: codec, to: "a.apus")
    _ = try scratch.convert(Self.large, codec: codec, to: "b.apus")
    #expect(try scratch.read("a.apus") == scratch.read("b.apus"))
  }

  @Test func theModelIDDoesNotDependOnTheCodec() throws {
    let scratch = try Scratch()
    var ids: Set<[UInt8]> = []
    var lengths: Set<UInt64> = []
    for codec in [Conversion.Codec.raw, .zstd, .zstdPlanes] {
      let report = try scratch.convert(Self.large, codec: codec)
      ids.insert(report.summary.modelID)
      lengths.insert(report.summary.fileLength)
    }
    #expect(ids.count == 1)
    #expect(lengths.count == 3)
  }

  @Test func aModelThatDoesNotReproduceItsTestVectorsIsNotWritten() throws {
    let scratch = try Scratch()
    var checkpoint = SmallCheckpoint()
    var wrong = checkpoint.output
    wrong[3] += 0.01
    checkpoint.tensors[4] = SafetensorsTensor(name: "apus.test.0.output.logits", floats: wrong, dimensions: [2, 2])
    try scratch.write([1, 2, 3], "m.apus")
    let error = #expect(throws: ApusError.self) { _ = try scratch.convert(checkpoint) }
    #expect(error?.status == .selfTestFailed)
    #expect(error?.tensorName == "logits")
    #expect(error?.file == scratch.file("m.safetensors"))
    #expect(error?.message.contains("1 of 4 elements") == true)
    // What stood there stays, and nothing else is left.
    #expect(scratch.files == ["m.apus", "m.safetensors"])
    #expect(try scratch.read("m.apus") == [1, 2, 3])
  }

  @Test func aSpoiledCheckpointLeavesNothingBehind() throws {
    let scratch = try Scratch()
    var checkpoint = SmallCheckpoint()
    checkpoint.set(["nodes", "1", "operator"], "Relu6")
    let error = #expect(throws: ApusError.self) { _ = try scratch.convert(checkpoint) }
    #expect(error?.status == .unsupportedOperator)
    #expect(error?.operatorName.contains("relu") == true)
    #expect(scratch.files == ["m.safetensors"])
  }

  @Test func aFolderThatIsNotThereIsNamed() throws {
    let scratch = try Scratch()
    let error = #expect(throws: ApusError.self) { _ = try scratch.convert(to: "missing/m.apus") }
    #expect(error?.status == .fileNotFound)
    #expect(error?.file == scratch.file("missing/m.apus"))
  }

  @Test func testVectorsCanBeLeftOut() throws {
    let scratch = try Scratch()
    try scratch.write(try SmallCheckpoint().bytes(), "m.safetensors")
    var conversion = Conversion()
    conversion.testVectors = false
    let report = try conversion.convert(scratch.file("m.safetensors"), to: scratch.file("m.apus"))
    #expect(report.verification.selfTest == nil)
    #expect(report.leftOut.count == 3)
    #expect(report.text.contains("no test vectors"))
  }
}
