import CApusKernels
import Testing

/// Distinct 16-byte elements, of which narrower tests take the low part.
private struct Wide: BitwiseCopyable, Equatable { var low: UInt64, high: UInt64 }

@Suite struct MovementTests {
  private static func strided<Element: BitwiseCopyable>(
    _ x: [Element], _ arguments: apusk_strided_copy_args, count: Int, _ random: inout ProductRandom, _ label: String
  ) -> [Element] {
    guard let filler = x.first else { return [] }
    let input = KernelArray(x, offset: 1), output = KernelArray([Element](repeating: filler, count: count))
    var arguments = arguments
    arguments.element_bytes = Int32(MemoryLayout<Element>.stride)
    arguments.input = UnsafeRawPointer(input.elements)
    arguments.output = UnsafeMutableRawPointer(output.elements)
    return runEveryWay(output, arguments, &random, label) { level, arguments, plan in
      arguments.level = level
      apusk_strided_copy_plan(&arguments, &plan)
      return 0
    }
  }

  private static func transposes<Element: BitwiseCopyable & Equatable>(seed: UInt64, _ element: (UInt64) -> Element) {
    var random = ProductRandom(seed: seed)
    for round in 0..<60 {
      var shape = random.shape(rank: 0...6, extent: round % 4 == 0 ? 5 : 3)
      if round % 3 == 0 { shape = [random.int(1...2), random.int(1...40), random.int(1...40)] }
      if round == 0 { shape = [2100] }
      let perm = Array(shape.indices).shuffled(using: &random)
      let count = shape.reduce(1, *)
      let x = (0..<count).map { element(UInt64($0)) }
      var arguments = apusk_strided_copy_args()
      let label = "seed \(seed), round \(round), \(shape), \(perm)"
      #expect(
        apusk_strided_copy_set_transpose(&arguments, Int32(shape.count), shape.map(Int64.init), perm.map(Int32.init)) == 0)
      let y = strided(x, arguments, count: count, &random, label)
      let output = perm.map { shape[$0] }
      let expected = coordinates(output).map { coordinate -> Element in
        var source = [Int](repeating: 0, count: shape.count)
        for (d, axis) in perm.enumerated() { source[axis] = coordinate[d] }
        return x[zip(source, shape).reduce(0) { $0 * $1.1 + $1.0 }]
      }
      #expect(y == expected, "\(label)")
    }
  }

  @Test func transposeMovesElementsOfEachWidth() {
    Self.transposes(seed: 81) { UInt8(truncatingIfNeeded: $0) }
    Self.transposes(seed: 82) { UInt16(truncatingIfNeeded: $0) }
    Self.transposes(seed: 83) { UInt32(truncatingIfNeeded: $0) }
    Self.transposes(seed: 84) { $0 }
    Self.transposes(seed: 85) { Wide(low: $0, high: ~$0) }
  }

  @Test func channelsMoveLastAndBack() {
    var random = ProductRandom(seed: 86)
    let shape: [Int64] = [2, 19, 7, 9]
    let x = random.floats(2 * 19 * 7 * 9)
    var arguments = apusk_strided_copy_args()
    #expect(apusk_strided_copy_set_transpose(&arguments, 4, shape, [0, 2, 3, 1]) == 0)
    #expect(arguments.rank == 3)
    let last = Self.strided(x, arguments, count: x.count, &random, "to channels-last")
    #expect(last[1] == x[63] && last[19] == x[1])
    #expect(apusk_strided_copy_set_transpose(&arguments, 4, [2, 7, 9, 19], [0, 3, 1, 2]) == 0)
    #expect(Self.strided(last, arguments, count: x.count, &random, "and back") == x)
  }

  @Test(arguments: [5, 16, 101]) func planesOfBytesBecomePixels(count: Int) {
    var random = ProductRandom(seed: 90)
    let x = (0..<(6 * count)).map { _ in UInt8(random.int(0...255)) }
    var arguments = apusk_strided_copy_args()
    #expect(apusk_strided_copy_set_transpose(&arguments, 3, [2, 3, Int64(count)], [0, 2, 1]) == 0)
    let pixels = Self.strided(x, arguments, count: x.count, &random, "\(count) pixels")
    #expect(pixels == coordinates([2, count, 3]).map { x[($0[0] * 3 + $0[2]) * count + $0[1]] })
  }

  @Test func expandRepeats() {
    var random = ProductRandom(seed: 87)
    for round in 0..<60 {
      let output = random.shape(rank: 0...5, extent: 5)
      let input = Array(output.map { random.bool() ? 1 : $0 }.suffix(random.int(0...output.count)))
      let x = random.floats(input.reduce(1, *))
      var arguments = apusk_strided_copy_args()
      let label = "seed 87, round \(round), \(input) to \(output)"
      #expect(
        apusk_strided_copy_set_expand(
          &arguments, Int32(input.count), input.map(Int64.init), Int32(output.count), output.map(Int64.init)) == 0)
      let y = Self.strided(x, arguments, count: output.reduce(1, *), &random, label)
      if !x.isEmpty { #expect(y == coordinates(output).map { x[broadcastIndex($0, in: input)] }, "\(label)") }
    }
  }

  @Test func viewsMayStepBackFromAnOffset() {
    var random = ProductRandom(seed: 88)
    let x = (0..<60).map { Int32($0) }
    var arguments = apusk_strided_copy_args()
    #expect(apusk_strided_copy_set_view(&arguments, 3, [3, 2, 4], [20, 10, -2]) == 0)
    arguments.input_offset = 7
    let y = Self.strided(x, arguments, count: 24, &random, "view")
    #expect(y == coordinates([3, 2, 4]).map { Int32(7 + $0[0] * 20 + $0[1] * 10 - $0[2] * 2) })
  }

  @Test func impossibleShapesAreRefused() {
    var arguments = apusk_strided_copy_args()
    #expect(apusk_strided_copy_set_transpose(&arguments, 2, [2, 3], [0, 0]) == 106)
    #expect(apusk_strided_copy_set_transpose(&arguments, 2, [2, 3], [0, 2]) == 106)
    #expect(apusk_strided_copy_set_transpose(&arguments, 9, [Int64](repeating: 2, count: 9), (0..<9).reversed()) == 301)
    #expect(apusk_strided_copy_set_expand(&arguments, 1, [2], 1, [3]) == 106)
    #expect(apusk_strided_copy_set_expand(&arguments, 2, [1, 2], 1, [2]) == 106)
    #expect(apusk_strided_copy_set_expand(&arguments, 0, nil, 65, [Int64](repeating: 1, count: 65)) == 301)
  }

  @Test func copyAndFillCoverEveryByteAndNoMore() {
    var random = ProductRandom(seed: 89)
    for count in [0, 1, 63, 1024, 1025, 5000] {
      let x = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 7) }
      let input = KernelArray(x), output = KernelArray([UInt8](repeating: 0, count: count), offset: 1)
      let copy = apusk_copy_args(input: input.elements, output: output.elements, bytes: Int64(count))
      let copied = runEveryWay(output, copy, &random, "copy \(count)") { level, arguments, plan in
        apusk_copy_plan(&arguments, &plan)
        return 0
      }
      #expect(copied == x)

      func filled<Element: BitwiseCopyable & Equatable>(_ element: Element, low: UInt64, high: UInt64, other: Element) {
        let target = KernelArray([Element](repeating: other, count: count), offset: 1)
        let fill = apusk_fill_args(
          output: target.elements, count: Int64(count), low: low, high: high,
          element_bytes: Int32(MemoryLayout<Element>.stride), reserved: 0)
        let y = runEveryWay(target, fill, &random, "fill \(count)") { level, arguments, plan in
          apusk_fill_plan(&arguments, &plan)
          return 0
        }
        #expect(y.allSatisfy { $0 == element }, "fill \(count)")
      }
      filled(UInt8(0x34), low: 0x1234, high: 0, other: 0)
      filled(UInt16(0x1234), low: 0x1234, high: 0, other: 0)
      filled(Float(1.5), low: UInt64(Float(1.5).bitPattern), high: 0, other: 0)
      filled(UInt64(0x1234_5678_9ABC_DEF0), low: 0x1234_5678_9ABC_DEF0, high: 0, other: 0)
      filled(Wide(low: 5, high: 6), low: 5, high: 6, other: Wide(low: 0, high: 0))
    }
  }

  @Test func blockCopiesConcatenate() {
    var random = ProductRandom(seed: 90)
    for round in 0..<20 {
      let rows = random.int(0...7), widths = (0..<random.int(1...4)).map { _ in random.int(0...9) }
      let whole = widths.reduce(0, +)
      let output = KernelArray([Int32](repeating: -1, count: rows * whole))
      var expected = output.values
      var offset = 0
      for (k, width) in widths.enumerated() {
        let x = (0..<(rows * width)).map { Int32(k * 1000 + $0) }
        let input = KernelArray(x)
        for r in 0..<rows { for i in 0..<width { expected[r * whole + offset + i] = x[r * width + i] } }
        let arguments = apusk_block_copy_args(
          input: input.elements, output: output.elements, input_offset: 0, output_offset: Int64(offset * 4), rows: Int64(rows),
          block_bytes: Int64(width * 4), input_row_bytes: Int64(width * 4), output_row_bytes: Int64(whole * 4))
        var plan = apusk_plan()
        var copy = arguments
        apusk_block_copy_plan(&copy, &plan)
        #expect(runProduct(plan, arguments, split: &random).0 == 0)
        offset += width
      }
      #expect(output.values == expected && output.guardsIntact, "seed 90, round \(round), \(rows) rows, \(widths)")
    }
  }

  @Test(arguments: [4, 8]) func gatherTakesBlocksByIndex(indexBytes: Int) {
    let seed = UInt64(90 + indexBytes)
    var random = ProductRandom(seed: seed)
    for round in 0..<40 {
      let outer = random.int(0...3), size = random.int(1...6), count = random.int(0...7), block = random.int(0...5)
      let data = (0..<(outer * size * block)).map { UInt16($0) }
      let indices = (0..<count).map { _ in random.int(-size...(size - 1)) }
      let input = KernelArray(data)
      let narrow = KernelArray(indices.map { Int32($0) }), wide = KernelArray(indices.map { Int64($0) })
      let output = KernelArray([UInt16](repeating: 0xFFFF, count: outer * count * block))
      var arguments = apusk_gather_args()
      arguments.data = UnsafeRawPointer(input.elements)
      arguments.indices = indexBytes == 4 ? UnsafeRawPointer(narrow.elements) : UnsafeRawPointer(wide.elements)
      arguments.output = UnsafeMutableRawPointer(output.elements)
      (arguments.outer, arguments.axis_size, arguments.index_count) = (Int64(outer), Int64(size), Int64(count))
      (arguments.block_bytes, arguments.index_bytes) = (Int64(block * 2), Int32(indexBytes))
      let label = "seed \(seed), round \(round), [\(outer), \(size), \(block)] by \(indices)"
      let y = runEveryWay(output, arguments, &random, label) { level, arguments, plan in
        apusk_gather_plan(&arguments, &plan)
        return 0
      }
      var expected: [UInt16] = []
      for o in 0..<outer {
        for index in indices {
          let from = (o * size + (index < 0 ? index + size : index)) * block
          expected += data[from..<(from + block)]
        }
      }
      #expect(y == expected, "\(label)")
    }
  }

  @Test func anIndexOutOfRangeIsAFaultWithItsNumbers() {
    let data = KernelArray([Float](repeating: 1, count: 6)), output = KernelArray([Float](repeating: 7, count: 8))
    for (value, size) in [(Int64(3), Int64(3)), (-4, 3), (.max, 3), (.min, 3), (0, 0)] {
      let indices = KernelArray(size == 0 ? [value, 0, 0, 0] : [0, -3, value, 1])
      var arguments = apusk_gather_args()
      arguments.data = UnsafeRawPointer(data.elements)
      arguments.indices = UnsafeRawPointer(indices.elements)
      arguments.output = UnsafeMutableRawPointer(output.elements)
      (arguments.outer, arguments.axis_size, arguments.index_count) = (2, size, 4)
      (arguments.block_bytes, arguments.index_bytes) = (4, 8)
      var plan = apusk_plan()
      apusk_gather_plan(&arguments, &plan)
      var worker = apusp_worker()
      #expect(plan.kernel(&arguments, 0, plan.units, &worker) == 600)
      let fault = worker.fault
      #expect(fault.code == 600 && fault.operand == 1 && fault.position == (size == 0 ? 0 : 2) && fault.value == value)
      #expect(fault.lower == -size && fault.upper == size)
    }
    #expect(output.guardsIntact)
  }
}
