import CApusKernels
import Foundation
import Testing

@Suite struct ReduceTests {
  /// For each output, row-major over the kept axes, the flat indices of its elements, row-major over the reduced ones.
  private static func groups(_ shape: [Int], _ mask: UInt64) -> [[Int]] {
    let kept = shape.indices.filter { mask >> UInt64($0) & 1 == 0 }
    let reduced = shape.indices.filter { mask >> UInt64($0) & 1 == 1 }
    var strides = [Int](repeating: 1, count: shape.count)
    for d in shape.indices.dropLast().reversed() { strides[d] = strides[d + 1] * shape[d + 1] }
    let inner = coordinates(reduced.map { shape[$0] }).map { zip($0, reduced).reduce(0) { $0 + $1.0 * strides[$1.1] } }
    return coordinates(kept.map { shape[$0] }).map { coordinate in
      let start = zip(coordinate, kept).reduce(0) { $0 + $1.0 * strides[$1.1] }
      return inner.map { start + $0 }
    }
  }

  private static func run<Number: BitwiseCopyable>(
    _ type: Int32, _ function: Int32, _ x: [Number], zero: Number, _ shape: [Int], _ mask: UInt64, outputs: Int,
    _ random: inout ProductRandom, _ label: String
  ) -> [Number] {
    let input = KernelArray(x, offset: random.int(0...3)), output = KernelArray([Number](repeating: zero, count: outputs))
    var arguments = apusk_reduce_args()
    #expect(apusk_reduce_set_shape(&arguments, Int32(shape.count), shape.map(Int64.init), mask) == 0)
    arguments.input = UnsafeRawPointer(input.elements)
    arguments.output = UnsafeMutableRawPointer(output.elements)
    (arguments.function, arguments.element_type) = (function, type)
    return runEveryWay(output, arguments, &random, label) { apusk_reduce_plan($0, &$1, &$2) }
  }

  @Test func floatsAreAddedInTheStatedOrderWhateverTheLayout() {
    var random = ProductRandom(seed: 51)
    for round in 0..<150 {
      let shape = random.shape(rank: 0...5, extent: round % 5 == 0 ? 24 : 7)
      let mask = random.next() & 31
      let x = round % 3 == 0 ? random.specials(shape.reduce(1, *)) : random.floats(shape.reduce(1, *))
      let groups = Self.groups(shape, mask)
      let label = "seed 51, round \(round), \(shape), mask \(mask)"
      for function in [APUSK_REDUCE_SUM, APUSK_REDUCE_MEAN] {
        let y = Self.run(APUSK_FLOAT32, function, x, zero: 9, shape, mask, outputs: groups.count, &random, label)
        let expected = groups.map { group -> Float in
          let sum = sumInLaneOrder(group.map { x[$0] })
          return function == APUSK_REDUCE_MEAN ? sum / Float(group.count) : sum
        }
        #expect(productBits(y) == productBits(expected), "\(label)")
        let wide = x.map(Double.init)
        let d = Self.run(APUSK_FLOAT64, function, wide, zero: 9, shape, mask, outputs: groups.count, &random, label)
        let expectedWide = groups.map { group -> Double in
          let sum = sumInLaneOrder(group.map { wide[$0] })
          return function == APUSK_REDUCE_MEAN ? sum / Double(group.count) : sum
        }
        #expect(kernelBits(d) == kernelBits(expectedWide), "\(label)")
      }
    }
  }

  @Test func aLargeSumStaysCloseToTheSumInDoublePrecision() {
    var random = ProductRandom(seed: 52)
    let x = (0..<100_000).map { _ in Float.random(in: 0...1, using: &random) }
    let y = Self.run(APUSK_FLOAT32, APUSK_REDUCE_SUM, x, zero: 0, [x.count], 1, outputs: 1, &random, "seed 52")
    let exact = x.reduce(0.0) { $0 + Double($1) }
    #expect(abs(Double(y[0]) - exact) < exact * 1e-5)
  }

  @Test func integersWrapAndTheirMeanTruncates() {
    var random = ProductRandom(seed: 53)
    for round in 0..<60 {
      let shape = random.shape(rank: 0...4, extent: 6)
      let mask = random.next() & 15
      let groups = Self.groups(shape, mask)
      guard groups.isEmpty || !groups[0].isEmpty else { continue }
      let x = (0..<shape.reduce(1, *)).map { _ in Int32(truncatingIfNeeded: random.next()) }
      let label = "seed 53, round \(round), \(shape), mask \(mask)"
      for function in [APUSK_REDUCE_SUM, APUSK_REDUCE_MEAN] {
        let y = Self.run(APUSK_INT32, function, x, zero: 9, shape, mask, outputs: groups.count, &random, label)
        let expected = groups.map { group -> Int32 in
          let sum = group.reduce(Int32(0)) { $0 &+ x[$1] }
          return function == APUSK_REDUCE_MEAN ? sum / Int32(group.count) : sum
        }
        #expect(y == expected, "\(label)")
        let wide = x.map { Int64($0) << 30 }
        let z = Self.run(APUSK_INT64, function, wide, zero: 9, shape, mask, outputs: groups.count, &random, label)
        let expectedWide = groups.map { group -> Int64 in
          let sum = group.reduce(Int64(0)) { $0 &+ wide[$1] }
          return function == APUSK_REDUCE_MEAN ? sum / Int64(group.count) : sum
        }
        #expect(z == expectedWide, "\(label)")
      }
    }
  }

  @Test func ofNoElementsTheSumIsZeroTheMeanNaNAndAnIntegerMeanAFault() {
    var random = ProductRandom(seed: 54)
    #expect(Self.run(APUSK_FLOAT32, APUSK_REDUCE_SUM, [Float](), zero: 9, [3, 0], 2, outputs: 3, &random, "") == [0, 0, 0])
    #expect(Self.run(APUSK_FLOAT32, APUSK_REDUCE_SUM, [Float](), zero: 9, [0, 3], 1, outputs: 3, &random, "") == [0, 0, 0])
    let means = Self.run(APUSK_FLOAT32, APUSK_REDUCE_MEAN, [Float](), zero: 9, [3, 0], 2, outputs: 3, &random, "")
    #expect(means.allSatisfy { $0.isNaN })
    #expect(Self.run(APUSK_INT64, APUSK_REDUCE_SUM, [Int64](), zero: 9, [3, 0], 2, outputs: 3, &random, "") == [0, 0, 0])
    var arguments = apusk_reduce_args()
    #expect(apusk_reduce_set_shape(&arguments, 2, [3, 0], 2) == 0)
    (arguments.function, arguments.element_type) = (APUSK_REDUCE_MEAN, APUSK_INT32)
    var plan = apusk_plan()
    #expect(apusk_reduce_plan(0, &arguments, &plan) == 0)
    var worker = apusp_worker()
    #expect(plan.units == 3 && plan.kernel(&arguments, 0, 3, &worker) == 600)
    let fault = worker.fault
    #expect(fault.code == 600 && fault.operand == 0 && fault.position == 0 && fault.value == 0)
    #expect(fault.lower == 1 && fault.upper == Int64.max)
  }

  @Test func unknownFunctionsTypesAndShapesAreRefused() {
    var arguments = apusk_reduce_args()
    var plan = apusk_plan()
    #expect(apusk_reduce_set_shape(&arguments, 9, [Int64](repeating: 2, count: 9), 0b1_0101_0101) == 301)
    #expect(apusk_reduce_set_shape(&arguments, 65, [Int64](repeating: 1, count: 65), 0) == 301)
    #expect(apusk_reduce_set_shape(&arguments, 9, [Int64](repeating: 2, count: 9), 0b1_1111_0000) == 0 && arguments.rank == 2)
    func planned(_ level: Int32, _ function: Int32, _ type: Int32) -> Int32 {
      (arguments.function, arguments.element_type) = (function, type)
      return apusk_reduce_plan(level, &arguments, &plan)
    }
    #expect(planned(0, 10, APUSK_FLOAT32) == 100)
    #expect(planned(3, APUSK_REDUCE_SUM, APUSK_FLOAT32) == 100)
    #expect(planned(0, APUSK_REDUCE_SUM, APUSK_INT8) == 502 && planned(0, APUSK_REDUCE_MAX, APUSK_INT8) == 0)
    #expect(planned(0, APUSK_REDUCE_MAX, APUSK_FLOAT16) == 502)
  }

  /// What each function makes of the elements of one output, by the library's double arithmetic.
  private static func reduced(_ function: Int32, _ x: [Double]) -> Double {
    switch function {
    case APUSK_REDUCE_MAX: x.reduce(-.infinity) { $0.isNaN || $1.isNaN ? .nan : max($0, $1) }
    case APUSK_REDUCE_MIN: x.reduce(.infinity) { $0.isNaN || $1.isNaN ? .nan : min($0, $1) }
    case APUSK_REDUCE_PROD: x.reduce(1, *)
    case APUSK_REDUCE_L1: x.reduce(0) { $0 + abs($1) }
    case APUSK_REDUCE_L2: x.reduce(0) { $0 + $1 * $1 }.squareRoot()
    case APUSK_REDUCE_SUM_SQUARE: x.reduce(0) { $0 + $1 * $1 }
    case APUSK_REDUCE_LOG_SUM: log(x.reduce(0, +))
    default: log(x.reduce(0) { $0 + exp($1) })
    }
  }

  @Test func everyFunctionOfFloatsMeetsItsDefinitionWhateverTheLayout() {
    var random = ProductRandom(seed: 55)
    for round in 0..<200 {
      let function = Int32(round % 8) + APUSK_REDUCE_MAX
      let shape = random.shape(rank: 1...4, extent: 21)
      let mask = UInt64(random.int(0...(1 << shape.count) - 1))
      let groups = Self.groups(shape, mask)
      let least = function == APUSK_REDUCE_PROD ? 0.5 : 0
      let x = (0..<shape.reduce(1, *)).map { _ in Double(random.int(1...4000)) / 4000 + least }
      let label = "round \(round): function \(function) of \(shape) by \(mask)"
      let expected = groups.map { indices in Self.reduced(function, indices.map { x[$0] }) }
      let y = Self.run(APUSK_FLOAT64, function, x, zero: 9.0, shape, mask, outputs: groups.count, &random, label)
      let w = x.map { Float($0) }
      let z = Self.run(APUSK_FLOAT32, function, w, zero: 9, shape, mask, outputs: groups.count, &random, label)
      for (i, value) in expected.enumerated() {
        #expect(y[i] == value || abs(y[i] - value) <= 1e-12 * max(1, abs(value)), "\(label)")
        #expect(Double(z[i]) == value || abs(Double(z[i]) - value) <= 2e-5 * max(1, abs(value)), "\(label)")
      }
    }
  }

  @Test func extremesKeepNaNsAndEmptySetsGiveTheBoundsOfTheType() {
    var random = ProductRandom(seed: 56)
    var x = (0..<40).map { Float($0) }
    x[7] = .nan
    let largest = Self.run(APUSK_FLOAT32, APUSK_REDUCE_MAX, x, zero: 9, [2, 20], 2, outputs: 2, &random, "")
    #expect(largest[0].isNaN && largest[1] == 39)
    let smallest = Self.run(APUSK_FLOAT32, APUSK_REDUCE_MIN, x, zero: 9, [20, 2], 1, outputs: 2, &random, "")
    #expect(smallest[0] == 0 && smallest[1].isNaN)
    let none = Self.run(APUSK_FLOAT64, APUSK_REDUCE_MAX, [Double](), zero: 9, [2, 0], 2, outputs: 2, &random, "")
    #expect(none == [-.infinity, -.infinity])
    #expect(Self.run(APUSK_INT8, APUSK_REDUCE_MIN, [Int8](), zero: 9, [2, 0], 2, outputs: 2, &random, "") == [127, 127])
    #expect(Self.run(APUSK_BOOL, APUSK_REDUCE_MIN, [UInt8](), zero: 9, [1, 0], 2, outputs: 1, &random, "") == [1])
    #expect(Self.run(APUSK_UINT64, APUSK_REDUCE_MAX, [UInt64](), zero: 9, [1, 0], 2, outputs: 1, &random, "") == [0])
    #expect(Self.run(APUSK_INT64, APUSK_REDUCE_PROD, [Int64](), zero: 9, [1, 0], 2, outputs: 1, &random, "") == [1])
    let infinite: [Float] = [.infinity, 1, -.infinity, -.infinity]
    #expect(
      Self.run(APUSK_FLOAT32, APUSK_REDUCE_LOG_SUM_EXP, infinite, zero: 9, [2, 2], 2, outputs: 2, &random, "")
        == [.infinity, -.infinity])
  }

  @Test func integersWrapAndDropFractions() {
    var random = ProductRandom(seed: 57)
    let x: [Int32] = [3, -4, 5, Int32.max, 2, 1]
    #expect(Self.run(APUSK_INT32, APUSK_REDUCE_L1, x, zero: 0, [2, 3], 2, outputs: 2, &random, "") == [12, Int32.min + 2])
    #expect(Self.run(APUSK_INT32, APUSK_REDUCE_L2, x, zero: 0, [6], 0, outputs: 6, &random, "")[..<3] == [3, 4, 5])
    #expect(Self.run(APUSK_INT32, APUSK_REDUCE_PROD, x, zero: 0, [2, 3], 2, outputs: 2, &random, "") == [-60, -2])
    #expect(Self.run(APUSK_INT32, APUSK_REDUCE_LOG_SUM_EXP, x, zero: 0, [2, 3], 2, outputs: 2, &random, "") == [5, Int32.max])
  }
}
