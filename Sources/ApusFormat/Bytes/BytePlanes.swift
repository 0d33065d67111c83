import CApusPlatform

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
    case 4:
      if let source = source.baseAddress, let target = target.baseAddress {
        apusp_join_byte_planes4(source, Int64(size / 4), target)
      }
    default:
      let count = size / width
      for plane in 0..<width {
        for index in 0..<count { target[index * width + plane] = source[plane * count + index] }
      }
    }
    for index in size / width * width..<size { target[index] = source[index] }
  }
}
