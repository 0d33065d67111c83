import CApusPlatform
import COpenBLAS

/// Products of row-major matrices by OpenBLAS, on the calling thread; the pool splits the work above it.
enum BLAS {
  /// Name of the kernels in use, as OpenBLAS calls them ("SkylakeX", "Zen", ...). Selects them at its first use.
  static let core: String = {
    var cpu = apusp_cpu()
    apusp_cpu_detect(&cpu)
    return String(
      cString: apus_openblas_start(
        cpu.level >= Int32(APUSP_LEVEL_AVX2) ? 1 : 0, cpu.level >= Int32(APUSP_LEVEL_AVX512) ? 1 : 0))
  }()

  /// C[m, n] = alpha * op(A)[m, k] * op(B)[k, n] + beta * C, where op transposes if asked. With beta 0 C need not be set.
  static func multiply(
    m: Int, n: Int, k: Int, alpha: Float = 1, _ a: UnsafePointer<Float>, transposeA: Bool = false,
    _ b: UnsafePointer<Float>, transposeB: Bool = false, beta: Float, _ c: UnsafeMutablePointer<Float>
  ) {
    guard m > 0, n > 0 else { return }
    cblas_sgemm(
      CblasRowMajor, transposeA ? CblasTrans : CblasNoTrans, transposeB ? CblasTrans : CblasNoTrans, Int32(m), Int32(n), Int32(k),
      alpha, a, Int32(max(1, transposeA ? m : k)), b, Int32(max(1, transposeB ? k : n)), beta, c, Int32(n))
  }
}

extension Context {
  /// `BLAS.multiply` with the rows of C split over the pool.
  ///
  /// The split follows from m, n and k alone: OpenBLAS gives a row the same bits only where it stands at the same place of a
  /// product of the same size.
  func multiply(
    m: Int, n: Int, k: Int, alpha: Float = 1, _ a: UnsafePointer<Float>, transposeA: Bool = false,
    _ b: UnsafePointer<Float>, transposeB: Bool = false, beta: Float, _ c: UnsafeMutablePointer<Float>
  ) {
    // About 2^19 multiplications a part: some ten microseconds, where a fork begins to pay.
    let wanted = min(16, m * n * k >> 19)
    guard wanted > 1, m >= 16 else {
      BLAS.multiply(m: m, n: n, k: k, alpha: alpha, a, transposeA: transposeA, b, transposeB: transposeB, beta: beta, c)
      return
    }
    let rows = max(8, ((m + wanted - 1) / wanted + 7) / 8 * 8)
    pool.forEach((m + rows - 1) / rows) { part, _ in
      let first = part * rows
      let count = min(rows, m - first)
      cblas_sgemm(
        CblasRowMajor, transposeA ? CblasTrans : CblasNoTrans, transposeB ? CblasTrans : CblasNoTrans, Int32(count), Int32(n),
        Int32(k), alpha, a + (transposeA ? first : first * k), Int32(max(1, transposeA ? m : k)), b,
        Int32(max(1, transposeB ? k : n)), beta, c + first * n, Int32(n))
    }
  }
}
