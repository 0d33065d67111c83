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

/// Which inputs of a product or convolution of integers are what; nil for those that the operator has not.
struct IntegerRoles {
  var a = 0
  let b: Int
  var zeroA: Int?
  var zeroB: Int?
  var scaleA: Int?
  var scaleB: Int?
  var scaleY: Int?
  var zeroY: Int?
  var bias: Int?
  var alpha: Float = 1
}

/// The kernels' tail of a node, and the memory that its pointers are to.
struct IntegerTail {
  var tail = apusk_integer_tail()
  var zeroA: BufferID?
  var zeroB: BufferID?
  var zeroY: BufferID?
  var scaleA: BufferID?
  var scaleB: BufferID?
  var scaleY: BufferID?
  var bias: BufferID?
  var residual: BufferID?
  var biasIsFloat = false

  /// Whether the parameters of A's rows are one for all, or follow each other through all matrices of `rows` rows.
  func rowsFollow(_ rows: Int) -> Bool {
    (tail.a_zero_row == 0 || tail.a_zero_batch == rows) && (tail.a_scale_row == 0 || tail.a_scale_batch == rows)
  }

  var touched: [BufferID?] { [zeroA, zeroB, zeroY, scaleA, scaleB, scaleY, bias, residual] }

  func resolved(_ pointers: PointerTable) -> apusk_integer_tail {
    var tail = tail
    tail.a_zero = UnsafeRawPointer(pointers.bytes(zeroA))
    tail.b_zero = UnsafeRawPointer(pointers.bytes(zeroB))
    tail.y_zero = UnsafeRawPointer(pointers.bytes(zeroY))
    tail.a_scale = UnsafePointer(pointers.floats(scaleA))
    tail.b_scale = UnsafePointer(pointers.floats(scaleB))
    tail.y_scale = UnsafePointer(pointers.floats(scaleY))
    tail.residual = UnsafeRawPointer(pointers.bytes(residual))
    if biasIsFloat {
      tail.float_bias = UnsafePointer(pointers.floats(bias))
    } else {
      tail.bias = bias.flatMap { pointers[$0] }.map { UnsafePointer($0.assumingMemoryBound(to: Int32.self)) }
    }
    return tail
  }
}

/// A product of 8-bit matrices.
struct IntegerProduct {
  let shape: MatMulShape
  let roles: IntegerRoles
  /// Elements between neighbours: of A along m and k, of B along k and n.
  let strideM: Int
  let strideAK: Int
  let strideBK: Int
  let strideN: Int

  init(_ shape: MatMulShape, _ roles: IntegerRoles, turnedA: Bool = false, turnedB: Bool = false) {
    self.shape = shape
    self.roles = roles
    (strideM, strideAK) = turnedA ? (1, shape.m) : (shape.k, 1)
    (strideBK, strideN) = turnedB ? (1, shape.k) : (shape.n, 1)
  }
}

extension PlanBuilder {
  /// Where the elements of an optional parameter are; nil where it is left out.
  private func quantization(
    _ node: BoundNode, _ input: Int?, alongRows: Bool, count: Int, matrices: Int
  ) throws(ApusError) -> (buffer: BufferID?, strides: QuantizationStrides) {
    let scalar = try QuantizationStrides([], alongRows: alongRows, count: count, matrices: matrices, node, 0)
    guard let input, let id = node.optionalInput(input) else { return (nil, scalar) }
    let strides = try QuantizationStrides(
      try extents(id), alongRows: alongRows, count: count, matrices: matrices, node, input)
    return (try self.input(id), strides)
  }

  /// A parameter of one element.
  private func scalar(_ node: BoundNode, _ index: Int?) throws(ApusError) -> BufferID? {
    guard let index, let id = node.optionalInput(index) else { return nil }
    guard try checkedElementCount(try extents(id)) == 1 else {
      throw node.unsupported("a scale or zero point for each row or column here", expected: "one element")
    }
    return try input(id)
  }

  /// The tail of a node whose operands' rows and columns have been counted.
  func integerTail(
    _ node: BoundNode, _ roles: IntegerRoles, rows: Int, columns: Int, matricesA: Int, matricesB: Int, _ layout: Layout
  ) throws(ApusError) -> IntegerTail {
    var result = IntegerTail()
    let zeroA = try quantization(node, roles.zeroA, alongRows: true, count: rows, matrices: matricesA)
    let zeroB = try quantization(node, roles.zeroB, alongRows: false, count: columns, matrices: matricesB)
    let scaleA = try quantization(node, roles.scaleA, alongRows: true, count: rows, matrices: matricesA)
    let scaleB = try quantization(node, roles.scaleB, alongRows: false, count: columns, matrices: matricesB)
    (result.zeroA, result.zeroB, result.scaleA, result.scaleB) = (zeroA.buffer, zeroB.buffer, scaleA.buffer, scaleB.buffer)
    (result.tail.a_zero_row, result.tail.a_zero_batch) = (zeroA.strides.along, zeroA.strides.batch)
    (result.tail.b_zero_column, result.tail.b_zero_batch) = (zeroB.strides.along, zeroB.strides.batch)
    (result.tail.a_scale_row, result.tail.a_scale_batch) = (scaleA.strides.along, scaleA.strides.batch)
    (result.tail.b_scale_column, result.tail.b_scale_batch) = (scaleB.strides.along, scaleB.strides.batch)
    result.scaleY = try scalar(node, roles.scaleY)
    result.zeroY = try scalar(node, roles.zeroY)
    if let bias = roles.bias, let id = node.optionalInput(bias) {
      result.bias = try input(id)
      result.biasIsFloat = try elementType(id) == .float32
      result.tail.bias_column = try checkedElementCount(try extents(id)) == 1 ? 0 : 1
    }
    let type = try elementType(node.output(0))
    result.tail.output_type = type.rawValue
    result.tail.alpha = roles.alpha
    (result.tail.low, result.tail.high) = type == .int8 ? (-128, 127) : (0, 255)
    if let tail = node.node.tail {
      (result.tail.low, result.tail.high) = (tail.low, tail.high)
      if let addition = tail.addition, let residual = node.node.residual {
        result.residual = try input(residual, layout)
        (result.tail.factor_a, result.tail.factor_b) = (addition.factorA, addition.factorB)
        (result.tail.zero_a, result.tail.zero_b) = (addition.zeroA, addition.zeroB)
        result.tail.residual_zero = addition.zero
        (result.tail.residual_low, result.tail.residual_high) = (addition.low, addition.high)
      }
    }
    return result
  }

  /// Packed B: a constant's once a model, another value's by a step of each run.
  private func packedRight(_ node: BoundNode, _ product: IntegerProduct) throws(ApusError) -> BufferID {
    let shape = product.shape
    let right = node.input(product.roles.b)
    var arguments = apusk_integer_pack_args()
    arguments.batches = Int64(shape.matricesB)
    arguments.k = Int64(shape.k)
    arguments.n = Int64(shape.n)
    arguments.batch_stride = Int64(shape.k * shape.n)
    arguments.k_stride = Int64(product.strideBK)
    arguments.column_stride = Int64(product.strideN)
    arguments.type = try elementType(right).rawValue
    var plan = apusk_plan()
    try check(apusk_integer_pack_plan(&arguments, &plan))
    let bytes = Int(apusk_integer_packed_bytes(arguments.k, arguments.n))
    let total = try bytes.checkedMultiplied(by: shape.matricesB)
    let base = arguments
    if let constant = constantTensor(right) {
      let parameters = [shape.k, shape.n, product.strideBK, product.strideN, shape.matricesB]
      return packed(
        PackedRequest(
          tensor: constant, packing: Packing(.matrixInteger, level: 0, parameters), byteCount: total
        ) { source, target in
          var arguments = base
          arguments.source = source
          arguments.packed = target.assumingMemoryBound(to: Int8.self)
          apusk_integer_pack(&arguments)
        })
    }
    let source = try input(right)
    let target = temporary(byteCount: total)
    try emit(plan, [source, target]) { pointers in
      var arguments = base
      arguments.source = UnsafeRawPointer(pointers[source])
      arguments.packed = pointers[target]?.assumingMemoryBound(to: Int8.self)
      return arguments
    }
    return target
  }

  /// Emits a product with its tail; the result is dense `[batch..., m, n]`.
  func emitIntegerProduct(_ node: BoundNode, _ product: IntegerProduct) throws(ApusError) {
    let (shape, roles) = (product.shape, product.roles)
    let tail = try integerTail(
      node, roles, rows: shape.m, columns: shape.n, matricesA: shape.matricesA, matricesB: shape.matricesB, .plain)
    let right = try packedRight(node, product)
    let matrices = shape.batchMatrices()
    var arguments = apusk_integer_gemm_args()
    arguments.batches = Int64(matrices.a.count)
    arguments.m = Int64(shape.m)
    arguments.n = Int64(shape.n)
    arguments.k = Int64(shape.k)
    arguments.a_batch = Int64(shape.m * shape.k)
    arguments.a_row = Int64(product.strideM)
    arguments.a_k = Int64(product.strideAK)
    arguments.a_type = try elementType(node.input(roles.a)).rawValue
    arguments.b_type = try elementType(node.input(roles.b)).rawValue
    arguments.tail = tail.tail
    var tables: (a: BufferID?, b: BufferID?) = (nil, nil)
    if shape.matricesB == 1 && matrices.a.count == shape.matricesA && product.strideAK == 1 && tail.rowsFollow(shape.m) {
      // All rows meet one B.
      arguments.m *= arguments.batches
      arguments.batches = 1
    } else {
      tables = (table(matrices.a), table(matrices.b))
    }
    var plan = apusk_plan()
    try check(apusk_integer_gemm_plan(level, &arguments, &plan))
    let base = arguments
    let (tableA, tableB) = tables
    let source = try input(node.input(roles.a))
    let target = try output(node.output(0))
    try emit(plan, [source, right, tableA, tableB, target] + tail.touched) { pointers in
      var arguments = base
      arguments.a = UnsafeRawPointer(pointers[source])
      arguments.b = UnsafePointer(pointers[right]?.assumingMemoryBound(to: Int8.self))
      arguments.c = pointers[target]
      arguments.a_matrices = UnsafePointer(pointers.integers(tableA))
      arguments.b_matrices = UnsafePointer(pointers.integers(tableB))
      arguments.tail = tail.resolved(pointers)
      return arguments
    }
  }
}
