import ApusFormat
import ApusGraph
import CApusKernels
import CApusPlatform

/// The float32 form of a tensor of 16-bit floats, exact.
struct WidenedTensor {
  private let tensor: ConstantTensor
  private let level: Int32

  init(_ tensor: ConstantTensor, level: Int32) {
    self.tensor = tensor
    self.level = level
  }

  /// - Parameter bytes: of the tensor.
  func make(_ bytes: UnsafeRawBufferPointer, in memory: BulkMemory) throws(ApusError) -> BulkBuffer {
    let count = bytes.count / 2
    let box = try memory.allocate(byteCount: try count.checkedMultiplied(by: 4), purpose: "weights of 16 bits as float32")
    if let source = bytes.baseAddress {
      apusk_half_widen(
        apusk_gemm_kernels_for(level), tensor.elementType.rawValue, source.assumingMemoryBound(to: UInt16.self), Int64(count),
        box.pointer.assumingMemoryBound(to: Float.self))
    }
    return box
  }
}
