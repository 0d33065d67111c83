/// Little-endian integers of fixed places in a record that is wholly there.
package struct LittleEndian {
  private let bytes: [UInt8]

  package init(_ bytes: [UInt8]) { self.bytes = bytes }

  package func uint8(_ place: Int) -> UInt8 { bytes[place] }

  package func uint16(_ place: Int) -> UInt16 { load(place) }

  package func uint32(_ place: Int) -> UInt32 { load(place) }

  package func uint64(_ place: Int) -> UInt64 { load(place) }

  private func load<T: FixedWidthInteger>(_ place: Int) -> T {
    var value: T = 0
    for index in (0..<MemoryLayout<T>.size).reversed() { value = value << 8 | T(bytes[place + index]) }
    return value
  }

  package static func append<T: FixedWidthInteger & UnsignedInteger>(_ value: T, to bytes: inout [UInt8]) {
    for index in 0..<MemoryLayout<T>.size { bytes.append(UInt8(truncatingIfNeeded: value >> (8 * index))) }
  }
}
