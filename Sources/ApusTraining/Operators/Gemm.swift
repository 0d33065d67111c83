import ApusGraph

extension Operator {
  /// `Y = alpha * A' * B' + beta * C` with A' [M, K], B' [K, N]; C is absent or stretches to [M, N].
  ///
  /// Training uses transA = 0 and C absent or [N]; other forms of Gemm are refused.
  static let gemm = Operator("Gemm", 13) { (call) throws(ApusError) in
    let a = try call.tensor(0)
    let b = try call.tensor(1)
    let transposeB = call.int("transB", default: 0) != 0
    guard call.int("transA", default: 0) == 0, call.float("alpha", default: 1) == 1, call.float("beta", default: 1) == 1 else {
      throw ApusError(.unsupported, "training uses Gemm with transA 0, alpha 1 and beta 1")
    }
    guard a.rank == 2, b.rank == 2, a.shape[1] == b.shape[transposeB ? 1 : 0] else {
      throw ApusError(
        .shapeMismatch, "the matrices do not go together", expected: "\(transposeB ? "[M, K] and [N, K]" : "[M, K] and [K, N]")",
        actual: "\(a.shape) and \(b.shape)")
    }
    let (m, k, n) = (a.shape[0], a.shape[1], b.shape[transposeB ? 0 : 1])
    let result = call.allocate(m * n)
    let bias = call.optionalTensor(2)
    if let bias {
      guard bias.shape == [n] else {
        throw ApusError(.shapeMismatch, "the bias does not fit", expected: "[\(n)]", actual: "\(bias.shape)")
      }
      for row in 0..<m { (result.pointer + row * n).update(from: bias.storage.pointer, count: n) }
    }
    call.context.multiply(
      m: m, n: n, k: k, a.storage.pointer, b.storage.pointer, transposeB: transposeB, beta: bias == nil ? 0 : 1, result.pointer)
    return [Output(shape: [m, n], storage: result)]
  } backward: { call in
    guard let gradient = call.outputGradients[0] else { return [] }
    let transposeB = call.int("transB", default: 0) != 0
    let (m, k) = (call.inputShape(0)[0], call.inputShape(0)[1])
    let n = call.inputShape(1)[transposeB ? 0 : 1]
    let (a, b) = (call.input(0).pointer, call.input(1).pointer)
    var byA: Storage?
    if call.wantsGradient(0) {
      let result = call.allocate(m * k)
      call.context.multiply(m: m, n: k, k: n, gradient.pointer, b, transposeB: !transposeB, beta: 0, result.pointer)
      byA = result
    }
    var byB: Storage?
    if call.wantsGradient(1) {
      let result = call.allocate(n * k)
      if transposeB {
        call.context.multiply(m: n, n: k, k: m, gradient.pointer, transposeA: true, a, beta: 0, result.pointer)
      } else {
        call.context.multiply(m: k, n: n, k: m, a, transposeA: true, gradient.pointer, beta: 0, result.pointer)
      }
      byB = result
    }
    var byC: Storage?
    if call.wantsGradient(2) {
      let result = call.allocate(n, filledWith: 0)
      addRows(gradient.pointer, rows: m, columns: n, to: result.pointer)
      byC = result
    }
    return [byA, byB, byC]
  }
}

/// Adds each row of a [rows, columns] matrix to `sum`, first row first.
func addRows(_ matrix: UnsafePointer<Float>, rows: Int, columns: Int, to sum: UnsafeMutablePointer<Float>) {
  for row in 0..<rows {
    let source = matrix + row * columns
    for column in 0..<columns { sum[column] += source[column] }
  }
}
