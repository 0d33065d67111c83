import CApusKernels
import Testing

/// Two shapes that broadcast, and the shape that they give.
private func broadcastPair(_ random: inout ProductRandom, extent: Int) -> (a: [Int], b: [Int], output: [Int]) {
  let full = random.shape(rank: 0...5, extent: extent)
  func operand(_ random: inout ProductRandom) -> [Int] {
    let thinned = full.map { random.int(0...3) == 0 ? 1 : $0 }
    return Array(thinned.suffix(random.int(0...full.count)))
  }
  let (a, b) = (operand(&random), operand(&random))
  let rank = max(a.count, b.count)
  let output = (0..<rank).map { d -> Int in
    let inA = d - (rank - a.count), inB = d - (rank - b.count)
    let (x, y) = (inA < 0 ? 1 : a[inA], inB < 0 ? 1 : b[inB])
    return x == 1 ? y : x
  }
  return (a, b, output)
}

private func elementCount(_ shape: [Int]) -> Int { shape.reduce(1, *) }

private func setShapes(_ arguments: inout apusk_binary_args, _ a: [Int], _ b: [Int]) -> Int32 {
  apusk_binary_set_shapes(&arguments, Int32(a.count), a.map(Int64.init), Int32(b.count), b.map(Int64.init))
}

@Suite struct BinaryTests {
  private static func check<Number: BitwiseCopyable>(
    _ type: Int32, seed: UInt64, random make: (inout ProductRandom, Int) -> [Number], divisors: ([Number]) -> [Number],
    definition: [(Number, Number) -> Number]
  ) {
    var random = ProductRandom(seed: seed)
    for round in 0..<60 {
      let shapes = broadcastPair(&random, extent: round % 10 == 0 ? 40 : 6)
      let function = random.int(0...3)
      let a = make(&random, elementCount(shapes.a))
      let b = function == 3 ? divisors(make(&random, elementCount(shapes.b))) : make(&random, elementCount(shapes.b))
      let inputA = KernelArray(a, offset: 1), inputB = KernelArray(b)
      let count = elementCount(shapes.output)
      let inPlace = shapes.a == shapes.output && random.bool()
      let output = inPlace ? inputA : KernelArray(make(&random, count), offset: random.int(0...3))
      var arguments = apusk_binary_args()
      #expect(setShapes(&arguments, shapes.a, shapes.b) == 0)
      arguments.a = UnsafeRawPointer(inputA.elements)
      arguments.b = UnsafeRawPointer(inputB.elements)
      arguments.output = UnsafeMutableRawPointer(output.elements)
      let label = "type \(type), seed \(seed), round \(round), \(shapes.a) \(shapes.b), function \(function), in place \(inPlace)"
      let y = runEveryWay(output, arguments, &random, label) { apusk_binary_plan($0, Int32(function), type, &$1, &$2) }
      let expected = coordinates(shapes.output).map {
        definition[function](a[broadcastIndex($0, in: shapes.a)], b[broadcastIndex($0, in: shapes.b)])
      }
      #expect(kernelBits(y) == kernelBits(expected), "\(label)")
    }
  }

  private static func checkInteger<Number: FixedWidthInteger & BitwiseCopyable>(_ type: Int32, _: Number.Type) {
    let edges: [Number] = [Number.min, Number.max, 0, 1, ~Number(0)]
    check(
      type, seed: 400 + UInt64(type),
      random: { (random: inout ProductRandom, count: Int) -> [Number] in
        (0..<count).map { _ -> Number in
          if random.int(0...3) == 0 { return edges[random.int(0...4)] }
          return Number(truncatingIfNeeded: random.next())
        }
      },
      divisors: { (values: [Number]) -> [Number] in values.map { $0 == 0 ? 1 : $0 } },
      definition: [
        { (x: Number, y: Number) -> Number in x &+ y }, { (x: Number, y: Number) -> Number in x &- y },
        { (x: Number, y: Number) -> Number in x &* y },
        { (x: Number, y: Number) -> Number in x.dividedReportingOverflow(by: y).partialValue },
      ])
  }

  @Test func floatArithmeticBroadcasts() {
    Self.check(
      APUSK_FLOAT32, seed: 401, random: { $0.specials($1) }, divisors: { $0 },
      definition: [{ $0 + $1 }, { $0 - $1 }, { $0 * $1 }, { $0 / $1 }] as [(Float, Float) -> Float])
  }

  @Test func doubleArithmeticBroadcasts() {
    Self.check(
      APUSK_FLOAT64, seed: 402, random: { $0.specials($1).map(Double.init) }, divisors: { $0 },
      definition: [{ $0 + $1 }, { $0 - $1 }, { $0 * $1 }, { $0 / $1 }] as [(Double, Double) -> Double])
  }

  @Test func integerArithmeticWrapsAndDivisionTruncates() {
    Self.checkInteger(APUSK_INT8, Int8.self)
    Self.checkInteger(APUSK_UINT8, UInt8.self)
    Self.checkInteger(APUSK_INT16, Int16.self)
    Self.checkInteger(APUSK_UINT16, UInt16.self)
    Self.checkInteger(APUSK_INT32, Int32.self)
    Self.checkInteger(APUSK_UINT32, UInt32.self)
    Self.checkInteger(APUSK_INT64, Int64.self)
    Self.checkInteger(APUSK_UINT64, UInt64.self)
  }

  @Test func divisionByZeroIsAFaultThatNamesTheElement() {
    let a: [Int32] = [1, 2, 3, 4, 5, 6], b: [Int32] = [7, 0, 9]
    let inputA = KernelArray(a), inputB = KernelArray(b), output = KernelArray([Int32](repeating: -1, count: 6))
    for begin in [Int64(0), 2] {
      var arguments = apusk_binary_args()
      #expect(setShapes(&arguments, [2, 3], [3]) == 0)
      arguments.a = UnsafeRawPointer(inputA.elements)
      arguments.b = UnsafeRawPointer(inputB.elements)
      arguments.output = UnsafeMutableRawPointer(output.elements)
      var plan = apusk_plan()
      #expect(apusk_binary_plan(APUSK_LEVEL_PORTABLE, APUSK_BINARY_DIV, APUSK_INT32, &arguments, &plan) == 0)
      var worker = apusp_worker()
      #expect(plan.kernel(&arguments, begin, 6, &worker) == 600)
      let fault = worker.fault
      #expect(fault.code == 600 && fault.operand == 1 && fault.value == 0)
      #expect(fault.position == (begin == 0 ? 1 : 4))
      #expect(fault.lower == 1 && fault.upper == Int64(Int32.max))
    }
  }

  @Test func theFusedActivationEqualsTheUnaryKernelAfterwards() {
    var random = ProductRandom(seed: 77)
    for activation in APUSK_ACTIVATION_NONE..<APUSK_ACTIVATION_COUNT {
      let (alpha, beta): (Float, Float) = activation == APUSK_ACTIVATION_HARD_SWISH ? (1 / 6, 0.5) : (-0.25, 0.5)
      let function =
        [
          APUSK_ACTIVATION_HARD_SIGMOID: APUSK_UNARY_HARD_SIGMOID, APUSK_ACTIVATION_HARD_SWISH: APUSK_UNARY_HARD_SWISH,
          APUSK_ACTIVATION_SWISH: APUSK_UNARY_SWISH, APUSK_ACTIVATION_GELU: APUSK_UNARY_GELU,
        ][activation] ?? activation
      for shapes in [([3, 700], [3, 700]), ([3, 700], [700]), ([1], [2100]), ([30, 70], [30, 1])] {
        let a = KernelArray(random.specials(elementCount(shapes.0))), b = KernelArray(random.floats(elementCount(shapes.1)))
        let output = KernelArray([Float](repeating: 0, count: 2100))
        var arguments = apusk_binary_args()
        #expect(setShapes(&arguments, shapes.0, shapes.1) == 0)
        arguments.a = UnsafeRawPointer(a.elements)
        arguments.b = UnsafeRawPointer(b.elements)
        arguments.output = UnsafeMutableRawPointer(output.elements)
        let plain = runEveryWay(output, arguments, &random, "plain") {
          apusk_binary_plan($0, APUSK_BINARY_ADD, APUSK_FLOAT32, &$1, &$2)
        }
        (arguments.activation, arguments.alpha, arguments.beta) = (activation, alpha, beta)
        let fused = runEveryWay(output, arguments, &random, "activation \(activation), \(shapes)") {
          apusk_binary_plan($0, APUSK_BINARY_ADD, APUSK_FLOAT32, &$1, &$2)
        }
        guard activation != APUSK_ACTIVATION_NONE else { continue }
        let after = KernelArray(plain)
        let unary = apusk_unary_args(
          input: after.elements, output: after.elements, count: 2100, alpha: Double(alpha), beta: Double(beta), gamma: 0,
          function: 0, element_type: 0)
        let expected = runEveryWay(after, unary, &random, "unary \(activation)") {
          apusk_unary_plan($0, function, APUSK_FLOAT32, &$1, &$2)
        }
        #expect(productBits(fused) == productBits(expected), "activation \(activation), \(shapes)")
      }
    }
  }

  @Test func shapesThatDoNotBroadcastOrKeepTooManyDimensionsAreRefused() {
    var arguments = apusk_binary_args()
    #expect(setShapes(&arguments, [2, 3], [2]) == 106)
    #expect(setShapes(&arguments, [0], [2]) == 106)
    #expect(setShapes(&arguments, [0], [1]) == 0)
    // Alternating broadcasts can't be merged.
    let a = (0..<10).map { $0 % 2 == 0 ? 2 : 1 }, b = (0..<10).map { $0 % 2 == 0 ? 1 : 2 }
    #expect(setShapes(&arguments, a, b) == 301)
    #expect(setShapes(&arguments, [Int](repeating: 2, count: 20), [Int](repeating: 2, count: 20)) == 0 && arguments.rank == 1)
    #expect(setShapes(&arguments, [Int](repeating: 1, count: 65), []) == 301)
  }
}
