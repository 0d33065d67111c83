import ApusFormat
import ApusGraph
import CApusKernels
import CApusPlatform

/// A constant of few bits an element, with the scales and zero points of its float32 values.
struct QuantizedTensor {
  let elements: TensorID
  let scales: TensorID
  let zeros: TensorID?
  let layout: QuantizationLayout
}

/// A quantized tensor while its elements are there: their float32 values are those of DequantizeLinear.
struct Dequantization {
  private var arguments = apusk_quantize_args()
  private let level: Int32

  init(_ tensor: QuantizedTensor, _ constants: ConstantStore, level: Int32) throws(ApusError) {
    self.level = level
    arguments = apusk_quantize_args(tensor.layout)
    arguments.x_type = constants.tensors[Int(tensor.elements)].elementType.rawValue
    arguments.scale_type = constants.tensors[Int(tensor.scales)].elementType.rawValue
    arguments.y_type = APUSK_FLOAT32
    arguments.scale = try constants.bytes(tensor.scales).baseAddress
    arguments.zero = try tensor.zeros.map { id throws(ApusError) in try constants.bytes(id) }?.baseAddress
  }

  func make(_ elements: UnsafeRawBufferPointer, in memory: BulkMemory) throws(ApusError) -> BulkBuffer {
    let count = try Int(arguments.outer).checkedMultiplied(by: Int(arguments.axis)).checkedMultiplied(
      by: Int(arguments.inner))
    let box = try memory.allocate(byteCount: try count.checkedMultiplied(by: 4), purpose: "quantized weights as float32")
    var call = arguments
    call.x = elements.baseAddress
    call.y = box.mutableBytes.baseAddress
    var plan = apusk_plan()
    var worker = apusp_worker()
    guard apusk_dequantize_plan(level, &call, &plan) == 0, let kernel = plan.kernel else {
      throw ApusError(.internal, "no kernel for a quantized constant")
    }
    if plan.units > 0, kernel(&call, 0, plan.units, &worker) != 0 { throw ApusError(.internal, "a constant is not dequantized") }
    return box
  }
}

extension apusk_quantize_args {
  /// The extents and strides of a layout.
  init(_ layout: QuantizationLayout) {
    self.init()
    (outer, axis, inner) = (Int64(layout.outer), Int64(layout.axis), Int64(layout.inner))
    block = Int64(layout.block)
    outer_stride = Int64(layout.outerStride)
    block_stride = Int64(layout.blockStride)
    inner_stride = Int64(layout.innerStride)
  }
}
