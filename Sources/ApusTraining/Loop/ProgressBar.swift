import ApusGraph
import CApusPlatform
import Glibc

/// Shows how training goes on the standard output: a bar that moves with loss, accuracy and time left on a terminal, and a line
/// for each epoch.
public final class ProgressBar: Callback {
  private let isTerminal: Bool
  private let write: (String) -> Void
  private var lastDrawn: UInt64 = 0

  public convenience init() {
    self.init(isTerminal: isatty(STDOUT_FILENO) == 1) { text in
      print(text, terminator: "")
      fflush(nil)
    }
  }

  init(isTerminal: Bool, write: @escaping (String) -> Void) {
    self.isTerminal = isTerminal
    self.write = write
  }

  public func batchDidEnd(_ trainer: Trainer, _ report: BatchReport) throws(ApusError) {
    guard isTerminal else { return }
    let now = apusp_clock_now()
    // Ten times a second is as fast as one reads.
    guard now - lastDrawn > 100_000_000 || report.batch == report.batches else { return }
    lastDrawn = now
    let width = 24
    let done = report.batch * width / report.batches
    let bar = String(repeating: "=", count: done) + String(repeating: " ", count: width - done)
    write(
      "\r\u{1B}[Kepoch \(report.epoch)/\(report.epochs) [\(bar)] \(report.batch)/\(report.batches)  "
        + Self.text(report.training) + "  " + Self.duration(report.secondsLeft) + " left")
  }

  public func epochDidEnd(_ trainer: Trainer, _ report: EpochReport) throws(ApusError) {
    var line = isTerminal ? "\r\u{1B}[K" : ""
    line += "epoch \(report.epoch)/\(report.epochs)  " + Self.text(report.training)
    if let validation = report.validation { line += "  validation " + Self.text(validation) }
    line += "  " + report.seconds.fixed(1) + " s"
    if report.epoch < report.epochs { line += "  " + Self.duration(report.secondsLeft) + " left" }
    write(line + "\n")
  }

  private static func text(_ evaluation: Evaluation) -> String {
    var text = "loss " + evaluation.loss.fixed(4)
    if let accuracy = evaluation.accuracy { text += "  accuracy " + accuracy.fixed(4) }
    return text
  }

  /// `1:05`, `2:00:00`.
  static func duration(_ seconds: Double) -> String {
    let total = Int(min(max(seconds.rounded(), 0), 359_999))
    let pair = { (value: Int) -> String in value < 10 ? "0\(value)" : "\(value)" }
    return total < 3600
      ? "\(total / 60):" + pair(total % 60) : "\(total / 3600):" + pair(total / 60 % 60) + ":" + pair(total % 60)
  }
}

extension Double {
  /// With `digits` digits behind the point: `0.8913`.
  public func fixed(_ digits: Int) -> String {
    guard isFinite, abs(self) < 1e12 else { return "\(self)" }
    let scale = pow(10, Double(digits))
    let scaled = Int((abs(self) * scale).rounded())
    let unit = Int(scale)
    let fraction = "\(scaled % unit)"
    let sign = self < 0 && scaled > 0 ? "-" : ""
    guard digits > 0 else { return sign + "\(scaled)" }
    return sign + "\(scaled / unit)." + String(repeating: "0", count: digits - fraction.utf8.count) + fraction
  }
}
