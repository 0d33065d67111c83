/// The byte-plane filter: byte j of all elements stands together, plane after plane, which compresses floats better.
///
/// A chunk of n bytes with elements of w bytes holds m = n / w elements (rounded down). Filtered byte j * m + i is byte j of
/// element i; the n - m * w bytes behind the last whole element stay where they are.
package enum BytePlanes {
  /// Element widths that the filter is defined for.
  package static func isValid(width: Int) -> Bool { width == 2 || width == 4 || width == 8 || width == 16 }

  /// Filters `source` into `target`, of the same size.
  package static func split(_ source: UnsafeRawBufferPointer, width: Int, into target: UnsafeMutableRawBufferPointer) {
    let count = min(source.count, target.count) / width
    for plane in 0..<width {
      let base = plane * count
      for index in 0..<count { target[base + index] = source[index * width + plane] }
    }
    for index in count * width..<min(source.count, target.count) { target[index] = source[index] }
  }

  /// Undoes `split`.
  package static func join(_ source: UnsafeRawBufferPointer, width: Int, into target: UnsafeMutableRawBufferPointer) {
    let size = min(source.count, target.count)
    switch width {
    case 2: join(source, size / width, into: target, as: UInt16.self)
    case 4: join(source, size / width, into: target, as: UInt32.self)
    case 8: join(source, size / width, into: target, as: UInt64.self)
    default:
      let count = size / width
      for plane in 0..<width {
        for index in 0..<count { target[index * width + plane] = source[plane * count + index] }
      }
    }
    for index in size / width * width..<size { target[index] = source[index] }
  }

  /// Puts each element together in a register and stores it once.
  private static func join<Element: FixedWidthInteger & BitwiseCopyable>(
    _ source: UnsafeRawBufferPointer, _ count: Int, into target: UnsafeMutableRawBufferPointer, as type: Element.Type
  ) {
    for index in 0..<count {
      var element: Element = 0
      for plane in 0..<MemoryLayout<Element>.size {
        element |= Element(truncatingIfNeeded: source[plane * count + index]) &<< Element(truncatingIfNeeded: 8 * plane)
      }
      target.storeBytes(of: element.littleEndian, toByteOffset: index * MemoryLayout<Element>.size, as: type)
    }
  }
}
