import CXXHash

/// XXH64 with seed 0, the checksum of every part of the file.
package enum Checksum {
  package static func of(_ bytes: UnsafeRawBufferPointer) -> UInt64 {
    UInt64(XXH64(bytes.baseAddress, bytes.count, 0))
  }
}
