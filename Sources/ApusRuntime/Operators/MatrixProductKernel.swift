import ApusGraph
import CApusKernels

extension KernelBinding {
  static let gemm = KernelBinding("Gemm", native: contractionTypes) { builder, node throws(ApusError) in
    let type = try builder.elementType(node.input(0))
    guard type == .float32 else { return try emitTypedGemm(builder, node, type) }
    let a = try builder.extents(node.input(0))
    let y = try builder.extents(node.output(0))
    let transposesA = node.attributes.flag("transA")
    let transposesB = node.attributes.flag("transB")
    let k = transposesA ? a[0] : a[1]
    let right = RightOperand(
      source: .value(node.input(1)), k: k, n: y[1], strideK: transposesB ? 1 : y[1], strideN: transposesB ? k : 1)
    var product = MatrixProduct(a: try builder.input(node.input(0)), right: right, m: y[0])
    if transposesA {
      product.arguments.a_row_stride = 1
      product.arguments.a_k_stride = Int64(y[0])
    }
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
    if let id = node.node.residual {
      residual = try builder.input(id)
      tail.residual_row_stride = Int64(y[1])
    }
    product.arguments.tail = tail
    try builder.emitProduct(product, bias: bias, residual: residual, output: try builder.output(node.output(0)))
  }

  /// Gemm of the types without packed kernels.
  private static func emitTypedGemm(
    _ builder: PlanBuilder, _ node: BoundNode, _ type: ElementType
  ) throws(ApusError) {
    let a = try builder.extents(node.input(0))
    let y = try builder.extents(node.output(0)).map { Int64($0) }
    let (turnedA, turnedB) = (node.attributes.flag("transA"), node.attributes.flag("transB"))
    let k = Int64(turnedA ? a[0] : a[1])
    var arguments = apusk_contract_args.plain
    arguments.alpha = node.attributes.float("alpha") ?? 1
    arguments.beta = node.attributes.float("beta") ?? 1
    let c = arguments.beta == 0 ? nil : node.optionalInput(2)
    let extentsC = try c.map { id throws(ApusError) in try builder.extents(id) } ?? []
    let columns = Int64(extentsC.last ?? 1)
    let rows = extentsC.count == 2 ? extentsC[0] : 1
    try builder.check(
      apusk_contract_add_axis(&arguments, y[0], turnedA ? 1 : k, 0, rows == 1 ? 0 : columns))
    try builder.check(
      apusk_contract_add_axis(&arguments, y[1], 0, turnedB ? k : 1, columns == 1 ? 0 : 1))
    try builder.check(apusk_contract_add_sum(&arguments, k, turnedA ? y[0] : 1, turnedB ? 1 : y[1]))
    try builder.emitContraction(
      arguments, type, a: try builder.input(node.input(0)), b: try builder.input(node.input(1)),
      c: try c.map { id throws(ApusError) in try builder.input(id) }, output: try builder.output(node.output(0)))
  }

  static let matMul = KernelBinding("MatMul", native: contractionTypes) { builder, node throws(ApusError) in
    let shape = try MatMulShape(try builder.extents(node.input(0)), try builder.extents(node.input(1)))
    let a = try builder.input(node.input(0))
    let type = try builder.elementType(node.input(0))
    let output = try builder.output(node.output(0))
    let (m, k, n) = (shape.m, shape.k, shape.n)
    guard type == .float32 else {
      var arguments = apusk_contract_args.plain
      let (strides, extents) = (shape.batchStrides(), shape.batch)
      for axis in extents.indices {
        try builder.check(
          apusk_contract_add_axis(
            &arguments, Int64(extents[axis]), Int64(strides.a[axis] * m * k), Int64(strides.b[axis] * k * n), 0))
      }
      try builder.check(apusk_contract_add_axis(&arguments, Int64(m), Int64(k), 0, 0))
      try builder.check(apusk_contract_add_axis(&arguments, Int64(n), 0, 1, 0))
      try builder.check(apusk_contract_add_sum(&arguments, Int64(k), 1, Int64(n)))
      return try builder.emitContraction(
        arguments, type, a: a, b: try builder.input(node.input(1)), output: output)
    }
    let right = RightOperand(
      source: .value(node.input(1)), k: k, n: n, strideK: n, strideN: 1, count: shape.matricesB)
    var product: MatrixProduct
    if shape.matricesB == 1 {
      // All matrices of A meet the same B: one tall product.
      product = MatrixProduct(a: a, right: right, m: try shape.matricesA.checkedMultiplied(by: m))
    } else {
      let batch = shape.batchMatrices()
      product = MatrixProduct(a: a, right: right, m: m)
      product.arguments.batches = Int64(batch.a.count)
      product.arguments.c_batch_stride = Int64(try m.checkedMultiplied(by: n))
      product.offsetsA = batch.a.map { $0 * Int64(m * k) }
      product.matricesB = batch.b
    }
    node.node.activation.apply(to: &product.arguments.tail)
    let bias = try node.node.bias.map { id throws(ApusError) in try builder.input(id) }
    let residual = try node.node.residual.map { id throws(ApusError) in try builder.input(id) }
    if residual != nil { product.arguments.tail.residual_row_stride = Int64(n) }
    try builder.emitProduct(product, bias: bias, residual: residual, output: output)
  }
}

/// The extents of NumPy's matmul: a vector at the left is a row, one at the right a column; axes before the last two are
/// broadcast.
struct MatMulShape {
  let m: Int
  let k: Int
  let n: Int
  let matricesA: Int
  let matricesB: Int
  /// The broadcast axes before the matrices.
  let batch: [Int]
  private let batchA: [Int]
  private let batchB: [Int]

  init(_ a: [Int], _ b: [Int]) throws(ApusError) {
    let a = a.count == 1 ? [1] + a : a
    let b = b.count == 1 ? b + [1] : b
    (m, k, n) = (a[a.count - 2], a[a.count - 1], b[b.count - 1])
    matricesA = try checkedElementCount(Array(a.dropLast(2)))
    matricesB = try checkedElementCount(Array(b.dropLast(2)))
    let rank = max(a.count, b.count) - 2
    let (padA, padB) = (Array(repeating: 1, count: rank + 2 - a.count), Array(repeating: 1, count: rank + 2 - b.count))
    batchA = padA + a.dropLast(2)
    batchB = padB + b.dropLast(2)
    batch = zip(batchA, batchB).map { $0 == 1 ? $1 : $0 }
  }

  /// How many matrices of A and of B a step along each batch axis passes; 0 where one is repeated.
  func batchStrides() -> (a: [Int], b: [Int]) {
    (MatMulShape.strides(batchA), MatMulShape.strides(batchB))
  }

  private static func strides(_ extents: [Int]) -> [Int] {
    var result = extents
    var stride = 1
    for axis in extents.indices.reversed() {
      result[axis] = extents[axis] == 1 ? 0 : stride
      stride *= extents[axis]
    }
    return result
  }

  /// Which matrix of A and of B each matrix of the product reads.
  func batchMatrices() -> (a: [Int64], b: [Int64]) {
    let strides = batchStrides()
    var result: (a: [Int64], b: [Int64]) = ([0], [0])
    for axis in batch.indices {
      var next: (a: [Int64], b: [Int64]) = ([], [])
      for position in result.a.indices {
        for index in 0..<batch[axis] {
          next.a.append(result.a[position] + Int64(index * strides.a[axis]))
          next.b.append(result.b[position] + Int64(index * strides.b[axis]))
        }
      }
      result = next
    }
    return result
  }
}
