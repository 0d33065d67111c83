import ApusGraph
import CApusKernels

/// Where the elements of a zero point or scale are, for rows of A (`alongRows`) or columns of B.
struct QuantizationStrides {
  var batch: Int64 = 0
  var along: Int64 = 0

  /// - Parameters:
  ///   - extents: of the parameter: one element; `[count]`; or the operand's own with the other matrix axis 1.
  ///   - matrices: how many matrices the operand holds.
  init(_ extents: [Int], alongRows: Bool, count: Int, matrices: Int, _ node: BoundNode, _ input: Int) throws(ApusError) {
    let elements = try checkedElementCount(extents)
    if elements == 1 { return }
    var leading = 1
    var isRight = extents.count == 1 && extents[0] == count
    if extents.count > 1 {
      let last = Array(extents.suffix(2))
      isRight = alongRows ? last[0] == count && last[1] == 1 : last[0] == 1 && last[1] == count
      leading = try checkedElementCount(Array(extents.dropLast(2)))
    }
    guard isRight, leading == 1 || leading == matrices else {
      throw node.context.error(
        "wrong shape of a quantization parameter", input: input,
        expected: "one element or one for each of the \(count) " + (alongRows ? "rows" : "columns"),
        actual: Shape(extents).text(symbols: []))
    }
    along = 1
    batch = leading == 1 ? 0 : Int64(count)
  }
}

/// A product of 8-bit matrices, before its sums are scaled.
struct IntegerProduct {
  let shape: MatMulShape
  let a: Int
  let b: Int
  let zeroA: Int?
  let zeroB: Int?
  /// Elements between neighbours: of A along m and k, of B along k and n.
  let strideM: Int
  let strideAK: Int
  let strideBK: Int
  let strideN: Int

  init(_ shape: MatMulShape, a: Int, b: Int, zeroA: Int?, zeroB: Int?, turnedA: Bool = false, turnedB: Bool = false) {
    self.shape = shape
    self.a = a
    self.b = b
    self.zeroA = zeroA
    self.zeroB = zeroB
    (strideM, strideAK) = turnedA ? (1, shape.m) : (shape.k, 1)
    (strideBK, strideN) = turnedB ? (1, shape.k) : (shape.n, 1)
  }
}

extension PlanBuilder {
  /// Where the elements of an optional parameter are; nil where it is left out.
  func quantization(
    _ node: BoundNode, _ input: Int?, alongRows: Bool, count: Int, matrices: Int
  ) throws(ApusError) -> (buffer: BufferID?, strides: QuantizationStrides) {
    let scalar = try QuantizationStrides([], alongRows: alongRows, count: count, matrices: matrices, node, 0)
    guard let input, let id = node.optionalInput(input) else { return (nil, scalar) }
    let strides = try QuantizationStrides(
      try extents(id), alongRows: alongRows, count: count, matrices: matrices, node, input)
    return (try self.input(id), strides)
  }

  /// Packed A: its elements without the zero points, and the sum of each row.
  private func packedLeft(_ node: BoundNode, _ product: IntegerProduct) throws(ApusError) -> (a: BufferID, sums: BufferID) {
    let shape = product.shape
    var arguments = apusk_int_pack_a_args()
    arguments.batches = Int64(shape.matricesA)
    arguments.m = Int64(shape.m)
    arguments.k = Int64(shape.k)
    arguments.batch_stride = Int64(shape.m * shape.k)
    arguments.row_stride = Int64(product.strideM)
    arguments.k_stride = Int64(product.strideAK)
    arguments.is_signed = try elementType(node.input(product.a)) == .int8 ? 1 : 0
    let zero = try quantization(node, product.zeroA, alongRows: true, count: shape.m, matrices: shape.matricesA)
    arguments.zero_batch_stride = zero.strides.batch
    arguments.zero_row_stride = zero.strides.along
    let bytes = Int(apusk_int_gemm_packed_a_bytes(arguments.m, arguments.k))
    let packed = temporary(byteCount: try bytes.checkedMultiplied(by: shape.matricesA))
    let sums = temporary(byteCount: try shape.m.checkedMultiplied(by: shape.matricesA).checkedMultiplied(by: 4))
    var plan = apusk_plan()
    try check(apusk_int_pack_a_plan(&arguments, &plan))
    let base = arguments
    let (source, zeros) = (try input(node.input(product.a)), zero.buffer)
    try emit(plan, [source, zeros, packed, sums]) { pointers in
      var arguments = base
      arguments.source = UnsafeRawPointer(pointers[source])
      arguments.zero_points = UnsafeRawPointer(pointers.bytes(zeros))
      arguments.packed = pointers[packed]?.assumingMemoryBound(to: Int16.self)
      arguments.row_sums = pointers[sums]?.assumingMemoryBound(to: Int32.self)
      return arguments
    }
    return (packed, sums)
  }

  /// Packed B: a constant's once a model, another value's by a step of each run.
  private func packedRight(_ node: BoundNode, _ product: IntegerProduct) throws(ApusError) -> BufferID {
    let shape = product.shape
    var arguments = apusk_int_pack_b_args()
    arguments.batches = Int64(shape.matricesB)
    arguments.k = Int64(shape.k)
    arguments.n = Int64(shape.n)
    arguments.batch_stride = Int64(shape.k * shape.n)
    arguments.k_stride = Int64(product.strideBK)
    arguments.column_stride = Int64(product.strideN)
    arguments.is_signed = try elementType(node.input(product.b)) == .int8 ? 1 : 0
    let bytes = Int(apusk_int_gemm_packed_b_bytes(arguments.k, arguments.n))
    let total = try bytes.checkedMultiplied(by: shape.matricesB)
    var plan = apusk_plan()
    try check(apusk_int_pack_b_plan(&arguments, &plan))
    let base = arguments
    if let constant = constantTensor(node.input(product.b)) {
      let parameters = [shape.k, shape.n, product.strideBK, product.strideN, shape.matricesB, Int(base.is_signed)]
      return packed(
        PackedRequest(
          tensor: constant, packing: Packing(.matrixInteger, level: 0, parameters), byteCount: total
        ) { source, target in
          var arguments = base
          arguments.source = source
          arguments.packed = target.assumingMemoryBound(to: Int16.self)
          apusk_int_pack_b(&arguments)
        })
    }
    let source = try input(node.input(product.b))
    let target = temporary(byteCount: total)
    try emit(plan, [source, target]) { pointers in
      var arguments = base
      arguments.source = UnsafeRawPointer(pointers[source])
      arguments.packed = pointers[target]?.assumingMemoryBound(to: Int16.self)
      return arguments
    }
    return target
  }

  /// Emits the sums, int32 and dense `[batch..., m, n]`.
  func emitIntegerProduct(_ node: BoundNode, _ product: IntegerProduct, output: BufferID) throws(ApusError) {
    let shape = product.shape
    let left = try packedLeft(node, product)
    let right = try packedRight(node, product)
    let matrices = shape.batchMatrices()
    let zero = try quantization(node, product.zeroB, alongRows: false, count: shape.n, matrices: shape.matricesB)
    var arguments = apusk_int_gemm_args()
    arguments.batches = Int64(matrices.a.count)
    arguments.m = Int64(shape.m)
    arguments.n = Int64(shape.n)
    arguments.k = Int64(shape.k)
    arguments.zero_batch_stride = zero.strides.batch
    arguments.zero_column_stride = zero.strides.along
    arguments.b_is_signed = try elementType(node.input(product.b)) == .int8 ? 1 : 0
    var plan = apusk_plan()
    try check(apusk_int_gemm_plan(level, &arguments, &plan))
    let base = arguments
    let (tableA, tableB, zeros) = (table(matrices.a), table(matrices.b), zero.buffer)
    try emit(plan, [left.a, left.sums, right, zeros, output, tableA, tableB]) { pointers in
      var arguments = base
      arguments.a = UnsafePointer(pointers[left.a]?.assumingMemoryBound(to: Int16.self))
      arguments.row_sums = UnsafePointer(pointers[left.sums]?.assumingMemoryBound(to: Int32.self))
      arguments.b = UnsafePointer(pointers[right]?.assumingMemoryBound(to: Int16.self))
      arguments.b_zero_points = UnsafeRawPointer(pointers.bytes(zeros))
      arguments.c = pointers[output]?.assumingMemoryBound(to: Int32.self)
      arguments.a_matrices = UnsafePointer(pointers.integers(tableA))
      arguments.b_matrices = UnsafePointer(pointers.integers(tableB))
      return arguments
    }
  }
}
