import ApusGraph
import ApusSafetensors
import Foundation

/// Numbers as people read them.
enum Quantity {
  /// `1,234,567`.
  static func count(_ value: some BinaryInteger) -> String {
    let digits = Array(String(value.magnitude))
    var text = value < 0 ? "-" : ""
    for (index, digit) in digits.enumerated() {
      if index > 0 && (digits.count - index) % 3 == 0 { text.append(",") }
      text.append(digit)
    }
    return text
  }

  /// `512 bytes`, `1.21 MiB`.
  static func bytes(_ value: UInt64) -> String {
    scaled(Double(value), step: 1024, units: ["bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"])
  }

  /// `850 ns`, `12.3 us`, `4.56 ms`, `1.20 s`.
  static func duration(nanoseconds: Double) -> String {
    scaled(nanoseconds, step: 1000, units: ["ns", "us", "ms", "s"])
  }

  /// `417 kFLOP`, `1.20 GFLOP`.
  static func operations(_ value: UInt64) -> String {
    scaled(Double(value), step: 1000, units: ["FLOP", "kFLOP", "MFLOP", "GFLOP", "TFLOP", "PFLOP", "EFLOP"])
  }

  private static func scaled(_ value: Double, step: Double, units: [String]) -> String {
    var (value, unit) = (value, 0)
    while value >= step * 0.9995 && unit + 1 < units.count {
      value /= step
      unit += 1
    }
    return (unit == 0 ? String(format: "%.0f", value) : significant(value)) + " " + units[unit]
  }

  /// Three significant digits of a number from 1 to 1024.
  private static func significant(_ value: Double) -> String {
    String(format: value < 9.995 ? "%.2f" : value < 99.95 ? "%.1f" : "%.0f", value)
  }

  static func ratio(_ raw: UInt64, _ stored: UInt64) -> String {
    stored == 0 ? "-" : String(format: "%.2fx", Double(raw) / Double(stored))
  }

  /// `1.2e-07`, `0`.
  static func error(_ value: Double) -> String { value == 0 ? "0" : String(format: "%.1e", value) }

  /// `1`, `0.999999987`: how far it is from 1 counts.
  static func cosine(_ value: Double) -> String { value == 1 ? "1" : String(format: "%.9f", value) }

  static func gigaflops(_ operations: UInt64, nanoseconds: Double) -> String {
    nanoseconds > 0 ? String(format: "%.1f", Double(operations) / nanoseconds) : "-"
  }

  static func percent(_ fraction: Double) -> String { String(format: "%.1f%%", fraction * 100) }

  static func hexadecimal(_ bytes: [UInt8]) -> String { bytes.map { String(format: "%02x", $0) }.joined() }

  static func checksum(_ value: UInt64) -> String { String(format: "%016llx", value) }
}

/// Pieces of models as JSON, the same in every report.
enum ModelJSON {
  /// A list of extents: a number, the name of a symbol, or null where it is not known; null where the rank is not known.
  static func shape(_ shape: Shape?, symbols: [Symbol]) -> JSONValue {
    guard let shape else { return .null }
    return .array(
      shape.dimensions.map { dimension in
        switch dimension {
        case .known(let extent): JSONValue(extent)
        case .symbol(let id): .string(symbols[Int(id)].name.string)
        case .unknown: .null
        }
      })
  }

  static func extents(_ extents: [Int]?) -> JSONValue { extents.map { .array($0.map { JSONValue($0) }) } ?? .null }

  static func error(_ error: ApusError) -> JSONValue {
    [
      "status": JSONValue(error.status.rawValue), "message": .string(error.message), "file": .string(error.file),
      "operator": .string(error.operatorName), "tensor": .string(error.tensorName), "expected": .string(error.expected),
      "actual": .string(error.actual), "file_offset": error.fileOffset.map { JSONValue($0) } ?? .null,
    ]
  }
}

extension Shape {
  /// The shape for people, with symbols by name; `any shape` where not even the rank is known.
  static func text(_ shape: Shape?, symbols: [Symbol]) -> String { shape?.text(symbols: symbols) ?? "any shape" }
}
