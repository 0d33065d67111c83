import ApusConvert
import ApusGraph
import ApusSafetensors
import Testing

@Suite struct EvaluationTests {
  /// A network whose scores are relu(x): a checkpoint with identities for weights.
  private func identity(_ classes: Int, scratch: Scratch, name: String, scale: Float = 1) throws -> String {
    var checkpoint = SmallCheckpoint(inputs: classes, hidden: classes, outputs: classes)
    let ones = (0..<classes * classes).map { $0 % (classes + 1) == 0 ? Float(1) : 0 }
    checkpoint.tensors = [
      SafetensorsTensor(name: "fc1.weight", floats: ones, dimensions: [classes, classes]),
      SafetensorsTensor(name: "fc1.bias", floats: [Float](repeating: 0, count: classes), dimensions: [classes]),
      SafetensorsTensor(name: "fc2.weight", floats: ones.map { $0 * scale }, dimensions: [classes, classes]),
    ]
    checkpoint.set(["tests"], nil)
    try scratch.write(try checkpoint.bytes(), name + ".safetensors")
    _ = try Conversion().convert(scratch.file(name + ".safetensors"), to: scratch.file(name + ".apus"))
    return scratch.file(name + ".apus")
  }

  private func write(_ values: [Float], _ shape: [Int], _ name: String, _ scratch: Scratch) throws {
    let array = NpyArray(elementType: .float32, dimensions: shape, bytes: values.withUnsafeBytes { Array($0) })
    try array.write(path: scratch.file(name))
  }

  @Test func classesAreCounted() throws {
    let scratch = try Scratch()
    let model = try identity(7, scratch: scratch, name: "m")
    // The scores are the samples. Class 6 is fifth in the second, sixth in the third; equal ones: the first is larger.
    try write(
      [
        9, 1, 2, 3, 4, 5, 6,
        9, 8, 7, 6, 0, 0, 5,
        9, 8, 7, 6, 5, 0, 4,
        3, 3, 0, 0, 0, 0, 0,
      ], [4, 7], "x.npy", scratch)
    try scratch.write(Array("0\n6\n6\n1\n".utf8), "y.txt")
    var samples = SampleOptions()
    samples.labels = scratch.file("y.txt")
    var options = ModelEvaluation.Options()
    options.batch = 3
    var steps: [Int] = []
    let evaluation = try ModelEvaluation(path: model, data: scratch.file("x.npy"), samples: samples, options: options) {
      done, all in
      #expect(all == 4)
      steps.append(done)
    }
    #expect(steps == [3, 4])
    let confusion = try #require(evaluation.result.confusion)
    #expect(confusion.top1 == 0.25)
    #expect(confusion.top5 == 0.75)
    #expect(confusion.count(of: 6, as: 0) == 2)
    #expect(confusion.count(of: 1, as: 0) == 1)
    #expect(confusion.predictions(of: 0) == 4)
    #expect(confusion.samples(of: 6) == 2)
    #expect(evaluation.classNames == ["cat", "dog"])
    #expect(evaluation.text.contains("25.00%"))
    #expect(evaluation.json["model"]?["top5"]?.floatValue == 0.75)
    // The same bytes come out whatever the batch and the threads.
    options.batch = 1
    options.threads = 2
    let again = try ModelEvaluation(path: model, data: scratch.file("x.npy"), samples: samples, options: options) { _, _ in }
    #expect(again.result.outputHash == evaluation.result.outputHash)
  }

  @Test func twoModelsAreCompared() throws {
    let scratch = try Scratch()
    let model = try identity(2, scratch: scratch, name: "m", scale: 1.5)
    let other = try identity(2, scratch: scratch, name: "o")
    try write([1, 0, 0, 2, 3, 4], [3, 2], "x.npy", scratch)
    var options = ModelEvaluation.Options()
    options.against = other
    let evaluation = try ModelEvaluation(path: model, data: scratch.file("x.npy"), samples: .init(), options: options) { _, _ in }
    let agreement = try #require(evaluation.agreement.first)
    #expect(evaluation.agreement.count == 1)
    #expect(agreement.name == "logits")
    #expect(agreement.argmaxAgreement == 1)
    #expect(agreement.rows == 3)
    #expect(abs(agreement.smallestCosine - 1) < 1e-12)
    // Half of the signal is the difference: 10 log10(4).
    #expect(abs(agreement.signalToNoise - 6.0206) < 1e-3)
    #expect(agreement.largestError == 2)
    #expect(evaluation.result.confusion == nil)
    #expect(evaluation.other?.outputHash != evaluation.result.outputHash)
    options.against = model
    let same = try ModelEvaluation(path: model, data: scratch.file("x.npy"), samples: .init(), options: options) { _, _ in }
    #expect(same.agreement.first?.signalToNoise == .infinity)
    #expect(same.other?.outputHash == same.result.outputHash)
  }

  @Test func whatCanNotBeMeasuredIsSaid() throws {
    let scratch = try Scratch()
    let model = try identity(2, scratch: scratch, name: "m")
    try write([1, 0, 0, 2], [2, 2], "x.npy", scratch)
    func status(_ samples: SampleOptions, _ options: ModelEvaluation.Options) -> ApusError.Status? {
      do {
        _ = try ModelEvaluation(path: model, data: scratch.file("x.npy"), samples: samples, options: options) { _, _ in }
      } catch { return error.status }
      return nil
    }
    #expect(status(.init(), .init()) == .invalidArgument)
    try scratch.write(Array("0\n2\n".utf8), "y.txt")
    var samples = SampleOptions()
    samples.labels = scratch.file("y.txt")
    #expect(status(samples, .init()) == .valueOutOfRange)
    var options = ModelEvaluation.Options()
    options.output = "nothing"
    #expect(status(samples, options) == .unknownName)
  }
}
