// Runs the model y = 2 x + 1 of Tests/Models over [2, 3] through the C interface, beside the runtime of Swift itself:
// objects, hash tables and Unicode strings are used before, between and after.
import CApus
import Glibc

final class Word: Hashable {
  let text: String
  init(_ text: String) { self.text = text }
  static func == (a: Word, b: Word) -> Bool { a.text == b.text }
  func hash(into hasher: inout Hasher) { hasher.combine(text) }
}

func useSwiftsRuntime() -> Bool {
  var counts: [Word: Int] = [:]
  for i in 0..<1000 { counts[Word("naïve \(i % 10)"), default: 0] += 1 }
  let existential: [any CustomStringConvertible] = [1, "two", 3.5]
  return counts.count == 10 && counts[Word("nai\u{308}ve 3")] == 100
    && existential.map(\.description) == ["1", "two", "3.5"]
}

func check(_ status: Int32, _ what: String) {
  guard status != 0 else { return }
  print("\(what): \(String(cString: apus_status_name(status)))")
  exit(1)
}

@main struct Program {
  static func main() {
    precondition(useSwiftsRuntime())
    var error = apus_error()
    var model: OpaquePointer?
    check(apus_model_load_path(CommandLine.arguments[1], nil, &model, &error), "load")
    var options = apus_session_options()
    apus_session_options_init(&options, MemoryLayout<apus_session_options>.size)
    var session: OpaquePointer?
    check(apus_session_create(model, &options, &session, &error), "session")
    check(apus_session_prepare(session, nil, 0, &error), "prepare")
    var input: UnsafeMutableRawPointer?
    check(apus_session_input_buffer(session, 0, &input, nil, &error), "input")
    precondition(useSwiftsRuntime())
    for i in 0..<6 { input!.storeBytes(of: Float(i), toByteOffset: 4 * i, as: Float.self) }
    check(apus_session_run(session, nil, &error), "run")
    var output: UnsafeRawPointer?
    check(apus_session_output_buffer(session, 0, &output, nil, &error), "output")
    for i in 0..<6 { precondition(output!.load(fromByteOffset: 4 * i, as: Float.self) == 2 * Float(i) + 1) }
    check(apus_session_destroy(session, &error), "destroy")
    apus_model_release(model)
    precondition(useSwiftsRuntime())
    print("y = 2 x + 1, Apus \(String(cString: apus_version_string()))")
  }
}
