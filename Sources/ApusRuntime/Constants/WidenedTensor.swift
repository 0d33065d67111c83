import ApusFormat
import ApusGraph
import CApusKernels
import CApusPlatform

/// The float32 form of a tensor of 16-bit floats, exact, or of a quantized one.
struct WidenedTensor {
  private let tensor: ConstantTensor
  private let level: Int32
  /// nil for 16-bit floats.
  private let dequantization: Dequantization?

  /// - Parameter tensor: as it is stored.
  init(_ tensor: ConstantTensor, _ dequantization: Dequantization?, level: Int32) {
    self.tensor = tensor
    self.level = level
    self.dequantization = dequantization
  }

  /// - Parameter bytes: of the tensor.
  func make(_ bytes: UnsafeRawBufferPointer, in memory: BulkMemory) throws(ApusError) -> BulkBuffer {
    if let dequantization { return try dequantization.make(bytes, in: memory) }
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
