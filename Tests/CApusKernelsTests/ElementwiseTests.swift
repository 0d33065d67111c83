import CApusKernels
import Testing

@Suite struct ElementwiseTests {
  private static func unary(_ function: Int32, _ x: Float, _ alpha: Float, _ beta: Float) -> Float {
    switch function {
    case APUSK_UNARY_RELU: x < 0 ? 0 : x
    case APUSK_UNARY_LEAKY_RELU: x < 0 ? alpha * x : x
    case APUSK_UNARY_CLIP: (x < alpha ? alpha : x) > beta ? beta : (x < alpha ? alpha : x)
    case APUSK_UNARY_NEG: -x
    case APUSK_UNARY_ABS: x.magnitude
    default: x.squareRoot()
    }
  }

  @Test(arguments: [
    APUSK_UNARY_RELU, APUSK_UNARY_LEAKY_RELU, APUSK_UNARY_CLIP, APUSK_UNARY_NEG, APUSK_UNARY_ABS, APUSK_UNARY_SQRT,
  ])
  func exactUnaryFunctionsEqualTheirDefinition(function: Int32) {
    var random = ProductRandom(seed: UInt64(100 + function))
    for count in Array(0...40) + [257] {
      let x = random.specials(count)
      let inPlace = random.bool()
      let input = KernelArray(x, offset: random.int(0...3))
      let output = inPlace ? input : KernelArray([Float](repeating: 7, count: count), offset: random.int(0...3))
      let arguments = apusk_unary_args(
        input: input.elements, output: output.elements, count: Int64(count), alpha: -0.25, beta: 0.5, gamma: 0, function: 0,
        element_type: 0)
      let y = runEveryWay(output, arguments, &random, "seed \(100 + function), count \(count), in place \(inPlace)") {
        apusk_unary_plan($0, function, APUSK_FLOAT32, &$1, &$2)
      }
      let expected = x.map { Self.unary(function, $0, -0.25, 0.5) }
      #expect(productBits(y) == productBits(expected), "function \(function), count \(count)")
    }
  }

  @Test func transcendentalUnaryFunctionsAreTheArrayFunctions() {
    var random = ProductRandom(seed: 3)
    let x = random.specials(1000)
    let all: [(Int32, (UnsafeMutablePointer<Float>?, UnsafePointer<Float>?, Int64) -> Void)] = [
      (APUSK_UNARY_EXP, apusk_exp_f32_portable), (APUSK_UNARY_LOG, apusk_log_f32_portable),
      (APUSK_UNARY_TANH, apusk_tanh_f32_portable), (APUSK_UNARY_SIGMOID, apusk_sigmoid_f32_portable),
    ]
    for (code, function) in all {
      let expected = KernelArray(x)
      function(expected.elements, expected.elements, 1000)
      let buffer = KernelArray(x)
      var arguments = apusk_unary_args()
      (arguments.input, arguments.output) = (UnsafeRawPointer(buffer.elements), UnsafeMutableRawPointer(buffer.elements))
      arguments.count = 1000
      let y = runEveryWay(buffer, arguments, &random, "function \(code)") {
        apusk_unary_plan($0, code, APUSK_FLOAT32, &$1, &$2)
      }
      #expect(productBits(y) == productBits(expected.values), "function \(code)")
    }
  }

  @Test func geluIsWithinItsErrorOfTheDefinition() {
    var random = ProductRandom(seed: 5)
    let x = (0..<4000).map { Float($0 - 2000) * 0x1.8p-8 } + random.specials(1000) + [1e-30, -1e-30, 7, -7, 3e30, -3e30]
    let input = KernelArray(x), output = KernelArray(x)
    let arguments = apusk_unary_args(
      input: input.elements, output: output.elements, count: Int64(x.count), alpha: 0, beta: 0, gamma: 0, function: 0,
      element_type: 0)
    let y = runEveryWay(output, arguments, &random, "gelu") {
      apusk_unary_plan($0, APUSK_UNARY_GELU, APUSK_FLOAT32, &$1, &$2)
    }
    for (x, y) in zip(x, y) where x.isFinite {
      let error = (Double(y) - Double(x) * normalDistribution(Double(x))).magnitude
      #expect(error <= 8e-8 * Double(x.magnitude) + 0x1p-149, "\(x): \(y)")
    }
    #expect(zip(x, y).allSatisfy { $0 != .infinity || $1 == .infinity })
    #expect(zip(x, y).allSatisfy { !$0.isNaN || $1.isNaN })
  }

  @Test func unknownFunctionsAndLevelsAreRefused() {
    var plan = apusk_plan()
    var unary = apusk_unary_args()
    #expect(apusk_unary_plan(0, 0, APUSK_FLOAT32, &unary, &plan) == 100)
    #expect(apusk_unary_plan(0, APUSK_UNARY_COUNT, APUSK_FLOAT32, &unary, &plan) == 100)
    #expect(apusk_unary_plan(7, APUSK_UNARY_RELU, APUSK_FLOAT32, &unary, &plan) == 100)
    #expect(apusk_unary_plan(0, APUSK_UNARY_SIN, APUSK_INT32, &unary, &plan) == 502)
    #expect(apusk_unary_plan(0, APUSK_UNARY_NEG, APUSK_INT4, &unary, &plan) == 502)
    var binary = apusk_binary_args()
    binary.rank = 1
    #expect(apusk_binary_plan(0, APUSK_BINARY_COUNT, APUSK_FLOAT32, &binary, &plan) == 100)
    #expect(apusk_binary_plan(0, APUSK_BINARY_ADD, APUSK_BOOL, &binary, &plan) == 502)
    #expect(apusk_binary_plan(-1, APUSK_BINARY_ADD, APUSK_FLOAT32, &binary, &plan) == 100)
    var affine = apusk_affine_args()
    affine.activation = APUSK_ACTIVATION_COUNT
    #expect(apusk_affine_plan(0, &affine, &plan) == 100)
  }

  @Test(arguments: [true, false]) func affineIsOneFusedMultiplyAddPerElement(channelsLast: Bool) {
    let seed: UInt64 = channelsLast ? 21 : 22
    var random = ProductRandom(seed: seed)
    for _ in 0..<60 {
      let (outer, channels) = (random.int(0...5), random.int(1...40))
      let inner = channelsLast ? 1 : random.int(0...40)
      let count = outer * channels * inner
      let (x, scale, shift) = (random.specials(count), random.floats(channels), random.floats(channels))
      let activation = [APUSK_ACTIVATION_NONE, APUSK_ACTIVATION_RELU, APUSK_ACTIVATION_LEAKY_RELU, APUSK_ACTIVATION_CLIP][
        random.int(0...3)]
      let inPlace = random.bool()
      let input = KernelArray(x)
      let output = inPlace ? input : KernelArray([Float](repeating: 7, count: count))
      let (scales, shifts) = (KernelArray(scale), KernelArray(shift))
      var arguments = apusk_affine_args()
      (arguments.input, arguments.output) = (UnsafePointer(input.elements), output.elements)
      (arguments.scale, arguments.shift) = (UnsafePointer(scales.elements), UnsafePointer(shifts.elements))
      (arguments.outer, arguments.channels, arguments.inner) = (Int64(outer), Int64(channels), Int64(inner))
      (arguments.activation, arguments.alpha, arguments.beta) = (activation, -0.25, 0.5)
      let label = "seed \(seed), [\(outer), \(channels), \(inner)], activation \(activation), in place \(inPlace)"
      let y = runEveryWay(output, arguments, &random, label) { apusk_affine_plan($0, &$1, &$2) }
      let expected = (0..<count).map { i in
        let c = i / inner % channels
        let v = shift[c].addingProduct(x[i], scale[c])
        return activation == APUSK_ACTIVATION_NONE ? v : Self.unary(activation, v, -0.25, 0.5)
      }
      #expect(productBits(y) == productBits(expected), "\(label)")
    }
  }
}
