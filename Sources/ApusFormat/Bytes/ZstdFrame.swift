import ApusGraph
import CZstd

/// Decoding of the one kind of zstd frame that files hold: with its content size, without dictionary, nothing behind it.
package enum ZstdFrame {
  /// Bytes of bulk memory that a decoder works in. It serves any number of frames, one at a time.
  package static var workspaceBytes: Int { ZSTD_estimateDCtxSize() }

  private static let magic: UInt32 = 0xFD2F_B528

  /// Bytes that the first frame in `source` takes, found by walking its block headers; nil where there is no whole frame
  /// of zstd's own kind (skippable frames and those of old versions included).
  package static func storedSize(_ source: UnsafeRawBufferPointer) -> Int? {
    guard source.count >= 9, source.loadUnaligned(as: UInt32.self) == UInt32(littleEndian: magic) else { return nil }
    let size = ZSTD_findFrameCompressedSize(source.baseAddress, source.count)
    guard ZSTD_isError(size) == 0, size > 0, size <= source.count else { return nil }
    return size
  }

  /// Decodes `source`, exactly one frame, into exactly `target`.
  ///
  /// - Parameter workspace: `workspaceBytes` at a multiple of 8.
  /// - Returns: nil where all is well, else what is wrong with the frame.
  package static func decode(
    _ source: UnsafeRawBufferPointer, into target: UnsafeMutableRawBufferPointer, workspace: UnsafeMutableRawBufferPointer
  ) -> StaticString? {
    guard let size = storedSize(source) else { return "not a zstd frame" }
    guard size == source.count else { return "bytes behind the zstd frame" }
    let content = ZSTD_getFrameContentSize(source.baseAddress, source.count)
    guard content == UInt64(target.count) else { return "the zstd frame states another content size, or none" }
    guard ZSTD_getDictID_fromFrame(source.baseAddress, source.count) == 0 else { return "the zstd frame wants a dictionary" }
    guard let context = ZSTD_initStaticDCtx(workspace.baseAddress, workspace.count) else {
      return "no room for the zstd decoder"
    }
    let written = ZSTD_decompressDCtx(context, target.baseAddress, target.count, source.baseAddress, source.count)
    guard ZSTD_isError(written) == 0, written == target.count else { return "the zstd frame does not decode" }
    return nil
  }
}
