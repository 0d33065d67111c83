import ApusFormat
import ApusFormatWriter
import ApusGraph
import ApusSafetensors

/// What a conversion did.
public struct ConversionReport {
  public let source: String
  public let sourceBytes: UInt64
  /// SHA-256 of the source.
  public let sourceHash: [UInt8]
  public let destination: String
  public let summary: ModelWriter.Summary
  public let definition: ModelDefinition
  /// Elements of floating-point constants.
  public let parameters: UInt64
  public let needs: Needs
  /// Tensors of the checkpoint that are no part of the model.
  public let leftOut: [String]
  public let leftOutBytes: UInt64
  /// Where the model departs from its source in form.
  public let notes: [String]
  /// What became of the weights; nil where they stay as they are.
  public let weights: WeightSummary?
  public let verification: Verification

  private var rawBytes: UInt64 { summary.segments.reduce(0) { $0 + $1.rawSize } }
  private var storedBytes: UInt64 { summary.segments.reduce(0) { $0 + $1.storedSize } }

  /// How many segments each codec has.
  private var codecs: [(codec: String, count: Int)] {
    ["raw", "zstd", "zstd-planes"].compactMap { codec in
      let count = summary.segments.count { $0.codecText == codec }
      return count == 0 ? nil : (codec, count)
    }
  }

  /// The report for people.
  public var text: String {
    var table = TextTable(.init(title: ""), .init(title: ""))
    let nodes = definition.graphs.reduce(0) { $0 + $1.nodes.count }
    table.rows = [
      ["model", "\(nodes) nodes, \(Quantity.count(parameters)) parameters, \(Quantity.operations(needs.flops)) a run"],
      ["source", "\(Quantity.bytes(sourceBytes)), SHA-256 \(Quantity.hexadecimal(sourceHash))"],
      ["model id", Quantity.hexadecimal(summary.modelID)],
      [
        "size",
        "\(Quantity.count(summary.fileLength)) bytes; "
          + (rawBytes == 0
            ? "all tensors within the sections"
            : "segments \(Quantity.bytes(rawBytes)) in \(Quantity.bytes(storedBytes))"
              + " (\(Quantity.ratio(rawBytes, storedBytes)); "
              + codecs.map { "\($0.count) \($0.codec)" }.joined(separator: ", ") + ")"),
      ],
    ]
    if !leftOut.isEmpty {
      table.rows.append(["left out", "\(leftOut.count) tensors, \(Quantity.bytes(leftOutBytes)): no part of the model"])
    }
    if let weights {
      table.rows.append(["weights", weights.text])
      for tensor in weights.kept { table.rows.append(["stays float32", "\(tensor.name): \(tensor.reason)"]) }
    }
    for note in notes { table.rows.append(["note", note]) }
    table.rows.append(["self test", verification.selfTestText])
    return "\(source) -> \(destination)\n" + table.text()
  }

  /// The document that Sources/modelconv/JSON.md describes under `apus.convert`.
  public var json: JSONValue {
    [
      "format": "apus.convert", "version": 1, "source": .string(source), "source_bytes": JSONValue(sourceBytes),
      "source_sha256": .string(Quantity.hexadecimal(sourceHash)), "file": .string(destination),
      "bytes": JSONValue(summary.fileLength), "model_id": .string(Quantity.hexadecimal(summary.modelID)),
      "nodes": JSONValue(definition.graphs.reduce(0) { $0 + $1.nodes.count }), "parameters": JSONValue(parameters),
      "needs": ["flops": JSONValue(needs.flops), "live_bytes": JSONValue(needs.liveBytes)],
      "segments": [
        "count": JSONValue(summary.segments.count), "raw_bytes": JSONValue(rawBytes), "stored_bytes": JSONValue(storedBytes),
        "codecs": .object(codecs.map { JSONMember($0.codec, JSONValue($0.count)) }),
      ],
      "left_out": .array(leftOut.map { .string($0) }), "left_out_bytes": JSONValue(leftOutBytes),
      "notes": .array(notes.map { .string($0) }), "weights": weights?.json ?? .null,
      "test_vectors": JSONValue(definition.metadata.testVectors.count),
      "worst_error": .float(verification.worstError),
    ]
  }
}
