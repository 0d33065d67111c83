import CApusKernels
import Testing

@Suite struct QuantizeTests {
  /// Beside and on the values between two integers, where a product with the inverse of the scale may lie on the other side.
  private func values(_ scale: Float, _ random: inout ProductRandom) -> [Float] {
    var values = [Float.nan, .infinity, -.infinity, 0, -0.0, .greatestFiniteMagnitude, .leastNonzeroMagnitude]
    for number in 0..<1200 {
      var value = (Float(number) * 0.5 - 300) * scale
      for _ in 0..<random.int(0...3) { value = random.bool() ? value.nextUp : value.nextDown }
      values.append(value)
    }
    return values
  }

  @Test(arguments: [0.0186, 1 / 255, 0.5, -0.02, 3.7e-5, 1e30, 1e-31, 1e-39] as [Float], [APUSK_UINT8, APUSK_INT8])
  func bytesAreThoseOfTheQuotients(scale: Float, type: Int32) {
    var random = ProductRandom(seed: 31)
    let isSigned = type == APUSK_INT8
    let zero = isSigned ? -3 : 114, (low, high) = isSigned ? (-128, 127) : (0, 255)
    let x = values(scale, &random)
    let expected = x.map { value -> UInt8 in
      let quotient = value / scale
      let bounded = quotient.isNaN ? 0 : min(max(quotient, Float(low - zero)), Float(high - zero))
      return UInt8(truncatingIfNeeded: Int(bounded.rounded(.toNearestOrEven)) + zero)
    }
    let input = KernelArray(x), scales = KernelArray([scale]), zeros = KernelArray([UInt8(truncatingIfNeeded: zero)])
    let output = KernelArray([UInt8](repeating: 0xEE, count: x.count))
    var arguments = apusk_quantize_args()
    (arguments.x, arguments.scale) = (UnsafeRawPointer(input.elements), UnsafeRawPointer(scales.elements))
    (arguments.zero, arguments.y) = (UnsafeRawPointer(zeros.elements), UnsafeMutableRawPointer(output.elements))
    (arguments.outer, arguments.axis, arguments.inner, arguments.block) = (1, 1, Int64(x.count), 1)
    (arguments.x_type, arguments.scale_type, arguments.precision) = (APUSK_FLOAT32, APUSK_FLOAT32, APUSK_FLOAT32)
    arguments.y_type = type
    let bytes = runEveryWay(output, arguments, &random, "scale \(scale) to \(type)") {
      apusk_quantize_plan($0, &$1, &$2)
    }
    #expect(bytes == expected, "scale \(scale) to \(type)")
  }
}
