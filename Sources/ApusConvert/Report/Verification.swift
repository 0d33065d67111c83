import Apus
import ApusFormat
import ApusFormatWriter
import ApusGraph
import ApusRuntime
import ApusSafetensors

/// Everything about a model file that can be checked without its source: structure, each segment's checksum, each tensor's
/// bytes, the model id, and its own test vectors run through the runtime.
public struct Verification {
  public struct Check: Sendable {
    /// `structure`, `segments`, `tensors`, `model_id`, `load` or `self_test`.
    public let name: String
    /// What was found, in a few words.
    public let detail: String
    /// nil where the check passed.
    public let error: ApusError?

    public var passed: Bool { error == nil }
  }

  public let path: String
  /// In order. A check that needs one before it that failed is left out.
  public private(set) var checks: [Check] = []
  public private(set) var selfTest: SelfTestReport?
  public private(set) var file: ModelFile?

  public var passed: Bool { checks.allSatisfy(\.passed) }

  /// Largest absolute error of the self test; 0 where it did not run.
  public var worstError: Double { selfTest?.maximumAbsoluteError ?? 0 }

  /// What the self test found, in a few words.
  var selfTestText: String {
    guard let selfTest else { return "the file has no test vectors: nothing to compare the results with" }
    let vectors = "\(selfTest.vectors) test vector\(selfTest.vectors == 1 ? "" : "s")"
    return "\(vectors) reproduced, worst error \(Quantity.error(selfTest.maximumAbsoluteError))"
  }

  /// Checks the file at `path`. Never throws: what is wrong is in `checks`.
  ///
  /// - Parameters:
  ///   - threads: of the self test.
  ///   - progress: called with the name of each check before it begins.
  public init(path: String, threads: Int = 1, progress: (String) -> Void = { _ in }) {
    self.path = path
    progress("structure")
    let file: ModelFile
    do throws(ApusError) {
      file = try ModelFile(.path(path))
    } catch {
      add("structure", error: error)
      return
    }
    self.file = file
    let nodes = file.definition.graphs.reduce(0) { $0 + $1.nodes.count }
    add("structure", "\(nodes) nodes, \(file.definition.tensors.count) tensors, \(file.segments.count) segments")
    progress("segments")
    var failures: [ApusError] = []
    for index in file.segments.indices {
      do throws(ApusError) { _ = try file.segmentBytes(index) } catch { failures.append(error) }
    }
    if let first = failures.first {
      var error = first
      if failures.count > 1 { error.message += "; \(failures.count) of \(file.segments.count) segments are wrong" }
      add("segments", error: error)
      return
    }
    add("segments", "every checksum is right, everything decodes")
    progress("tensors")
    let weights =
      file.definition.metadata.entries.first { $0.key == "apus.weights" }.map { "; weights: " + $0.value.string } ?? ""
    check("tensors", "every tensor's bytes fit its type" + weights) { () throws(ApusError) in try file.verifyAll() }
    progress("model_id")
    check("model_id", Quantity.hexadecimal(file.modelID)) { () throws(ApusError) in try ModelIdentity.check(file) }
    progress("self_test")
    runSelfTest(threads)
  }

  private mutating func add(_ name: String, _ detail: String = "", error: ApusError? = nil) {
    checks.append(Check(name: name, detail: detail, error: error?.inFile(path)))
  }

  private mutating func check(_ name: String, _ detail: String, _ body: () throws(ApusError) -> Void) {
    do throws(ApusError) {
      try body()
      add(name, detail)
    } catch {
      add(name, error: error)
    }
  }

  private mutating func runSelfTest(_ threads: Int) {
    let model: Model
    do throws(ApusError) {
      model = try Model.load(.path(path), options: .full)
      add("load", "the runtime has all of its operators")
    } catch {
      add("load", error: error)
      return
    }
    guard !model.definition.metadata.testVectors.isEmpty else {
      add("self_test", selfTestText)
      return
    }
    do throws(ApusError) {
      let report = try model.selfTest(pool: threads == 1 ? nil : ThreadPool(threads: threads, memory: model.memory))
      selfTest = report
      guard let worst = report.outputs.filter({ $0.failures > 0 }).max(by: { $0.failures < $1.failures }) else {
        add("self_test", selfTestText)
        return
      }
      add(
        "self_test",
        error: ApusError(
          .selfTestFailed, "test vector '\(worst.vector.string)' differs in \(worst.failures) of \(worst.elements) elements",
          tensorName: worst.output.string, expected: "errors within the vector's tolerance",
          actual: "largest absolute error \(Quantity.error(worst.maximumAbsoluteError))"))
    } catch {
      add("self_test", error: error)
    }
  }
}

extension Verification {
  /// The report for people.
  public var text: String {
    var table = TextTable(.init(title: ""), .init(title: ""), .init(title: ""))
    table.rows = checks.map { [$0.passed ? "ok" : "FAILED", $0.name, $0.error?.description ?? $0.detail] }
    var text = table.text()
    if let selfTest {
      var outputs = TextTable(
        .init(title: "vector"), .init(title: "output"), .init(title: "elements", alignment: .right),
        .init(title: "absolute error", alignment: .right), .init(title: "relative error", alignment: .right),
        .init(title: "outside tolerance", alignment: .right))
      outputs.rows = selfTest.outputs.map {
        [
          $0.vector.string, $0.output.string, Quantity.count($0.elements), Quantity.error($0.maximumAbsoluteError),
          Quantity.error($0.maximumRelativeError), Quantity.count($0.failures),
        ]
      }
      text += "\n" + outputs.text()
    }
    return text + (passed ? "\n\(path): verified\n" : "\n\(path): NOT verified\n")
  }

  /// The document that Sources/modelconv/JSON.md describes under `apus.verify`.
  public var json: JSONValue {
    [
      "format": "apus.verify", "version": 1, "file": .string(path), "passed": .bool(passed),
      "model_id": .string(Quantity.hexadecimal(file?.modelID ?? [])),
      "checks": .array(
        checks.map {
          [
            "name": .string($0.name), "passed": .bool($0.passed), "detail": .string($0.detail),
            "error": $0.error.map { ModelJSON.error($0) } ?? .null,
          ]
        }),
      "outputs": .array(
        (selfTest?.outputs ?? []).map {
          [
            "vector": .string($0.vector.string), "output": .string($0.output.string), "elements": JSONValue($0.elements),
            "maximum_absolute_error": .float($0.maximumAbsoluteError),
            "maximum_relative_error": .float($0.maximumRelativeError), "failures": JSONValue($0.failures),
          ]
        }),
    ]
  }
}
