import ApusGraph
import Foundation

/// The report of a quantization as one page of HTML that needs nothing else: errors as bars, histograms with the range that was
/// chosen, sizes and times.
struct QuantizationPage {
  private let report: QuantizationReport

  init(_ report: QuantizationReport) { self.report = report }

  var text: String {
    var page = "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>\(escaped(report.destination))</title>"
    page += "<style>\(Self.style)</style></head><body>\n"
    page += "<h1>\(escaped(report.source)) &rarr; \(escaped(report.destination))</h1>\n"
    page += summary + sizes + times + layers + weights + histograms
    return page + "</body></html>\n"
  }

  private func escaped(_ text: String) -> String { GraphPage.escaped(text) }

  private static let style = """
    body{font:14px/1.5 system-ui,sans-serif;margin:2em auto;max-width:72em;padding:0 1em;color:#1d2733;background:#fff}
    h1{font-size:1.3em}h2{font-size:1.1em;margin-top:2em}table{border-collapse:collapse}
    td,th{padding:.1em .8em .1em 0;text-align:left;vertical-align:middle}td.n{text-align:right;font-variant-numeric:tabular-nums}
    .grid{display:grid;grid-template-columns:repeat(auto-fill,minmax(17em,1fr));gap:1em}
    figure{margin:0}figcaption{font-size:12px;overflow-wrap:anywhere}.warning{color:#a3260f;font-weight:bold}
    """

  private var summary: String {
    var rows: [(String, String)] = [("method", report.method)]
    if let data = report.data { rows.append(("samples", "\(report.samples) of \(data)")) }
    if !report.calibrationHash.isEmpty { rows.append(("SHA-256 of the samples", Quantity.hexadecimal(report.calibrationHash))) }
    for (name, error) in report.outputs {
      let figures = "SNR \(Quantity.decibels(error.decibels)), cosine \(Quantity.cosine(error.cosine)), relative error "
      rows.append(("output " + name, figures + Quantity.error(error.relative)))
    }
    if let accuracy = report.accuracy { rows.append(("top-1", Quantity.percent(accuracy))) }
    for item in report.floats { rows.append(("stays float", "\(item.node) (\(item.operatorName)): \(item.reason)")) }
    for note in report.notes { rows.append(("note", note)) }
    return "<table>" + rows.map { "<tr><th>\(escaped($0.0))</th><td>\(escaped($0.1))</td></tr>" }.joined() + "</table>\n"
  }

  // MARK: Bars

  /// A row of a table with a bar of `part` of the whole width.
  private func row(_ title: String, _ detail: String, _ part: Double, _ value: String, _ color: String) -> String {
    let width = Int(min(max(part, 0), 1) * 360)
    return "<tr><td>\(escaped(title))</td><td>\(escaped(detail))</td><td><svg width=\"360\" height=\"12\">"
      + "<rect width=\"\(width)\" height=\"12\" fill=\"\(color)\"/></svg></td><td class=\"n\">\(escaped(value))</td></tr>\n"
  }

  private static let (blue, orange, red) = ("#3b78c2", "#e0922f", "#c2452d")

  private var sizes: String {
    let (source, file) = (report.file.sourceBytes, report.file.summary.fileLength)
    let largest = Double(max(source, file, 1))
    return "<h2>Size</h2><table>" + row("float", "", Double(source) / largest, Quantity.bytes(source), Self.orange)
      + row("quantized", "", Double(file) / largest, Quantity.bytes(file), Self.blue) + "</table>\n"
  }

  private var times: String {
    guard let measured = report.measurement else { return "" }
    let largest = max(measured.float, measured.quantized, 1)
    var text = "<h2>Time of a run, \(measured.threads) thread\(measured.threads == 1 ? "" : "s")</h2>"
    if measured.isSlower { text += "<p class=\"warning\">The float model is faster on this machine.</p>" }
    text += "<table>" + row("float", "", measured.float / largest, Quantity.duration(nanoseconds: measured.float), Self.orange)
    text += row("quantized", "", measured.quantized / largest, Quantity.duration(nanoseconds: measured.quantized), Self.blue)
    text += "</table><details><summary>node by node</summary><table>"
    let longest = measured.lines.map { max($0.float ?? 0, $0.quantized ?? 0) }.max() ?? 1
    for line in measured.lines {
      let isSlower = (line.quantized ?? 0) > 1.05 * (line.float ?? .infinity)
      if let time = line.float {
        text += row(line.node, "float", time / longest, Quantity.duration(nanoseconds: time), Self.orange)
      }
      if let time = line.quantized {
        let value = Quantity.duration(nanoseconds: time)
        text += row(line.float == nil ? line.node : "", "quantized", time / longest, value, isSlower ? Self.red : Self.blue)
      }
    }
    return text + "</table></details>\n"
  }

  /// Bars of noise: the longer, the worse. 10 dB fill the width, 60 dB none of it.
  private func noise(_ title: String, _ detail: String, _ error: ErrorSums) -> String {
    let decibels = error.decibels
    let color = decibels < 20 ? Self.red : decibels < 30 ? Self.orange : Self.blue
    return row(title, detail, (60 - decibels) / 50, Quantity.decibels(decibels), color)
  }

  private var layers: String {
    guard !report.layers.isEmpty else { return "" }
    var text = "<h2>Error of what layers give</h2><p>Signal-to-noise ratio; a longer bar is more noise.</p><table>"
    for layer in report.layers {
      guard let tensor = report.tensor(layer.output) else { continue }
      text += noise(layer.node, layer.operatorName, tensor.error)
    }
    text += "</table>\n<h2>Error of weights</h2><table>"
    for layer in report.layers { text += noise(layer.node, layer.operatorName, layer.weights) }
    return text + "</table>\n"
  }

  private var weights: String {
    guard !report.weightLayers.isEmpty else { return "" }
    return "<h2>Error of weights</h2><table>"
      + report.weightLayers.map { noise($0.node, "\($0.operatorName), \($0.bits) bits", $0.error) }.joined() + "</table>\n"
  }

  // MARK: Histograms

  private var histograms: String {
    guard !report.tensors.isEmpty else { return "" }
    var text = "<h2>Activations</h2><p>How often values lie where (logarithmic); the shaded range has codes.</p>"
    text += "<div class=\"grid\">"
    for tensor in report.tensors { text += picture(tensor) }
    return text + "</div>\n"
  }

  private static let columns = 120

  private func picture(_ tensor: QuantizedTensor) -> String {
    let range = tensor.parameters.range
    let (low, high) = (min(tensor.observed.low, range.low), max(tensor.observed.high, range.high))
    let width = max(high - low, 1e-30)
    func place(_ value: Double) -> Double { (value - low) / width * 240 }
    var counts = [Double](repeating: 0, count: Self.columns)
    if let histogram = tensor.histogram {
      for (bin, count) in histogram.counts.enumerated() {
        let column = Int(place(histogram.center(bin)) / 240 * Double(Self.columns))
        counts[min(max(column, 0), Self.columns - 1)] += Double(count)
      }
    }
    let largest = Foundation.log1p(counts.max() ?? 0)
    var path = ""
    for (column, count) in counts.enumerated() where count > 0 && largest > 0 {
      let height = Foundation.log1p(count) / largest * 70
      path += String(format: "M%d 80V%.1f", column * 2 + 1, 80 - height)
    }
    let (first, last) = (place(range.low), place(range.high))
    var text = "<figure><svg viewBox=\"0 0 240 82\" width=\"100%\">"
    text += String(format: "<rect x=\"%.1f\" width=\"%.1f\" height=\"80\" fill=\"#e6eef8\"/>", first, max(last - first, 1))
    text += "<path d=\"\(path)\" stroke=\"\(Self.blue)\" stroke-width=\"2\"/><path d=\"M0 80.5H240\" stroke=\"#7a8490\"/></svg>"
    text += "<figcaption>\(escaped(tensor.name))<br>"
    text += String(format: "seen %.4g ... %.4g, codes for ", tensor.observed.low, tensor.observed.high)
    text += String(format: "%.4g ... %.4g, ", range.low, range.high) + Quantity.decibels(tensor.error.decibels)
    return text + "</figcaption></figure>\n"
  }
}
