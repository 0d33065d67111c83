import CApusKernels
import Foundation
import Testing

@Suite struct SoftmaxTests {
  private static func run(
    _ function: Int32, _ x: [Float], _ outer: Int, _ n: Int, _ inner: Int, _ random: inout ProductRandom
  ) -> [Float] {
    let inPlace = random.bool()
    let input = KernelArray(x, offset: random.int(0...3))
    let output = inPlace ? input : KernelArray([Float](repeating: 7, count: x.count))
    let arguments = apusk_softmax_args(
      input: input.elements, output: output.elements, outer: Int64(outer), n: Int64(n), inner: Int64(inner))
    return runEveryWay(output, arguments, &random, "function \(function), [\(outer), \(n), \(inner)], in place \(inPlace)") {
      apusk_softmax_plan($0, function, &$1, &$2)
    }
  }

  private static func mathFunction(
    _ function: (UnsafeMutablePointer<Float>?, UnsafePointer<Float>?, Int64) -> Void, _ x: [Float]
  ) -> [Float] {
    let buffer = KernelArray(x)
    function(buffer.elements, buffer.elements, Int64(x.count))
    return buffer.values
  }

  /// The header's formula, in its order.
  private static func formula(_ function: Int32, _ row: [Float]) -> [Float] {
    let largest = row.reduce(-Float.infinity) { $1 > $0 ? $1 : $0 }
    let e = mathFunction(apusk_exp_f32_portable, row.map { $0 - largest })
    let sum = sumInLaneOrder(e)
    if function == APUSK_SOFTMAX { return e.map { $0 / sum } }
    let logSum = mathFunction(apusk_log_f32_portable, [sum])[0]
    return row.map { $0 - largest - logSum }
  }

  @Test(arguments: [APUSK_SOFTMAX, APUSK_LOG_SOFTMAX]) func followsItsFormulaInBothLayoutsBitForBit(function: Int32) {
    let seed = UInt64(60 + function)
    var random = ProductRandom(seed: seed)
    for round in 0..<80 {
      let n = round % 4 == 0 ? random.int(0...300) : random.int(1...40)
      let outer = random.int(0...5), inner = round % 2 == 0 ? 1 : random.int(1...40)
      let count = outer * n * inner
      let x = round % 5 == 0 ? random.specials(count) : random.floats(count).map { $0 * 20 }
      let y = Self.run(function, x, outer, n, inner, &random)
      for o in 0..<outer {
        for i in 0..<inner {
          let indices = (0..<n).map { (o * n + $0) * inner + i }
          let expected = Self.formula(function, indices.map { x[$0] })
          #expect(productBits(indices.map { y[$0] }) == productBits(expected), "seed \(seed), round \(round), row \(o) \(i)")
        }
      }
    }
  }

  @Test func isCloseToDoublePrecision() {
    var random = ProductRandom(seed: 62)
    for n in [1, 2, 10, 16, 17, 1000] {
      let x = random.floats(n).map { $0 * 50 }
      let largest = x.max().map(Double.init) ?? 0
      let sum = x.reduce(0.0) { $0 + exp(Double($1) - largest) }
      for (x, y) in zip(x, Self.run(APUSK_SOFTMAX, x, 1, n, 1, &random)) {
        let exact = exp(Double(x) - largest) / sum
        #expect(abs(Double(y) - exact) <= exact * 1e-5 + 1e-44, "n \(n), seed 62")
      }
      for (x, y) in zip(x, Self.run(APUSK_LOG_SOFTMAX, x, 1, n, 1, &random)) {
        let exact = Double(x) - largest - log(sum)
        #expect(abs(Double(y) - exact) <= 1e-5 * max(1, abs(exact)), "n \(n), seed 62")
      }
    }
  }

  @Test func infinitiesAndNaN() {
    var random = ProductRandom(seed: 63)
    for function in [APUSK_SOFTMAX, APUSK_LOG_SOFTMAX] {
      for bad in [[Float.nan, 1], [.infinity, 1], [-.infinity, -.infinity]] {
        #expect(Self.run(function, bad, 1, 2, 1, &random).allSatisfy { $0.isNaN })
        #expect(Self.run(function, bad, 1, 2, 1, &random).allSatisfy { $0.isNaN })
      }
    }
    #expect(Self.run(APUSK_SOFTMAX, [-.infinity, 1], 1, 2, 1, &random) == [0, 1])
    #expect(Self.run(APUSK_LOG_SOFTMAX, [-.infinity, 1], 1, 2, 1, &random) == [-.infinity, 0])
  }

  @Test func unknownFunctionsAreRefused() {
    var arguments = apusk_softmax_args()
    var plan = apusk_plan()
    #expect(apusk_softmax_plan(0, 2, &arguments, &plan) == 100)
    #expect(apusk_softmax_plan(3, APUSK_SOFTMAX, &arguments, &plan) == 100)
  }
}
