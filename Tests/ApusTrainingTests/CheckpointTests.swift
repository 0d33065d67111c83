import ApusGraph
import ApusSafetensors
import Foundation
import Testing

@testable import ApusTraining

@Suite struct CheckpointTests {
  private let path = FileManager.default.temporaryDirectory.appendingPathComponent("apus-\(UUID().uuidString).safetensors").path

  private func status(of body: () throws(ApusError) -> Void) -> ApusError.Status? {
    do { try body() } catch { return error.status }
    return nil
  }

  @Test func modulesAreSavedUnderTheirPathsAndReadBack() throws {
    defer { try? FileManager.default.removeItem(atPath: path) }
    let network = try SmallNetwork(seed: 3)
    try Checkpoint.save(network, in: try Context(threads: 1), to: path)
    let file = try SafetensorsFile(path: path)
    let names = [
      "features.0.bias", "features.0.weight", "features.1.bias", "features.1.running_mean", "features.1.running_var",
      "features.1.weight", "head.1.bias", "head.1.weight", "head.4.bias", "head.4.weight",
    ]
    #expect(file.entries.map(\.name).sorted() == names)
    #expect(file.metadataValue("apus.format") == "checkpoint" && file.metadataValue("apus.version") == "1")
    let other = try SmallNetwork(seed: 4)
    try Checkpoint.load(other, from: path)
    for ((name, a), (_, b)) in zip(network.namedTensors, other.namedTensors) { #expect(a.values == b.values, "\(name)") }
    // The same module gives the same bytes.
    let bytes = try Data(contentsOf: URL(fileURLWithPath: path))
    try Checkpoint.save(network, in: try Context(threads: 2), to: path)
    #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == bytes)
  }

  /// Nothing of a module changes where something of the checkpoint does not fit.
  @Test func checkpointsThatDoNotFitChangeNothing() throws {
    defer { try? FileManager.default.removeItem(atPath: path) }
    let layer = { (inputs: Int) throws(ApusError) -> Linear in
      var generator = RandomGenerator(seed: 1)
      return try Linear(inputs, 2, using: &generator)
    }
    let metadata = ["apus.format": "checkpoint", "apus.version": "1"]
    let weight = SafetensorsTensor(name: "weight", floats: [9, 9, 9, 9, 9, 9], dimensions: [2, 3])
    let bias = SafetensorsTensor(name: "bias", floats: [9, 9], dimensions: [2])
    let cases: [([SafetensorsTensor], [String: String], ApusError.Status)] = [
      ([weight], metadata, .unknownName),
      ([weight, bias, SafetensorsTensor(name: "more", floats: [1], dimensions: [1])], metadata, .unknownName),
      ([SafetensorsTensor(name: "weight", floats: [9, 9, 9, 9, 9, 9], dimensions: [3, 2]), bias], metadata, .shapeMismatch),
      (
        [weight, SafetensorsTensor(name: "bias", elementType: .float16, dimensions: [2], bytes: [0, 0, 0, 0])], metadata,
        .typeMismatch
      ),
      ([weight, bias], [:], .malformed),
      ([weight, bias], ["apus.format": "checkpoint", "apus.version": "2"], .unsupportedVersion),
      ([weight, bias], ["apus.format": "other", "apus.version": "1"], .malformed),
    ]
    for (tensors, metadata, expected) in cases {
      try SafetensorsWriter.write(tensors, metadata: metadata, path: path)
      let module = try layer(3)
      let before = module.weight.values + (module.bias?.values ?? [])
      #expect(status { () throws(ApusError) in try Checkpoint.load(module, from: path) } == expected)
      #expect(module.weight.values + (module.bias?.values ?? []) == before)
    }
    try SafetensorsWriter.write([weight, bias], metadata: metadata, path: path)
    let module = try layer(3)
    try Checkpoint.load(module, from: path)
    #expect(module.weight.values == [Float](repeating: 9, count: 6))
    #expect(status { () throws(ApusError) in try Checkpoint.load(module, from: path + ".none") } == .fileNotFound)
  }

  /// Each cut and each flipped bit of a header byte gives an error or a file that reads, never a crash, and an error leaves the
  /// trainer as it was.
  @Test func damagedTrainingStatesAreRefused() throws {
    defer { try? FileManager.default.removeItem(atPath: path) }
    let trainer = try makeTrainer()
    try trainer.fit(try barImages(40, seed: 1), epochs: 1, batchSize: 20)
    try trainer.save(to: path)
    let bytes = Array(try Data(contentsOf: URL(fileURLWithPath: path)))
    let header = 8 + bytes[..<8].enumerated().reduce(0) { $0 + Int($1.element) << (8 * $1.offset) }
    let victim = try makeTrainer()
    let before = victim.module.namedTensors.map(\.tensor.values)
    var generator = RandomGenerator(seed: 77)
    for _ in 0..<300 {
      var damaged = bytes
      if generator.nextInteger(below: 4) == 0 {
        damaged.removeLast(1 + Int(generator.nextInteger(below: UInt32(bytes.count))))
      } else {
        damaged[Int(generator.nextInteger(below: UInt32(header)))] ^= 1 << UInt8(generator.nextInteger(below: 8))
      }
      try Data(damaged).write(to: URL(fileURLWithPath: path))
      if status(of: { () throws(ApusError) in try victim.resume(from: path) }) != nil {
        #expect(victim.position == TrainingPosition())
        #expect(victim.module.namedTensors.map(\.tensor.values) == before)
      } else {
        // A flip in a number that is not checked: begin again.
        for ((_, tensor), values) in zip(victim.module.namedTensors, before) { try tensor.assign(values) }
        victim.position = TrainingPosition()
      }
    }
    #expect(
      status { () throws(ApusError) in try Checkpoint.save(trainer.module, in: trainer.context, to: "/nonexistent/x") } != nil)
  }

  @Test func tensorsWithoutTrainingStateAreNotResumed() throws {
    defer { try? FileManager.default.removeItem(atPath: path) }
    let trainer = try makeTrainer()
    try Checkpoint.save(trainer.module, in: trainer.context, to: path)
    #expect(status { () throws(ApusError) in try trainer.resume(from: path) } == .malformed)
  }
}
