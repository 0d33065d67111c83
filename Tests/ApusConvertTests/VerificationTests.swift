import Apus
import ApusConvert
import ApusFormat
import Testing

@Suite struct VerificationTests {
  @Test func aGoodFilePassesEveryCheck() throws {
    let scratch = try Scratch()
    _ = try scratch.convert()
    for threads in [1, 2] {
      let verification = Verification(path: scratch.file("m.apus"), threads: threads)
      #expect(verification.passed)
      #expect(verification.checks.map(\.name) == ["structure", "segments", "tensors", "model_id", "load", "self_test"])
      #expect(verification.selfTest?.outputs.count == 1)
      #expect(verification.text.contains("verified"))
      #expect(!verification.text.contains("NOT"))
    }
  }

  @Test func aDamagedSegmentIsFound() throws {
    let scratch = try Scratch()
    _ = try scratch.convert(ConversionTests.large, codec: .raw)
    let file = try ModelFile(.path(scratch.file("m.apus")))
    let segment = try #require(file.segments.first { $0.role == .graph })
    var bytes = try scratch.read("m.apus")
    bytes[Int(segment.offset) + 1000] ^= 1
    try scratch.write(bytes, "m.apus")
    let verification = Verification(path: scratch.file("m.apus"))
    #expect(!verification.passed)
    let failed = try #require(verification.checks.last)
    #expect(failed.name == "segments")
    #expect(failed.error?.status == .checksumMismatch)
    #expect(failed.error?.file == scratch.file("m.apus"))
    #expect(verification.text.contains("NOT verified"))
  }

  @Test func everyFlippedByteOfASmallFileIsFound() throws {
    let scratch = try Scratch()
    _ = try scratch.convert()
    let whole = try scratch.read("m.apus")
    for index in whole.indices {
      var bytes = whole
      bytes[index] ^= 0x10
      try scratch.write(bytes, "m.apus")
      let verification = Verification(path: scratch.file("m.apus"))
      #expect(!verification.passed, "byte \(index)")
    }
  }

  @Test func aMissingFileIsAFailedCheck() {
    let verification = Verification(path: "/nonexistent/m.apus")
    #expect(!verification.passed)
    #expect(verification.checks.first?.error?.status == .fileNotFound)
  }
}
