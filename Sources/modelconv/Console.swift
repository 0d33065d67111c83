import ApusSafetensors
import Foundation

/// What goes to standard error, and how reports go to standard output.
enum Console {
  static func write(_ text: String) { FileHandle.standardError.write(Data(text.utf8)) }

  static func fail(_ message: String) { write("modelconv: error: \(message)\n") }

  /// Prints a report, for people or as JSON.
  static func report(_ text: @autoclosure () -> String, json: @autoclosure () -> JSONValue, asJSON: Bool) {
    let output = asJSON ? json().serialized(indented: true) + "\n" : text()
    FileHandle.standardOutput.write(Data(output.utf8))
  }
}

/// One line on standard error that says what long work is at; silent where standard error is no terminal.
final class ProgressLine {
  private let isTerminal = isatty(STDERR_FILENO) == 1
  private var isShown = false

  func show(_ text: String) {
    guard isTerminal else { return }
    Console.write("\r\u{1B}[K\(text)")
    isShown = true
  }

  func clear() {
    guard isShown else { return }
    Console.write("\r\u{1B}[K")
    isShown = false
  }

  deinit { clear() }
}
