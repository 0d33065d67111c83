import ApusFormat
import ApusGraph

/// The constant tensors of a model: those of its file, and those that the compiler derived from them.
///
/// Not thread-safe: used at load and, under the model's lock, in `prepare`.
final class ConstantStore {
  private(set) var tensors: [ConstantTensor]
  let file: ModelFile
  /// By tensor id: bytes that stay for as long as the store. Those of derived tensors, and of tensors that kernels read as they
  /// are: decoded segments go after each `prepare`, and mapped integers could change under a kernel's feet.
  private var kept: [BulkBuffer?]
  /// By tensor id of the file: bytes that kernels read where the caller has them.
  private var lent: [UnsafeRawBufferPointer?]
  /// By tensor id: the tensor of 16-bit floats whose values a float32 tensor has. Its own bytes are made where somebody reads
  /// them; packed weights are made of the 16 bits.
  private var narrow: [TensorID?]
  /// By tensor id: what the values of a float32 tensor are made of, where it is stored with few bits. Its own bytes are made
  /// where somebody reads them.
  private var quantized: [QuantizedTensor?]
  /// Tensors whose bytes were made of fewer bits since the last `releaseDecoded`, and go with it.
  private var passing: [TensorID] = []
  private let level: Int32
  /// Constants in other element types than the model's.
  private var conversions: [(source: TensorID, result: TensorID)] = []

  /// - Parameter level: the instruction set level of kernels.
  init(file: ModelFile, level: Int32) {
    self.file = file
    self.level = level
    tensors = file.definition.tensors
    kept = Array(repeating: nil, count: tensors.count)
    lent = Array(repeating: nil, count: tensors.count)
    narrow = Array(repeating: nil, count: tensors.count)
    quantized = Array(repeating: nil, count: tensors.count)
  }

  /// The bytes of a tensor, valid until `releaseDecoded`.
  /// - Parameter pool: an `apusp_pool` that decodes beside the calling thread.
  func bytes(_ id: TensorID, on pool: OpaquePointer? = nil) throws(ApusError) -> UnsafeRawBufferPointer {
    if let box = kept[Int(id)] { return box.bytes }
    if Int(id) < lent.count, let bytes = lent[Int(id)] { return bytes }
    if let widening = try widening(id) {
      let box = try widening.make(try bytes(stored(id), on: pool), in: file.memory)
      kept[Int(id)] = box
      passing.append(id)
      return box.bytes
    }
    return try file.tensorBytes(id, on: pool)
  }

  /// The address of a tensor's bytes, valid as long as the store.
  func pointer(_ id: TensorID, on pool: OpaquePointer? = nil) throws(ApusError) -> UnsafeRawPointer? {
    let bytes = try bytes(id, on: pool)
    passing.removeAll { $0 == id }
    if case .segment = tensors[Int(id)].storage, kept[Int(id)] == nil, lent[Int(id)] == nil {
      if try isReadInPlace(id) {
        lent[Int(id)] = bytes
        return bytes.baseAddress
      }
      if let box = try file.takeBytes(id) {
        kept[Int(id)] = box
        return UnsafeRawPointer(box.pointer)
      }
      let box = try file.memory.allocate(byteCount: bytes.count, purpose: "a constant tensor")
      box.mutableBytes.copyMemory(from: bytes)
      kept[Int(id)] = box
      return UnsafeRawPointer(box.pointer)
    }
    return bytes.baseAddress
  }

  /// The tensor of 16-bit floats whose values a tensor has; nil where it is no such.
  func narrow(_ id: TensorID) -> TensorID? { narrow[Int(id)] }

  /// The float32 tensor with the values of one of 16-bit floats.
  func widened(_ source: TensorID) -> TensorID {
    for (id, other) in narrow.enumerated() where other == source { return TensorID(id) }
    let id = addWide(source)
    narrow[Int(id)] = source
    return id
  }

  /// What the values of a float32 tensor are made of; nil where it is not stored with few bits.
  func quantized(_ id: TensorID) -> QuantizedTensor? { quantized[Int(id)] }

  /// A float32 tensor with the values of a quantized one.
  func dequantized(_ tensor: QuantizedTensor) -> TensorID {
    let id = addWide(tensor.elements)
    quantized[Int(id)] = tensor
    return id
  }

  private func addWide(_ source: TensorID) -> TensorID {
    let tensor = tensors[Int(source)]
    return append(
      ConstantTensor(name: tensor.name, elementType: .float32, dimensions: tensor.dimensions, storage: .inline([])), nil)
  }

  private func append(_ tensor: ConstantTensor, _ bytes: BulkBuffer?) -> TensorID {
    tensors.append(tensor)
    kept.append(bytes)
    narrow.append(nil)
    quantized.append(nil)
    return TensorID(tensors.count - 1)
  }

  /// The tensor whose bytes a tensor's are made of: itself, or one of fewer bits.
  func stored(_ id: TensorID) -> TensorID { narrow[Int(id)] ?? quantized[Int(id)]?.elements ?? id }

  /// How a tensor's bytes are made of those of the stored one; nil where they are the same.
  func widening(_ id: TensorID) throws(ApusError) -> WidenedTensor? {
    let stored = stored(id)
    if stored == id { return nil }
    let dequantization = try quantized[Int(id)].map { tensor throws(ApusError) in
      try Dequantization(tensor, self, level: level)
    }
    return WidenedTensor(tensors[Int(stored)], dequantization, level: level)
  }

  /// The segment of the file that a tensor's bytes must be decoded from, and where they lie in it; nil where they are in memory.
  func segment(of id: TensorID) -> (index: Int, offset: UInt64, byteCount: UInt64)? {
    guard kept[Int(id)] == nil, case .segment(let index, let offset, let byteCount) = tensors[Int(id)].storage else {
      return nil
    }
    return (Int(index), offset, byteCount)
  }

  /// Whether kernels read a tensor where the caller has it: floats only, for nothing follows from their values but results.
  private func isReadInPlace(_ id: TensorID) throws(ApusError) -> Bool {
    switch tensors[Int(id)].elementType {
    case .float32, .float16, .bfloat16, .float64: try file.isLent(id)
    default: false
    }
  }

  /// Gives back what was decoded for packing.
  func releaseDecoded() throws(ApusError) {
    for id in passing { kept[Int(id)] = nil }
    passing = []
    try file.releaseDecoded()
  }

  /// The first byte of a tensor that has one: the value of a bool scalar.
  func firstByte(_ id: TensorID) throws(ApusError) -> UInt8 {
    try bytes(id).first ?? 0
  }

  /// A copy of the bytes of a small tensor.
  func contents(_ id: TensorID) throws(ApusError) -> [UInt8] { Array(try bytes(id)) }

  /// The elements of a float32 tensor.
  func floats(_ id: TensorID) throws(ApusError) -> [Float] {
    let loaded = try bytes(id)
    return (0..<loaded.count / 4).map { loaded.loadUnaligned(fromByteOffset: 4 * $0, as: Float.self) }
  }

  func areFloat32(_ ids: [TensorID]) -> Bool {
    for id in ids where tensors[Int(id)].elementType != .float32 { return false }
    return true
  }

  // MARK: Derived constants

  private func add(_ box: BulkBuffer, _ elementType: ElementType, dimensions: [Int], name: Name) -> TensorID {
    append(ConstantTensor(name: name, elementType: elementType, dimensions: dimensions, storage: .inline([])), box)
  }

  /// Adds a tensor that is still to be filled.
  func add(
    byteCount: Int, _ elementType: ElementType, dimensions: [Int], name: Name
  ) throws(ApusError) -> (id: TensorID, target: UnsafeMutableRawBufferPointer) {
    let box = try file.memory.allocate(byteCount: byteCount, purpose: "folded weights")
    return (add(box, elementType, dimensions: dimensions, name: name), box.mutableBytes)
  }

  /// Adds a tensor that was computed at load.
  func add(_ tensor: RuntimeTensor, name: Name) throws(ApusError) -> TensorID {
    let box: BulkBuffer
    if let storage = tensor.storage {
      box = storage
    } else {
      box = try file.memory.allocate(byteCount: tensor.byteCount, purpose: "a constant tensor")
      box.mutableBytes.copyMemory(from: tensor.bytes)
    }
    return add(box, tensor.elementType, dimensions: tensor.extents, name: name)
  }

  func add(_ values: [Float], dimensions: [Int], name: Name) throws(ApusError) -> TensorID {
    let box = try file.memory.allocate(byteCount: 4 * values.count, purpose: "a constant tensor")
    values.withUnsafeBytes { box.mutableBytes.copyMemory(from: $0) }
    return add(box, .float32, dimensions: dimensions, name: name)
  }

  func add(_ values: [Int64], dimensions: [Int], name: Name) throws(ApusError) -> TensorID {
    let box = try file.memory.allocate(byteCount: 8 * values.count, purpose: "a constant tensor")
    values.withUnsafeBytes { box.mutableBytes.copyMemory(from: $0) }
    return add(box, .int64, dimensions: dimensions, name: name)
  }

  /// A tensor's elements in another type; `convert` makes them, once.
  func converted(
    _ id: TensorID, to type: ElementType,
    convert: (UnsafeRawPointer?, UnsafeMutableRawPointer) throws(ApusError) -> Void
  ) throws(ApusError) -> TensorID {
    for entry in conversions where entry.source == id && tensors[Int(entry.result)].elementType == type {
      return entry.result
    }
    let tensor = tensors[Int(id)]
    guard let byteCount = type.byteCount(of: try checkedElementCount(tensor.dimensions)) else {
      throw ApusError(.limitExceeded, "a tensor's size does not fit", tensorName: tensor.name.string)
    }
    let box = try file.memory.allocate(byteCount: byteCount, purpose: "a constant in a wider type")
    try convert(try bytes(id).baseAddress, box.pointer)
    let result = add(box, type, dimensions: tensor.dimensions, name: tensor.name)
    conversions.append((id, result))
    return result
  }
}
