import Apus
import ApusConvert
import ApusGraph
import ApusSafetensors
import Foundation
import Testing

@Suite struct ReportTests {
  /// The keys that Sources/modelconv/JSON.md documents for a kind of document, from the first column of its table.
  static func documentedKeys(_ kind: String) throws -> Set<String> {
    let page = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent().appendingPathComponent("Sources/modelconv/JSON.md")
    let text = try String(contentsOf: page, encoding: .utf8)
    let section = try #require(text.components(separatedBy: "\n## ").first { $0.hasPrefix(kind + " ") })
    var keys: Set<String> = ["format", "version"]
    for line in section.split(separator: "\n") where line.hasPrefix("| `") {
      let cell = line.dropFirst(2).prefix { $0 != "|" }
      keys.formUnion(cell.split(separator: ",").map { $0.trimmingCharacters(in: CharacterSet(charactersIn: "` ")) })
    }
    return keys
  }

  private func check(_ document: JSONValue, _ kind: String, without optional: Set<String> = []) throws {
    let parsed = try JSONValue(parsing: document.serialized(indented: true))
    #expect(parsed == document)
    #expect(parsed["format"] == .string(kind))
    #expect(parsed["version"] == 1)
    let keys = Set(try #require(parsed.objectValue).map(\.key))
    #expect(keys == (try Self.documentedKeys(kind)).subtracting(optional))
  }

  @Test func jsonHoldsTheDocumentedKeys() throws {
    let scratch = try Scratch()
    let report = try scratch.convert(ConversionTests.large)
    try check(report.json, "apus.convert")
    var options = Inspection.Options()
    try check(try Inspection(path: scratch.file("m.apus"), options: options).json, "apus.inspect", without: ["stages"])
    options.graph = true
    try check(try Inspection(path: scratch.file("m.apus"), options: options).json, "apus.inspect")
    try check(Verification(path: scratch.file("m.apus")).json, "apus.verify")
    var bench = Benchmark.Options()
    bench.seconds = 0
    try check(try Benchmark(path: scratch.file("m.apus"), options: bench).json, "apus.bench")
    try check(OperatorListing().json, "apus.operators")
    try check(try Coverage(path: scratch.file("m.safetensors")).json, "apus.coverage")
    var agreement = Agreement.Options()
    agreement.perNode = true
    try check(try Agreement(path: scratch.file("m.apus"), options: agreement).json, "apus.agreement")
    // A failure is a document, too.
    try check(Verification(path: "/nonexistent").json, "apus.verify")
  }

  @Test func anInspectionTellsWhatTheFileHolds() throws {
    let scratch = try Scratch()
    _ = try scratch.convert(ConversionTests.large, codec: .zstdPlanes)
    var options = Inspection.Options()
    options.shapes = ["x": [64, 600]]
    options.graph = true
    options.sections = true
    let inspection = try Inspection(path: scratch.file("m.apus"), options: options)
    let json = inspection.json
    #expect(json["inputs"] == [["name": "x", "type": "float32", "shape": ["N", 600]]])
    #expect(json["outputs"] == [["name": "logits", "type": "float32", "shape": ["N", 10]]])
    #expect(json["symbols"] == [["name": "N", "minimum": 1, "maximum": .null, "multiple": 1]])
    #expect(json["operators"]?.arrayValue?.map { $0["count"] } == [2, 1])
    #expect(json["parameters"] == JSONValue(600 * 600 + 600 + 6000))
    #expect(json["cost"]?["shapes"] == ["x": [64, 600]])
    let multiplications = 2 * 64 * 600 * 600 + 2 * 64 * 600 * 10
    #expect(json["cost"]?["flops"] == JSONValue(multiplications + 2 * 64 * 600))
    #expect(json["cost"]?["nodes"]?.arrayValue?.count == 3)
    #expect(json["segments"]?.arrayValue?.first?["codec"] == "zstd-planes")
    #expect(json["segments"]?.arrayValue?.first?["tensors"]?.arrayValue?.first == "fc1.weight")
    #expect(json["metadata"] == [["key": "classes", "value": "cat,dog"]])
    #expect(json["provenance"]?["producer"] == .string(Conversion.producer.string))
    #expect(json["test_vectors"]?.arrayValue?.count == 1)
    #expect(json["stages"]?.arrayValue?.first?["name"] == "file")
    let text = inspection.text
    for piece in ["ai.onnx.Gemm-13", "[N, 600]", "cat,dog", "366,600", "segment table", "test vector 0", "%logits"] {
      #expect(text.contains(piece), "\(piece) in \(text)")
    }
  }

  @Test func everyOperatorOfTheRegistryIsListed() throws {
    let listing = OperatorListing()
    let listed = try #require(listing.json["operators"]?.arrayValue)
    #expect(listed.count == OperatorRegistry.core.schemas.count)
    let conv = try #require(listed.first { $0["name"] == "Conv" })
    #expect(conv["versions"] == [22])
    #expect(conv["inputs"]?.arrayValue?.map { $0["arity"] } == ["required", "required", "optional"])
    #expect(listing.text.contains("X, W, B?"))
  }

  @Test func shapesOfAnInspectionAreChecked() throws {
    let scratch = try Scratch()
    _ = try scratch.convert()
    for (name, extents, status) in [
      ("y", [1, 2], .unknownName), ("x", [1, 3], .shapeMismatch), ("x", [1], .shapeMismatch), ("x", [0, 2], .shapeMismatch),
    ] as [(Name, [Int], ApusError.Status)] {
      var options = Inspection.Options()
      options.shapes = [name: extents]
      let error = #expect(throws: ApusError.self) { _ = try Inspection(path: scratch.file("m.apus"), options: options) }
      #expect(error?.status == status)
      #expect(error?.tensorName == name.string)
    }
  }

  @Test func aBenchmarkMeasuresEachNumberOfThreads() throws {
    let scratch = try Scratch()
    _ = try scratch.convert()
    var options = Benchmark.Options()
    options.threads = [1, 2]
    options.seconds = 0.01
    options.shapes = ["x": [8, 2]]
    let benchmark = try Benchmark(path: scratch.file("m.apus"), options: options)
    #expect(benchmark.measurements.map(\.threads) == [1, 2])
    for measurement in benchmark.measurements {
      #expect(measurement.runs >= 1)
      #expect(measurement.minimum <= measurement.median)
      #expect(measurement.median <= measurement.p99)
      // Every operation of the model is some node's.
      #expect(measurement.profile.lines.reduce(0) { $0 + $1.operations } == benchmark.cost.operations)
    }
    #expect(benchmark.peakResidentBytes > 0)
    #expect(benchmark.text.contains("GFLOP/s"))
  }
}
