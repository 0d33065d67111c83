import ApusGraph
import CApusKernels

/// The right operand of float32 matrix products: `count` matrices `[k, n]` as they lie in memory.
struct RightOperand {
  enum Source {
    case value(ValueID)
    case buffer(BufferID)
  }

  let source: Source
  let k: Int
  let n: Int
  /// Elements between neighbours along k and along n.
  let strideK: Int
  let strideN: Int
  var count = 1
  /// Where each matrix begins, in elements; nil where they follow one another without gaps.
  var offsets: [Int64]?
}

/// Matrix products with one tail: A `[m, k]` times B `[k, n]`, `arguments.batches` times.
struct MatrixProduct {
  var arguments = apusk_gemm_f32_args()
  let a: BufferID
  let right: RightOperand
  /// Where each product finds its matrix of A, of packed B (in units of matrices), and of C, in elements.
  var offsetsA: [Int64]?
  var matricesB: [Int64]?
  var offsetsC: [Int64]?

  init(a: BufferID, right: RightOperand, m: Int) {
    self.a = a
    self.right = right
    arguments.m = Int64(m)
    arguments.n = Int64(right.n)
    arguments.k = Int64(right.k)
    arguments.a_row_stride = Int64(right.k)
    arguments.a_k_stride = 1
    arguments.c_row_stride = Int64(right.n)
    arguments.batches = 1
    arguments.tail = apusk_tail_none()
  }
}

/// B in packed panels.
struct PackedOperand {
  let buffer: BufferID
  /// Elements between one matrix and the next.
  let matrixStride: Int64
  /// APUSK_FLOAT16 or APUSK_BFLOAT16; 0 for float32.
  let halfType: Int32
}

extension PlanBuilder {
  /// B in packed panels: a constant's once a model, another value's by a step of each run.
  ///
  /// Weights of 16 bits stay such where products have few rows: these take the time that reading B takes.
  /// - Parameter rows: of a product.
  func packed(_ right: RightOperand, rows: Int64) throws(ApusError) -> PackedOperand {
    if let half = try packedHalf(right, rows: rows) { return half }
    let kernels = apusk_gemm_kernels_for(level)
    let stride = apusk_gemm_packed_bytes(kernels, Int64(right.k), Int64(right.n)) / 4
    return PackedOperand(buffer: try packedFloats(right), matrixStride: stride, halfType: 0)
  }

  /// The tensor of 16-bit floats that B is, where products of so many rows read it as such.
  func halfWeights(_ right: RightOperand, rows: Int64) -> TensorID? {
    guard rows <= APUSK_HALF_MAX_ROWS, right.offsets == nil, case .value(let id) = right.source,
      let constant = constantTensor(id)
    else { return nil }
    return constants.narrow(constant)
  }

  private func packedHalf(_ right: RightOperand, rows: Int64) throws(ApusError) -> PackedOperand? {
    guard let tensor = halfWeights(right, rows: rows) else { return nil }
    let kernels = apusk_gemm_kernels_for(level)
    let (k, n) = (Int64(right.k), Int64(right.n))
    let bytes = apusk_gemm_half_packed_bytes(kernels, k, n)
    let (total, overflow) = Int(bytes).multipliedReportingOverflow(by: right.count)
    let (matrix, overflow2) = right.k.multipliedReportingOverflow(by: right.n)
    guard bytes >= 0, !overflow, !overflow2 else { throw Int.overflowError("packed bytes of \(k) x \(n) x \(right.count)") }
    let type = constants.tensors[Int(tensor)].elementType.rawValue
    let packing = Packing(.matrixHalf, level: level, [right.k, right.n, right.strideK, right.strideN, right.count])
    let buffer = packed(
      PackedRequest(tensor: tensor, packing: packing, byteCount: total) { source, target in
        for index in 0..<right.count {
          apusk_gemm_pack_b_half(
            kernels, type, source.assumingMemoryBound(to: UInt16.self) + index * matrix, Int64(right.strideK),
            Int64(right.strideN), k, n, (target + index * Int(bytes)).assumingMemoryBound(to: UInt16.self))
        }
      })
    return PackedOperand(buffer: buffer, matrixStride: bytes / 2, halfType: type)
  }

  private func packedFloats(_ right: RightOperand) throws(ApusError) -> BufferID {
    let kernels = apusk_gemm_kernels_for(level)
    let (k, n) = (Int64(right.k), Int64(right.n))
    let bytes = apusk_gemm_packed_bytes(kernels, k, n)
    let (total, overflow) = Int(bytes).multipliedReportingOverflow(by: right.count)
    guard bytes >= 0, !overflow else { throw Int.overflowError("packed bytes of \(k) x \(n) x \(right.count)") }
    let (matrixFloats, overflow2) = right.k.multipliedReportingOverflow(by: right.n)
    guard !overflow2 else { throw Int.overflowError("\(k) * \(n)") }
    let source: BufferID
    switch right.source {
    case .buffer(let buffer): source = buffer
    case .value(let id):
      guard right.offsets == nil, let constant = constantTensor(id) else {
        source = try input(id)
        break
      }
      let packing = Packing(.matrix, level: level, [right.k, right.n, right.strideK, right.strideN, right.count])
      return packed(
        PackedRequest(tensor: constant, packing: packing, byteCount: total) { source, target in
          for matrix in 0..<right.count {
            apusk_gemm_pack_b_f32(
              kernels, source.assumingMemoryBound(to: Float.self) + matrix * matrixFloats, Int64(right.strideK),
              Int64(right.strideN), k, n, (target + matrix * Int(bytes)).assumingMemoryBound(to: Float.self))
          }
        })
    }
    let target = temporary(byteCount: total)
    note = "packs the right operand: it is computed"
    var arguments = apusk_gemm_pack_b_f32_args()
    arguments.stride_k = Int64(right.strideK)
    arguments.stride_n = Int64(right.strideN)
    arguments.k = k
    arguments.n = n
    arguments.batches = Int64(right.count)
    arguments.source_batch_stride = Int64(matrixFloats)
    var plan = apusk_plan()
    try check(apusk_gemm_pack_b_f32_plan(kernels, &arguments, &plan))
    let base = arguments
    let offsets = right.offsets.map { table($0) }
    try emit(plan, [source, target, offsets]) { pointers in
      var arguments = base
      arguments.source = UnsafePointer(pointers.floats(source))
      arguments.packed = pointers.floats(target)
      arguments.source_offsets = UnsafePointer(pointers.integers(offsets))
      return arguments
    }
    return target
  }

  /// Emits the products into `output`, with a bias vector or a residual already chosen.
  /// - Parameter known: the right operand, where it is none of floats.
  func emitProduct(
    _ product: MatrixProduct, blocks known: PackedBlocks? = nil, bias: BufferID? = nil, residual: BufferID? = nil,
    output: BufferID
  ) throws(ApusError) {
    let kernels = apusk_gemm_kernels_for(level)
    var arguments = product.arguments
    var blocks = known
    if blocks == nil, arguments.batches == 1 { blocks = try packedBlocks(product.right) }
    if let blocks, arguments.m <= APUSK_BLOCK_MAX_ROWS, arguments.a_k_stride == 1 {
      return try emitBlockProduct(product, blocks, bias: bias, residual: residual, output: output)
    }
    let packedB = blocks == nil ? try packed(product.right, rows: arguments.m) : nil
    let b = packedB?.buffer
    arguments.half_type = packedB?.halfType ?? 0
    if let blocks { arguments.weights = blocks.form }
    var plan = apusk_plan()
    try check(apusk_gemm_f32_plan(kernels, &arguments, &plan))
    let offsetsA = product.offsetsA.map { table($0) }
    let strideB = packedB?.matrixStride ?? 0
    let offsetsB = product.matricesB.map { table($0.map { $0 * strideB }) }
    let offsetsC = product.offsetsC.map { table($0) }
    let base = arguments
    let (a, weights) = (product.a, blocks)
    if blocks != nil {
      note = "matrix product of quantized weights"
    } else if arguments.half_type == 0 {
      note = arguments.m == 1 ? "vector by matrix" : "matrix product"
    } else {
      note = arguments.m == 1 ? "vector by matrix of 16-bit weights" : "matrix product of 16-bit weights"
    }
    try emit(plan, [a, b, bias, residual, output, offsetsA, offsetsB, offsetsC] + (blocks?.buffers ?? [])) { pointers in
      var arguments = base
      arguments.a = UnsafePointer(pointers.floats(a))
      arguments.b = UnsafePointer(pointers.floats(b))
      if arguments.half_type != 0 { arguments.half = UnsafePointer(pointers.bytes(b)?.assumingMemoryBound(to: UInt16.self)) }
      if let weights { arguments.weights = weights.bound(pointers) }
      arguments.c = pointers.floats(output)
      arguments.tail.bias = UnsafePointer(pointers.floats(bias))
      arguments.tail.residual = UnsafePointer(pointers.floats(residual))
      arguments.a_offsets = UnsafePointer(pointers.integers(offsetsA))
      arguments.b_offsets = UnsafePointer(pointers.integers(offsetsB))
      arguments.c_offsets = UnsafePointer(pointers.integers(offsetsC))
      return arguments
    }
  }
}
