import Glibc

struct CommandError: Error, CustomStringConvertible {
  let description: String
  init(_ description: String) { self.description = description }
}

/// `--option value` pairs over defaults, which also say what options there are.
struct Options {
  private var values: [String: String]

  init(_ arguments: some Collection<String>, defaults: [String: String], usage: String) throws(CommandError) {
    values = defaults
    var rest = arguments.makeIterator()
    while let option = rest.next() {
      if option == "--help" || option == "-h" {
        print(usage)
        exit(0)
      }
      guard values[option] != nil else { throw CommandError("unknown option \(option)\n\(usage)") }
      guard let value = rest.next() else { throw CommandError("\(option) needs a value") }
      values[option] = value
    }
  }

  func text(_ option: String) -> String { values[option] ?? "" }

  func number(_ option: String) throws(CommandError) -> Int {
    guard let value = Int(text(option)), value >= 0 else {
      throw CommandError("\(option) needs a number, not '\(text(option))'")
    }
    return value
  }
}

func fail(_ message: String) -> Never {
  let line = Array((message + "\n").utf8)
  _ = write(STDERR_FILENO, line, line.count)
  exit(1)
}

/// Writes floats, little-endian; behind the header of NumPy's format 1.0 if `path` ends in .npy.
func writeFloats(_ values: [Float], shape: [Int], to path: String) throws(CommandError) {
  guard let file = fopen(path, "wb") else { throw CommandError("can't write \(path): \(String(cString: strerror(errno)))") }
  var header: [UInt8] = []
  if path.hasSuffix(".npy") {
    let extents = shape.map { "\($0)" }.joined(separator: ", ") + (shape.count == 1 ? "," : "")
    var text = "{'descr': '<f4', 'fortran_order': False, 'shape': (\(extents)), }"
    // The header ends in a newline at a multiple of 64 bytes.
    while (10 + text.utf8.count + 1) % 64 != 0 { text += " " }
    text += "\n"
    header = [0x93] + Array("NUMPY".utf8) + [1, 0, UInt8(text.utf8.count & 0xFF), UInt8(text.utf8.count >> 8)] + Array(text.utf8)
  }
  let bytes = header + values.withUnsafeBytes { Array($0) }
  let written = fwrite(bytes, 1, bytes.count, file)
  guard fclose(file) == 0, written == bytes.count else { throw CommandError("can't write \(path)") }
}
