import ApusGraph
import CApusKernels

/// A matrix product as the kernels see it: A `[m, k]` times B `[k, n]`, `batches` times.
private struct MatrixProduct {
  var arguments = apusk_gemm_f32_args()
  let a: BufferID
  let b: ValueID
  let strideK: Int
  let strideN: Int
  /// Matrices that B holds: 1 where all batches share it.
  var matrices = 1
  var offsetsA: [Int64]?
  var offsetsB: [Int64]?
}

extension PlanBuilder {
  /// B in packed panels: a constant's once a model, another value's by a step of each run.
  private func packedRight(_ product: MatrixProduct, _ kernels: UnsafePointer<apusk_gemm_kernels>?) throws(ApusError) -> BufferID
  {
    let k = product.arguments.k
    let n = product.arguments.n
    let bytes = apusk_gemm_packed_bytes(kernels, k, n)
    let (total, overflow) = Int(bytes).multipliedReportingOverflow(by: product.matrices)
    guard bytes >= 0, !overflow else { throw Int.overflowError("packed bytes of \(k) x \(n) x \(product.matrices)") }
    let matrixFloats = Int(k) * Int(n)
    if let constant = constantTensor(product.b) {
      let packing = Packing(
        .matrix, level: level, [Int(k), Int(n), product.strideK, product.strideN, product.matrices])
      let strides = (Int64(product.strideK), Int64(product.strideN))
      let matrices = product.matrices
      return packed(
        PackedRequest(tensor: constant, packing: packing, byteCount: total) { source, target in
          for matrix in 0..<matrices {
            apusk_gemm_pack_b_f32(
              kernels, source.assumingMemoryBound(to: Float.self) + matrix * matrixFloats, strides.0, strides.1, k, n,
              (target + matrix * Int(bytes)).assumingMemoryBound(to: Float.self))
          }
        })
    }
    let source = try input(product.b)
    let target = temporary(byteCount: total)
    var arguments = apusk_gemm_pack_b_f32_args()
    arguments.stride_k = Int64(product.strideK)
    arguments.stride_n = Int64(product.strideN)
    arguments.k = k
    arguments.n = n
    arguments.batches = Int64(product.matrices)
    arguments.source_batch_stride = Int64(matrixFloats)
    var plan = apusk_plan()
    try check(apusk_gemm_pack_b_f32_plan(kernels, &arguments, &plan))
    let base = arguments
    try emit(plan, [source, target]) { pointers in
      var arguments = base
      arguments.source = UnsafePointer(pointers.floats(source))
      arguments.packed = pointers.floats(target)
      return arguments
    }
    return target
  }

  /// Emits the product into `output`, with a bias vector or a residual already chosen.
  fileprivate func emitProduct(
    _ product: MatrixProduct, bias: BufferID?, residual: BufferID?, output: BufferID
  ) throws(ApusError) {
    let kernels = apusk_gemm_kernels_for(level)
    let b = try packedRight(product, kernels)
    var arguments = product.arguments
    var plan = apusk_plan()
    try check(apusk_gemm_f32_plan(kernels, &arguments, &plan))
    let offsetsA = product.offsetsA.map { table($0) }
    let offsetsB = product.offsetsB.map { table($0) }
    let base = arguments
    let a = product.a
    try emit(plan, [a, b, bias, residual, output, offsetsA, offsetsB]) { pointers in
      var arguments = base
      arguments.a = UnsafePointer(pointers.floats(a))
      arguments.b = UnsafePointer(pointers.floats(b))
      arguments.c = pointers.floats(output)
      arguments.tail.bias = UnsafePointer(pointers.floats(bias))
      arguments.tail.residual = UnsafePointer(pointers.floats(residual))
      arguments.a_offsets = UnsafePointer(pointers.integers(offsetsA))
      arguments.b_offsets = UnsafePointer(pointers.integers(offsetsB))
      return arguments
    }
  }

  /// Bytes of one packed matrix, as floats: the stride between B's matrices.
  fileprivate func packedFloats(_ k: Int, _ n: Int) -> Int64 {
    apusk_gemm_packed_bytes(apusk_gemm_kernels_for(level), Int64(k), Int64(n)) / 4
  }
}

extension KernelBinding {
  static let gemm = KernelBinding("Gemm") { builder, node throws(ApusError) in
    for index in 0..<2 { try builder.require(node.input(index), TypeSet(.float32)) }
    let a = try builder.extents(node.input(0))
    let y = try builder.extents(node.output(0))
    let transposesA = node.attributes.flag("transA")
    let transposesB = node.attributes.flag("transB")
    let k = transposesA ? a[0] : a[1]
    var product = MatrixProduct(
      a: try builder.input(node.input(0)), b: node.input(1), strideK: transposesB ? 1 : y[1],
      strideN: transposesB ? k : 1)
    product.arguments.m = Int64(y[0])
    product.arguments.n = Int64(y[1])
    product.arguments.k = Int64(k)
    product.arguments.a_row_stride = transposesA ? 1 : Int64(k)
    product.arguments.a_k_stride = transposesA ? Int64(y[0]) : 1
    product.arguments.c_row_stride = Int64(y[1])
    product.arguments.batches = 1
    var tail = apusk_tail_none()
    tail.scale = node.attributes.float("alpha") ?? 1
    node.node.activation.apply(to: &tail)
    var bias: BufferID?
    var residual: BufferID?
    let beta = node.attributes.float("beta") ?? 1
    if let c = node.optionalInput(2), beta != 0 {
      let extents = try builder.extents(c)
      let columns = extents.last ?? 1
      let rows = extents.count == 2 ? extents[0] : 1
      if rows == 1, columns == y[1], beta == 1 {
        bias = try builder.input(c)
      } else {
        residual = try builder.input(c)
        tail.residual_scale = beta
        tail.residual_row_stride = rows == 1 ? 0 : Int64(columns)
        tail.residual_column_stride = columns == 1 ? 0 : 1
      }
    }
    product.arguments.tail = tail
    try builder.emitProduct(product, bias: bias, residual: residual, output: try builder.output(node.output(0)))
  }

  static let matMul = KernelBinding("MatMul") { builder, node throws(ApusError) in
    for index in 0..<2 { try builder.require(node.input(index), TypeSet(.float32)) }
    var a = try builder.extents(node.input(0))
    var b = try builder.extents(node.input(1))
    if a.count == 1 { a = [1] + a }
    if b.count == 1 { b = b + [1] }
    let (m, k, n) = (a[a.count - 2], a[a.count - 1], b[b.count - 1])
    var product = MatrixProduct(a: try builder.input(node.input(0)), b: node.input(1), strideK: n, strideN: 1)
    let matricesB = try checkedElementCount(Array(b.dropLast(2)))
    let matricesA = try checkedElementCount(Array(a.dropLast(2)))
    product.matrices = matricesB
    product.arguments.n = Int64(n)
    product.arguments.k = Int64(k)
    product.arguments.a_row_stride = Int64(k)
    product.arguments.a_k_stride = 1
    product.arguments.c_row_stride = Int64(n)
    if matricesB == 1 {
      // All matrices of A meet the same B: one tall product.
      product.arguments.m = Int64(try matricesA.checkedMultiplied(by: m))
      product.arguments.batches = 1
    } else {
      let batch = try batchOffsets(Array(a.dropLast(2)), Array(b.dropLast(2)))
      product.arguments.m = Int64(m)
      product.arguments.batches = Int64(batch.a.count)
      product.arguments.c_batch_stride = Int64(try m.checkedMultiplied(by: n))
      let strideB = builder.packedFloats(k, n)
      product.offsetsA = batch.a.map { Int64($0 * m * k) }
      product.offsetsB = batch.b.map { Int64($0) * strideB }
    }
    product.arguments.tail = apusk_tail_none()
    node.node.activation.apply(to: &product.arguments.tail)
    let bias = try node.node.bias.map { id throws(ApusError) in try builder.input(id) }
    try builder.emitProduct(product, bias: bias, residual: nil, output: try builder.output(node.output(0)))
  }

  /// Which matrix of A and of B each matrix of the broadcast product reads.
  private static func batchOffsets(_ a: [Int], _ b: [Int]) throws(ApusError) -> (a: [Int], b: [Int]) {
    let rank = max(a.count, b.count)
    let x = Array(repeating: 1, count: rank - a.count) + a
    let y = Array(repeating: 1, count: rank - b.count) + b
    var result = (a: [0], b: [0])
    for axis in 0..<rank {
      let extent = x[axis] == 1 ? y[axis] : x[axis]
      var next = (a: [Int](), b: [Int]())
      for position in result.a.indices {
        for index in 0..<extent {
          next.a.append(result.a[position] * x[axis] + (x[axis] == 1 ? 0 : index))
          next.b.append(result.b[position] * y[axis] + (y[axis] == 1 ? 0 : index))
        }
      }
      result = next
    }
    return result
  }
}
