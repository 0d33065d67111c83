import ApusFormat
import ApusFormatWriter
import ApusGraph
import Foundation
import Testing

/// schemas/FORMAT.md's worked example is the file that the writer makes.
@Suite struct FormatDocumentTests {
  private func example() throws -> [UInt8] {
    var graph = Graph(name: "main")
    graph.values = [Value(name: "x", type: .tensor(TensorType(.float32, [2]))), Value(name: "y")]
    graph.nodes = [Node(operatorName: "Relu", sinceVersion: 14, inputs: [0], outputs: [1])]
    graph.inputs = [0]
    graph.outputs = [1]
    let definition = ModelDefinition(
      graphs: [graph],
      tensors: [ConstantTensor(name: "w", elementType: .uint8, dimensions: [4], storage: .inline([1, 2, 3, 4]))])
    var options = WriterOptions()
    options.inlineBytes = 0
    options.segmentCodec = .raw
    options.sectionCompressionLevel = 0
    return try ModelWriter(options: options).encode(definition)
  }

  /// `offset  16 bytes`, runs of equal lines cut as hexdump does.
  private func dump(_ bytes: [UInt8]) -> String {
    var lines: [String] = []
    var last: [UInt8] = []
    for start in stride(from: 0, to: bytes.count, by: 16) {
      let line = Array(bytes[start..<min(start + 16, bytes.count)])
      if line == last {
        if lines.last != "*" { lines.append("*") }
        continue
      }
      last = line
      let digits = line.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined(separator: " ")
      let offset = String(start, radix: 16)
      lines.append(String(repeating: "0", count: 4 - offset.count) + offset + "  " + digits)
    }
    return lines.joined(separator: "\n")
  }

  private func contents(_ path: String) throws -> String {
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    return try String(contentsOf: root.appendingPathComponent(path), encoding: .utf8)
  }

  @Test func releaseIsTheHeaders() throws {
    let header = try contents("include/apus.h")
    #expect(header.contains("#define APUS_VERSION_STRING \"\(RuntimeVersion.current.text)\""))
  }

  @Test func modelsOfLaterReleasesAreRefused() throws {
    let bytes = try ModelWriter().encode(smallModel(), needs: Needs(minimumRuntime: RuntimeVersion(0, 1, 1)))
    #expect(status(bytes) == .unsupportedVersion)
  }

  @Test func exampleIsWhatTheWriterMakes() throws {
    let document = try contents("schemas/FORMAT.md")
    let bytes = try example()
    #expect(document.contains("```\n" + dump(bytes) + "\n```"), "the example is now:\n\(dump(bytes))")
    _ = try openWhole(bytes)
  }
}
