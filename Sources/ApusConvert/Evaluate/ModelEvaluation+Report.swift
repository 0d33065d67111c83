import ApusGraph
import ApusSafetensors
import Foundation

extension ModelEvaluation {
  /// Confusion matrices of more classes are in the JSON report alone.
  private static let widestMatrix = 20

  /// The report for people.
  public var text: String {
    var text = "\(result.path) on \(data)\n"
    text += "  \(Quantity.count(samples)) samples in batches of \(batch), \(threads) thread\(threads == 1 ? "" : "s")\n\n"
    text += summary
    if let other, result.confusion != nil {
      text += "  right in \(result.path) alone: \(Quantity.count(rightAlone.model)); in \(other.path) alone: "
      text += "\(Quantity.count(rightAlone.other))\n"
    }
    if !agreement.isEmpty { text += "\nagreement with \(other?.path ?? "")\n" + agreementTable }
    if let confusion = result.confusion { text += "\n" + classTable(confusion) + matrixText(confusion) }
    return text
  }

  private var summary: String {
    var table = TextTable(
      .init(title: "model"), .init(title: "top-1", alignment: .right), .init(title: "top-5", alignment: .right),
      .init(title: "right", alignment: .right), .init(title: "samples/s", alignment: .right),
      .init(title: "size", alignment: .right), .init(title: "outputs' SHA-256"))
    for item in [result] + (other.map { [$0] } ?? []) {
      table.rows.append([
        item.path, item.confusion.map { Self.points($0.top1) } ?? "-", item.confusion.map { Self.points($0.top5) } ?? "-",
        item.confusion.map { Quantity.count($0.right) } ?? "-", Quantity.count(Int(item.throughput(samples))),
        Quantity.bytes(item.fileBytes), String(Quantity.hexadecimal(item.outputHash).prefix(16)),
      ])
    }
    var text = table.text()
    if let mine = result.confusion, let theirs = other?.confusion {
      text += String(format: "  top-1 differs by %+.2f points\n", (mine.top1 - theirs.top1) * 100)
    }
    if let undecided = result.confusion?.undecided, undecided > 0 {
      text += "  \(Quantity.count(undecided)) samples have no number among their scores and count as wrong\n"
    }
    return text
  }

  private var agreementTable: String {
    var table = TextTable(
      .init(title: "output"), .init(title: "same largest", alignment: .right), .init(title: "of rows", alignment: .right),
      .init(title: "SNR", alignment: .right), .init(title: "mean cosine", alignment: .right),
      .init(title: "smallest cosine", alignment: .right), .init(title: "largest difference", alignment: .right))
    table.rows = agreement.map {
      [
        $0.name, Self.points($0.argmaxAgreement), Quantity.count($0.rows),
        $0.signalToNoise.isInfinite ? "same" : String(format: "%.1f dB", $0.signalToNoise), Quantity.cosine($0.meanCosine),
        Quantity.cosine($0.smallestCosine), Quantity.error($0.largestError),
      ]
    }
    return table.text()
  }

  private func name(of label: Int) -> String { label < classNames.count ? classNames[label] : "" }

  private func classTable(_ confusion: ConfusionMatrix) -> String {
    var table = TextTable(
      .init(title: "class", alignment: .right), .init(title: "name"), .init(title: "samples", alignment: .right),
      .init(title: "right", alignment: .right), .init(title: "recall", alignment: .right),
      .init(title: "precision", alignment: .right))
    for label in 0..<confusion.classes where confusion.samples(of: label) + confusion.predictions(of: label) > 0 {
      let (right, samples) = (confusion.count(of: label, as: label), confusion.samples(of: label))
      let predictions = confusion.predictions(of: label)
      table.rows.append([
        "\(label)", name(of: label), Quantity.count(samples), Quantity.count(right),
        samples == 0 ? "-" : Self.points(Double(right) / Double(samples)),
        predictions == 0 ? "-" : Self.points(Double(right) / Double(predictions)),
      ])
    }
    return table.text()
  }

  private func matrixText(_ confusion: ConfusionMatrix) -> String {
    guard confusion.classes <= Self.widestMatrix else { return "" }
    let width = max(confusion.counts.map { "\($0)".count }.max() ?? 1, 2) + 2
    func cell(_ text: String) -> String { String(repeating: " ", count: max(0, width - text.count)) + text }
    var text = "\nconfusion: a row for each class, a column for what it was taken for\n"
    text += cell("") + (0..<confusion.classes).map { cell("\($0)") }.joined() + "\n"
    for label in 0..<confusion.classes {
      let counts = (0..<confusion.classes).map { column in
        let count = confusion.count(of: label, as: column)
        return cell(count == 0 ? "." : "\(count)")
      }
      text += cell("\(label)") + counts.joined() + "\n"
    }
    return text
  }

  private static func points(_ fraction: Double) -> String { String(format: "%.2f%%", fraction * 100) }

  /// The document that Sources/modelconv/JSON.md describes under `apus.evaluation`.
  public var json: JSONValue {
    [
      "format": "apus.evaluation", "version": 1, "data": .string(data),
      "data_sha256": .string(Quantity.hexadecimal(dataHash)), "samples": JSONValue(samples), "batch": JSONValue(batch),
      "threads": JSONValue(threads), "model": json(result), "against": other.map { json($0) } ?? .null,
      "agreement": .array(
        agreement.map {
          [
            "output": .string($0.name), "rows": JSONValue($0.rows), "same_largest": JSONValue($0.agreeing),
            "snr_decibels": .float($0.signalToNoise), "mean_cosine": .float($0.meanCosine),
            "smallest_cosine": .float($0.smallestCosine), "largest_difference": .float($0.largestError),
          ]
        }),
      "right_alone": ["model": JSONValue(rightAlone.model), "against": JSONValue(rightAlone.other)],
      "classes": .array(classNames.map { .string($0) }),
    ]
  }

  private func json(_ item: Result) -> JSONValue {
    var members = [
      JSONMember("file", .string(item.path)), JSONMember("bytes", JSONValue(item.fileBytes)),
      JSONMember("outputs_sha256", .string(Quantity.hexadecimal(item.outputHash))),
      JSONMember("run_nanoseconds", JSONValue(item.time)),
      JSONMember("samples_per_second", .float(item.throughput(samples))),
    ]
    if let confusion = item.confusion {
      members += [
        JSONMember("top1", .float(confusion.top1)), JSONMember("top5", .float(confusion.top5)),
        JSONMember("right", JSONValue(confusion.right)), JSONMember("undecided", JSONValue(confusion.undecided)),
        JSONMember(
          "confusion",
          .array(
            (0..<confusion.classes).map { label in
              .array((0..<confusion.classes).map { JSONValue(confusion.count(of: label, as: $0)) })
            })),
      ]
    }
    return .object(members)
  }
}
