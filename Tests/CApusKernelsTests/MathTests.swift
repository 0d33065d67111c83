import CApusKernels
import Foundation
import Testing

private struct ArrayFunction: Sendable {
  let name: String
  let byLevel: [@convention(c) (UnsafeMutablePointer<Float>?, UnsafePointer<Float>?, Int64) -> Void]
  let reference: @Sendable (Double) -> Double
  let bound: Double

  func callAsFunction(_ level: Int32, _ x: [Float]) -> [Float] {
    var y = x
    x.withUnsafeBufferPointer { input in
      y.withUnsafeMutableBufferPointer { output in byLevel[Int(level)](output.baseAddress, input.baseAddress, Int64(x.count)) }
    }
    return y
  }
}

/// The bounds are those that the headers state; over all 2^32 floats the largest errors are 1.013, 0.832, 1.332 and 2.402.
private let functions = [
  ArrayFunction(
    name: "exp", byLevel: [apusk_exp_f32_portable, apusk_exp_f32_avx2, apusk_exp_f32_avx512], reference: { exp($0) },
    bound: 1.02),
  ArrayFunction(
    name: "log", byLevel: [apusk_log_f32_portable, apusk_log_f32_avx2, apusk_log_f32_avx512], reference: { log($0) },
    bound: 0.84),
  ArrayFunction(
    name: "tanh", byLevel: [apusk_tanh_f32_portable, apusk_tanh_f32_avx2, apusk_tanh_f32_avx512], reference: { tanh($0) },
    bound: 1.34),
  ArrayFunction(
    name: "sigmoid", byLevel: [apusk_sigmoid_f32_portable, apusk_sigmoid_f32_avx2, apusk_sigmoid_f32_avx512],
    reference: { 1 / (1 + exp(-$0)) }, bound: 2.41),
]

@Suite struct MathTests {
  @Test(arguments: 0..<4) func staysWithinItsErrorBoundOnEveryBinadeWithTheSameBitsOnEachLevel(index: Int) {
    let function = functions[index]
    var worst = 0.0
    var at: Float = 0
    // A prime step through all bit patterns: each binade of both signs 2,000 times; and the range where results are ordinary.
    var x: [Float] = []
    for pattern in stride(from: UInt64(0), to: 1 << 32, by: 4_001) { x.append(Float(bitPattern: UInt32(pattern))) }
    for i in 0..<400_000 { x.append(Float(i - 200_000) * 0x1.0007p-11) }
    let portable = function(APUSK_LEVEL_PORTABLE, x)
    for (x, y) in zip(x, portable) {
      let error = ulps(y, from: function.reference(Double(x)))
      if error > worst { (worst, at) = (error, x) }
    }
    #expect(worst <= function.bound, "\(function.name) is \(worst) ulp off at \(at)")
    for level in productLevels.dropFirst() {
      #expect(productBits(function(level, x)) == productBits(portable), "\(function.name), level \(level)")
    }
  }

  @Test func specialValues() {
    let x: [Float] = [0, -0.0, .infinity, -.infinity, .nan, -1, .leastNonzeroMagnitude, 89, -104, 88.72, -87.4, -100]
    for level in productLevels {
      let e = functions[0](level, x)
      #expect(e[0] == 1 && e[1] == 1 && e[2] == .infinity && e[3] == 0 && e[4].isNaN && e[7] == .infinity && e[8] == 0)
      #expect(e[9] < .infinity && e[10] < .leastNormalMagnitude && e[10] > 0 && e[11] > 0)
      let l = functions[1](level, x)
      #expect(l[0] == -.infinity && l[1] == -.infinity && l[2] == .infinity && l[3].isNaN && l[4].isNaN && l[5].isNaN)
      #expect(l[6] == Float(log(Double(Float.leastNonzeroMagnitude))) && functions[1](level, [1])[0] == 0)
      let t = functions[2](level, x)
      #expect(t[0].bitPattern == 0 && t[1].sign == .minus && t[1] == 0 && t[2] == 1 && t[3] == -1 && t[4].isNaN)
      #expect(t[6] == .leastNonzeroMagnitude)
      let s = functions[3](level, x)
      #expect(s[0] == 0.5 && s[1] == 0.5 && s[2] == 1 && s[3] == 0 && s[4].isNaN && s[8] == 0 && s[11] > 0)
    }
  }

  /// Of x / (1 + e^-(alpha x)), in units of |x|: where the quotient is small nothing smaller is asked for.
  @Test(arguments: [1, 1.702, -0.25] as [Float])
  func swishStaysWithinItsErrorBoundWithTheSameBitsOnEachLevel(alpha: Float) {
    var x: [Float] = [0, -0.0, .infinity, -.infinity, .nan, .greatestFiniteMagnitude, -.greatestFiniteMagnitude]
    for i in 0..<400_001 { x.append(Float(i - 200_000) * 0x1.0007p-10) }
    let portable = swish(APUSK_LEVEL_PORTABLE, x, alpha)
    #expect(portable[0].bitPattern == 0 && portable[1].sign == .minus && portable[1] == 0 && portable[4].isNaN)
    let (large, small) = alpha > 0 ? (2, 3) : (3, 2)
    #expect(portable[large] == x[large] && portable[small].isNaN)
    #expect(portable[large + 3] == x[large + 3] && portable[small + 3] == 0)
    var worst = 0.0
    for (x, y) in zip(x, portable).dropFirst(7) where x != 0 {
      let reference = Double(x) / (1 + exp(-Double(alpha) * Double(x)))
      worst = max(worst, abs(Double(y) - reference) / abs(Double(x)))
    }
    #expect(worst <= 1.4e-7, "\(worst)")
    for level in productLevels.dropFirst() {
      #expect(productBits(swish(level, x, alpha)) == productBits(portable), "level \(level)")
    }
  }

  /// Over two rows with a gap, which stays as it was.
  private func swish(_ level: Int32, _ x: [Float], _ alpha: Float) -> [Float] {
    let half = (x.count + 1) / 2
    var y = Array(x[..<half]) + [77] + Array(x[half...]) + Array(repeating: 0, count: 2 * half - x.count)
    let byLevel = [apusk_activate_f32_portable, apusk_activate_f32_avx2, apusk_activate_f32_avx512]
    byLevel[Int(level)](&y, 2, Int64(half + 1), Int64(half), APUSK_ACTIVATION_SWISH, alpha, 0)
    #expect(y[half] == 77)
    return Array(y[..<half]) + Array(y[(half + 1)...].prefix(x.count - half))
  }

  @Test func anElementsPlaceDoesNotChangeItsResult() {
    var random = ProductRandom(seed: 11)
    for function in functions {
      let x = random.specials(50)
      for level in productLevels {
        let together = function(level, x)
        let alone = x.map { function(level, [$0])[0] }
        #expect(productBits(together) == productBits(alone), "\(function.name), level \(level)")
        for count in 0...33 {
          let some = KernelArray(Array(x.prefix(count)), offset: 1)
          function.byLevel[Int(level)](some.elements, some.elements, Int64(count))
          #expect(productBits(some.values) == productBits(Array(together.prefix(count))), "\(function.name), count \(count)")
          #expect(some.guardsIntact, "\(function.name), count \(count)")
        }
      }
    }
  }
}
