import ApusGraph
import CZstd

/// Makes single zstd frames with their content size and no checksum of their own.
package final class ZstdEncoder {
  private let context: OpaquePointer
  private var frame: [UInt8] = []

  package init(level: Int32) throws(ApusError) {
    guard let context = ZSTD_createCCtx() else { throw ApusError(.outOfMemory, "no memory for the zstd encoder") }
    self.context = context
    ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, level)
    ZSTD_CCtx_setParameter(context, ZSTD_c_contentSizeFlag, 1)
    ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 0)
  }

  deinit { ZSTD_freeCCtx(context) }

  /// Calls `body` with the frame that holds `source`.
  func encode(
    _ source: UnsafeRawBufferPointer, _ body: (UnsafeRawBufferPointer) throws(ApusError) -> Void
  ) throws(ApusError) {
    let bound = ZSTD_compressBound(source.count)
    if frame.count < bound { frame = [UInt8](repeating: 0, count: bound) }
    let size = frame.withUnsafeMutableBytes {
      ZSTD_compress2(context, $0.baseAddress, $0.count, source.baseAddress, source.count)
    }
    guard ZSTD_isError(size) == 0 else {
      throw ApusError(.internal, "zstd can not compress", actual: String(cString: ZSTD_getErrorName(size)))
    }
    try frame.withUnsafeBufferPointer { (frame) throws(ApusError) in
      try body(UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(frame)[0..<size]))
    }
  }

  package func encoded(_ source: [UInt8]) throws(ApusError) -> [UInt8] {
    var result: [UInt8] = []
    try source.withUnsafeBufferPointer { (source) throws(ApusError) in
      try encode(UnsafeRawBufferPointer(source)) { (frame) throws(ApusError) in result = Array(frame) }
    }
    return result
  }
}
