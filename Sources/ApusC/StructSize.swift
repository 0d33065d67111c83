import ApusGraph
import CApus

/// A structure of the header that begins with `struct_size` and may grow at its end.
protocol SizedStruct {
  var struct_size: UInt64 { get set }

  /// Its size when it was first published: callers may not know fewer fields than that.
  static var firstSize: Int { get }

  /// What its init function sets, but for `struct_size`.
  static var defaults: Self { get }
}

/// More than any structure will ever have. A larger `struct_size` is memory that nobody initialized.
private let largestStruct = 1024

extension SizedStruct {
  /// What `apus_X_init` does: zeroes `size` bytes and sets the fields that fit.
  ///
  /// A program built with a newer header has fields that this library does not know; they become zero, which `read` accepts.
  static func initialize(_ structure: UnsafeMutablePointer<Self>?, size: Int) {
    guard let structure, size >= MemoryLayout<UInt64>.size, size <= largestStruct else { return }
    let raw = UnsafeMutableRawPointer(structure)
    raw.initializeMemory(as: UInt8.self, repeating: 0, count: size)
    var value = defaults
    value.struct_size = UInt64(size)
    withUnsafeBytes(of: &value) { bytes in
      guard let base = bytes.baseAddress else { return }
      raw.copyMemory(from: base, byteCount: min(size, bytes.count))
    }
  }

  /// The caller's structure; fields that the caller does not know have their defaults.
  /// - Throws: `struct_size`.
  static func read(_ structure: UnsafePointer<Self>, _ name: StaticString) throws(ApusError) -> Self {
    let raw = UnsafeRawPointer(structure)
    let size = try checkedSize(raw, name)
    let known = MemoryLayout<Self>.size
    if size > known {
      for offset in known..<size where raw.load(fromByteOffset: offset, as: UInt8.self) != 0 {
        throw ApusError(
          .structSize, name.text + " has fields set that this version of the library does not know",
          expected: "zero from byte \(known) on", actual: "byte \(offset) is not zero")
      }
    }
    var value = defaults
    withUnsafeMutableBytes(of: &value) { bytes in
      bytes.baseAddress?.copyMemory(from: raw, byteCount: min(size, known))
    }
    return value
  }

  /// Like `read`; nil, or a NULL pointer, gives the defaults.
  static func read(optional structure: UnsafePointer<Self>?, _ name: StaticString) throws(ApusError) -> Self {
    guard let structure else { return defaults }
    return try read(structure, name)
  }

  /// Sets the fields that the caller knows, and leaves `struct_size` alone.
  static func write(_ value: Self, to structure: UnsafeMutablePointer<Self>, _ name: StaticString) throws(ApusError) {
    let raw = UnsafeMutableRawPointer(structure)
    let size = try checkedSize(UnsafeRawPointer(raw), name)
    var value = value
    value.struct_size = UInt64(size)
    withUnsafeBytes(of: &value) { bytes in
      guard let base = bytes.baseAddress else { return }
      raw.copyMemory(from: base, byteCount: min(size, bytes.count))
    }
  }

  private static func checkedSize(_ raw: UnsafeRawPointer, _ name: StaticString) throws(ApusError) -> Int {
    let size = raw.loadUnaligned(as: UInt64.self)
    guard size >= UInt64(firstSize), size <= UInt64(largestStruct) else {
      throw ApusError(
        .structSize, "struct_size of " + name.text + " is wrong: was its init function called?",
        expected: "\(firstSize) to \(largestStruct) bytes", actual: "\(size)")
    }
    return Int(size)
  }
}
