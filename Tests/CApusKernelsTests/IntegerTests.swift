// Products and convolutions of 8-bit integers against loops in 64-bit integers, exactly, with every tail.
import CApusKernels
import Testing

/// 8-bit operands with their zero points and extremes.
private struct Bytes {
  let type: Int32
  let array: KernelArray<UInt8>

  init(_ count: Int, _ type: Int32, _ random: inout ProductRandom, offset: Int = 0) {
    self.type = type
    let kind = random.int(0...2)
    array = KernelArray(
      (0..<max(1, count)).map { _ -> UInt8 in
        switch kind {
        case 0: random.bool() ? 255 : 0
        case 1: random.bool() ? 127 : 128
        default: UInt8(truncatingIfNeeded: random.next())
        }
      }, offset: offset)
  }

  func value(_ index: Int) -> Int { Self.value(array.elements[index], type) }

  static func value(_ byte: UInt8, _ type: Int32) -> Int {
    type == APUSK_INT8 ? Int(Int8(bitPattern: byte)) : Int(byte)
  }
}

/// A tail with all that its pointers are to, and the rule that it states.
private struct TailCase {
  var tail = apusk_integer_tail()
  let zeroA: Bytes
  let zeroB: Bytes
  let zeroY: Bytes
  let scaleA: KernelArray<Float>
  let scaleB: KernelArray<Float>
  let scaleY: KernelArray<Float>
  let bias: KernelArray<Int32>
  let floatBias: KernelArray<Float>
  let residual: Bytes

  init(rows: Int, columns: Int, outputs: Int, types: (a: Int32, b: Int32), byRows: Bool, _ random: inout ProductRandom) {
    let type = [APUSK_INT32, APUSK_UINT8, APUSK_INT8, APUSK_FLOAT32][random.int(0...3)]
    zeroA = Bytes(rows, types.a, &random)
    zeroB = Bytes(columns, types.b, &random)
    zeroY = Bytes(1, type, &random)
    scaleA = KernelArray((0..<rows).map { _ in Float.random(in: 0.001...0.2, using: &random) })
    scaleB = KernelArray((0..<columns).map { _ in Float.random(in: 0.001...0.05, using: &random) })
    scaleY = KernelArray([Float.random(in: 0.01...20, using: &random)])
    bias = KernelArray(
      (0..<columns).map { _ in
        random.int(0...2) == 0 ? Int32(truncatingIfNeeded: random.next()) : Int32(random.int(-2000...2000))
      })
    floatBias = KernelArray(random.floats(columns))
    residual = Bytes(outputs, type, &random)
    tail.output_type = type
    tail.alpha = random.bool() ? 1 : 0.7
    let range: ClosedRange<Int32> = type == APUSK_INT8 ? -128...127 : 0...255
    let most = random.bool() ? 50 : 0
    (tail.low, tail.high) = (range.lowerBound + Int32(random.int(0...most)), range.upperBound - Int32(random.int(0...most)))
    if random.int(0...3) > 0 { tail.a_zero = UnsafeRawPointer(zeroA.array.elements) }
    if random.int(0...2) > 0 { tail.b_zero = UnsafeRawPointer(zeroB.array.elements) }
    if random.int(0...3) > 0 { tail.y_zero = UnsafeRawPointer(zeroY.array.elements) }
    tail.a_scale = UnsafePointer(scaleA.elements)
    tail.b_scale = UnsafePointer(scaleB.elements)
    tail.y_scale = UnsafePointer(scaleY.elements)
    if random.bool() { tail.bias = UnsafePointer(bias.elements) }
    if random.bool() { tail.float_bias = UnsafePointer(floatBias.elements) }
    tail.a_zero_row = byRows && random.bool() ? 1 : 0
    tail.a_scale_row = byRows && random.bool() ? 1 : 0
    tail.b_zero_column = random.bool() ? 1 : 0
    tail.b_scale_column = random.bool() ? 1 : 0
    tail.bias_column = random.bool() ? 1 : 0
    if random.int(0...3) == 0 { tail.activation = APUSK_ACTIVATION_RELU }
    if isByte && random.bool() {
      tail.residual = UnsafeRawPointer(residual.array.elements)
      tail.factor_a = Float.random(in: 0.1...2, using: &random)
      tail.factor_b = Float.random(in: 0.1...2, using: &random)
      (tail.zero_a, tail.zero_b) = (Int32(random.int(-100...100)), Int32(random.int(-100...100)))
      tail.residual_zero = range.lowerBound + Int32(random.int(0...255))
      (tail.residual_low, tail.residual_high) = (range.lowerBound + 3, range.upperBound - 5)
    }
  }

  var isByte: Bool { tail.output_type == APUSK_UINT8 || tail.output_type == APUSK_INT8 }
  var elementBytes: Int { isByte ? 1 : 4 }

  func zeroOfA(_ row: Int) -> Int { tail.a_zero == nil ? 0 : zeroA.value(tail.a_zero_row == 0 ? 0 : row) }
  func zeroOfB(_ column: Int) -> Int { tail.b_zero == nil ? 0 : zeroB.value(tail.b_zero_column == 0 ? 0 : column) }

  private static func clamp(_ value: Float, _ low: Int32, _ high: Int32) -> Float { min(max(value, Float(low)), Float(high)) }

  /// Appends the bytes of one output, from its sum without the bias.
  func append(_ sum: Int64, row: Int, column: Int, output: Int, to bytes: inout [UInt8]) {
    let biasColumn = tail.bias_column == 0 ? 0 : column
    let total = Int32(truncatingIfNeeded: tail.bias == nil ? sum : sum + Int64(bias.elements[biasColumn]))
    func append<Element: BitwiseCopyable>(_ element: Element) { withUnsafeBytes(of: element) { bytes += $0 } }
    if tail.output_type == APUSK_INT32 { return append(total) }
    let scale = tail.alpha * scaleA.elements[tail.a_scale_row == 0 ? 0 : row]
    let factor = scale * scaleB.elements[tail.b_scale_column == 0 ? 0 : column]
    guard isByte else {
      var value = Float(total) * factor
      if tail.float_bias != nil { value += floatBias.elements[biasColumn] }
      if tail.activation == APUSK_ACTIVATION_RELU && value < 0 { value = 0 }
      return append(value)
    }
    let zero = tail.y_zero == nil ? 0 : zeroY.value(0)
    var value = (Float(total) * (factor / scaleY.elements[0])).rounded(.toNearestOrEven) + Float(zero)
    value = Self.clamp(value, tail.low, tail.high)
    if tail.residual != nil {
      let own = (value - Float(tail.zero_a)) * tail.factor_a
      let other = Float(residual.value(output) - Int(tail.zero_b)) * tail.factor_b
      value = (own + other).rounded(.toNearestOrEven) + Float(tail.residual_zero)
      value = Self.clamp(value, tail.residual_low, tail.residual_high)
    }
    bytes.append(UInt8(truncatingIfNeeded: Int(value)))
  }
}

/// 64-byte aligned memory for packed weights.
private final class PackedBytes {
  let bytes: UnsafeMutablePointer<Int8>

  init(_ count: Int64) {
    let raw = UnsafeMutableRawPointer.allocate(byteCount: Int(count) + 64, alignment: 64)
    bytes = raw.bindMemory(to: Int8.self, capacity: Int(count) + 64)
  }

  deinit { bytes.deallocate() }
}

private func anyByteType(_ random: inout ProductRandom) -> Int32 { random.bool() ? APUSK_INT8 : APUSK_UINT8 }

@Suite struct IntegerProductTests {
  @Test(arguments: 0..<12) func productsAreExact(seed: Int) {
    var random = ProductRandom(seed: UInt64(seed))
    for number in 0..<25 {
      let m = random.int(1...40)
      let n = random.int(1...100)
      let k = number == 0 ? 0 : random.bool() ? random.int(1...40) : random.int(1...300)
      let types = (a: anyByteType(&random), b: anyByteType(&random))
      let a = Bytes(m * k, types.a, &random, offset: random.int(0...3))
      let b = Bytes(n * k, types.b, &random)
      let test = TailCase(rows: m, columns: n, outputs: m * n, types: types, byRows: true, &random)
      let turned = (a: random.int(0...3) == 0, b: random.bool())
      var pack = apusk_integer_pack_args()
      (pack.batches, pack.k, pack.n, pack.type) = (1, Int64(k), Int64(n), types.b)
      (pack.k_stride, pack.column_stride) = turned.b ? (1, Int64(k)) : (Int64(n), 1)
      let packed = PackedBytes(apusk_integer_packed_bytes(pack.k, pack.n))
      pack.source = UnsafeRawPointer(b.array.elements)
      pack.packed = packed.bytes
      apusk_integer_pack(&pack)
      var expected: [UInt8] = []
      for i in 0..<m {
        for j in 0..<n {
          var sum: Int64 = 0
          let (zeroA, zeroB) = (test.zeroOfA(i), test.zeroOfB(j))
          for p in 0..<k {
            let left = a.value(turned.a ? p * m + i : i * k + p) - zeroA
            sum += Int64(left * (b.value(turned.b ? j * k + p : p * n + j) - zeroB))
          }
          test.append(sum, row: i, column: j, output: i * n + j, to: &expected)
        }
      }
      let output = KernelArray([UInt8](repeating: 0xEE, count: m * n * test.elementBytes))
      var arguments = apusk_integer_gemm_args()
      (arguments.m, arguments.n, arguments.k, arguments.batches) = (Int64(m), Int64(n), Int64(k), 1)
      (arguments.a_row, arguments.a_k) = turned.a ? (1, Int64(m)) : (Int64(k), 1)
      (arguments.a_type, arguments.b_type) = types
      arguments.a = UnsafeRawPointer(a.array.elements)
      arguments.b = UnsafePointer(packed.bytes)
      arguments.c = UnsafeMutableRawPointer(output.elements)
      arguments.tail = test.tail
      let values = runEveryWay(output, arguments, &random, "\(m)x\(n)x\(k) \(types) to \(test.tail.output_type)") {
        apusk_integer_gemm_plan($0, &$1, &$2)
      }
      #expect(values == expected, "\(m)x\(n)x\(k) \(types) to \(test.tail.output_type), seed \(seed)")
    }
  }

  /// Sums beyond 32 bits wrap: 255 * -128 * 70000 and back.
  @Test func sumsWrap() {
    let k = 140_001
    let a = KernelArray([UInt8](repeating: 255, count: k + 3))
    let b = KernelArray([UInt8](repeating: 128, count: k))
    var pack = apusk_integer_pack_args()
    (pack.batches, pack.k, pack.n, pack.type, pack.k_stride, pack.column_stride) = (1, Int64(k), 1, APUSK_INT8, 1, 1)
    let packed = PackedBytes(apusk_integer_packed_bytes(pack.k, 1))
    pack.source = UnsafeRawPointer(b.elements)
    pack.packed = packed.bytes
    apusk_integer_pack(&pack)
    let output = KernelArray<Int32>([0])
    var arguments = apusk_integer_gemm_args()
    (arguments.m, arguments.n, arguments.k, arguments.batches, arguments.a_row, arguments.a_k) = (1, 1, Int64(k), 1, Int64(k), 1)
    (arguments.a_type, arguments.b_type) = (APUSK_UINT8, APUSK_INT8)
    arguments.a = UnsafeRawPointer(a.elements)
    arguments.b = UnsafePointer(packed.bytes)
    arguments.c = UnsafeMutableRawPointer(output.elements)
    arguments.tail.output_type = APUSK_INT32
    var random = ProductRandom(seed: 5)
    let values = runEveryWay(output, arguments, &random, "wrapping") { apusk_integer_gemm_plan($0, &$1, &$2) }
    #expect(values == [Int32(truncatingIfNeeded: 255 * -128 * k)])
  }

  @Test func badArgumentsAreRefused() {
    var arguments = apusk_integer_gemm_args()
    var plan = apusk_plan()
    (arguments.m, arguments.n, arguments.k, arguments.batches) = (1, 1, 1, 1)
    (arguments.a_type, arguments.b_type) = (APUSK_UINT8, APUSK_INT8)
    arguments.tail.output_type = APUSK_INT16
    #expect(apusk_integer_gemm_plan(APUSK_LEVEL_PORTABLE, &arguments, &plan) == 100)
    arguments.tail.output_type = APUSK_INT8
    (arguments.tail.low, arguments.tail.high) = (-129, 0)
    #expect(apusk_integer_gemm_plan(APUSK_LEVEL_PORTABLE, &arguments, &plan) == 100)
    arguments.tail.output_type = APUSK_INT32
    #expect(apusk_integer_gemm_plan(99, &arguments, &plan) == 100)
    #expect(apusk_integer_packed_bytes(.max, 2) == -1)
    #expect(apusk_integer_packed_bytes(2, -1) == -1)
  }
}

@Suite struct IntegerConvolutionTests {
  private func randomGeometry(_ random: inout ProductRandom) -> apusk_conv_geometry {
    var geometry = apusk_conv_geometry()
    geometry.batch = Int64(random.int(1...2))
    geometry.axes = Int32([1, 2, 2, 2, 2, 3][random.int(0...5)])
    switch random.int(0...3) {
    case 0:
      geometry.groups = Int64(random.int(2...80))
      (geometry.cin, geometry.cout) = (geometry.groups, geometry.groups)
    case 1:
      geometry.groups = Int64(random.int(1...4))
      (geometry.cin, geometry.cout) = (geometry.groups * Int64(random.int(1...12)), geometry.groups * Int64(random.int(1...20)))
    default:
      geometry.groups = 1
      geometry.cin = Int64(random.bool() ? random.int(1...20) : 4 * random.int(1...8))
      geometry.cout = Int64(random.int(1...50))
    }
    let isPoint = random.int(0...4) == 0
    for index in 0..<geometry.axes {
      var axis = apusk_conv_axis()
      axis.kernel = Int64(isPoint ? 1 : random.int(1...5))
      axis.stride = Int64(isPoint ? 1 : random.int(1...3))
      axis.dilation = Int64(random.int(1...2))
      axis.pad = Int64(isPoint ? 0 : random.int(0...2))
      let reach = (axis.kernel - 1) * axis.dilation + 1
      axis.input = reach + Int64(random.int(0...(geometry.axes == 3 ? 3 : 11)))
      let padded = axis.input + axis.pad + Int64(isPoint ? 0 : random.int(0...2))
      axis.output = max(1, (padded - reach) / axis.stride + 1)
      apusk_conv_geometry_set(&geometry, index, &axis)
    }
    return geometry
  }

  /// Positions of a flat index on each axis.
  private func position(_ flat: Int, _ extents: [Int]) -> [Int] {
    var (result, rest) = (extents, flat)
    for axis in extents.indices.reversed() {
      result[axis] = rest % extents[axis]
      rest /= extents[axis]
    }
    return result
  }

  private func expected(_ geometry: apusk_conv_geometry, x: Bytes, w: Bytes, _ test: TailCase) -> [UInt8] {
    var copy = geometry
    let axes = (0..<geometry.axes).map { apusk_conv_geometry_axis(&copy, $0) }
    let (cin, cout, groups) = (Int(geometry.cin), Int(geometry.cout), Int(geometry.groups))
    let (groupIn, groupOut) = (cin / groups, cout / groups)
    let taps = axes.reduce(1) { $0 * Int($1.kernel) }
    let pixels = axes.reduce(1) { $0 * Int($1.output) }
    let kernels = (0..<taps).map { position($0, axes.map { Int($0.kernel) }) }
    var result: [UInt8] = []
    for image in 0..<Int(geometry.batch) {
      for pixel in 0..<pixels {
        let place = position(pixel, axes.map { Int($0.output) })
        let inputs: [Int?] = kernels.map { tap in
          var at = image
          for (axis, info) in axes.enumerated() {
            let i = place[axis] * Int(info.stride) - Int(info.pad) + tap[axis] * Int(info.dilation)
            guard i >= 0, i < Int(info.input) else { return nil }
            at = at * Int(info.input) + i
          }
          return at
        }
        for channel in 0..<cout {
          var sum = 0
          let (zeroX, zeroW) = (test.zeroOfA(0), test.zeroOfB(channel))
          for tap in 0..<taps {
            guard let at = inputs[tap] else { continue }
            for c in 0..<groupIn {
              let input = x.value(at * cin + channel / groupOut * groupIn + c) - zeroX
              sum += input * (w.value((channel * groupIn + c) * taps + tap) - zeroW)
            }
          }
          let output = (image * pixels + pixel) * cout + channel
          test.append(Int64(sum), row: 0, column: channel, output: output, to: &result)
        }
      }
    }
    return result
  }

  /// `isPlain`: weights without zero points and no residual.
  private func check(_ geometry: apusk_conv_geometry, isPlain: Bool, seed: Int, _ random: inout ProductRandom) {
    var geometry = geometry
    var inputs = Int(geometry.batch * geometry.cin)
    var outputs = Int(geometry.batch * geometry.cout)
    var weights = Int(geometry.cout * geometry.cin / geometry.groups)
    for index in 0..<geometry.axes {
      let axis = apusk_conv_geometry_axis(&geometry, index)
      (inputs, outputs, weights) = (inputs * Int(axis.input), outputs * Int(axis.output), weights * Int(axis.kernel))
    }
    let types = (a: anyByteType(&random), b: isPlain ? APUSK_INT8 : anyByteType(&random))
    let x = Bytes(inputs, types.a, &random, offset: random.int(0...3))
    let w = Bytes(weights, types.b, &random)
    var test = TailCase(
      rows: 1, columns: Int(geometry.cout), outputs: outputs, types: types, byRows: false, &random)
    if isPlain { (test.tail.b_zero, test.tail.residual) = (nil, nil) }
    var pack = apusk_integer_conv_pack_args()
    let packed = PackedBytes(apusk_integer_conv_packed_bytes(&geometry))
    (pack.geometry, pack.type, pack.packed) = (geometry, types.b, packed.bytes)
    pack.weights = UnsafeRawPointer(w.array.elements)
    var packPlan = apusk_plan()
    #expect(apusk_integer_conv_pack_plan(&pack, &packPlan) == 0)
    #expect(runProduct(packPlan, pack, split: &random, whole: false).0 == 0)
    let output = KernelArray([UInt8](repeating: 0xEE, count: outputs * test.elementBytes))
    var arguments = apusk_integer_conv_args()
    arguments.x = UnsafeRawPointer(x.array.elements)
    arguments.w = UnsafePointer(packed.bytes)
    arguments.y = UnsafeMutableRawPointer(output.elements)
    (arguments.x_type, arguments.w_type) = types
    arguments.tail = test.tail
    arguments.geometry = geometry
    let label = "\(geometry) \(types) to \(test.tail.output_type), seed \(seed)"
    let values = runEveryWay(output, arguments, &random, label) { apusk_integer_conv_plan($0, &$1, &$2) }
    #expect(values == expected(geometry, x: x, w: w, test), "\(label)")
  }

  @Test(arguments: 0..<16) func convolutionsAreExact(seed: Int) {
    var random = ProductRandom(seed: UInt64(1000 + seed))
    for _ in 0..<12 { check(randomGeometry(&random), isPlain: false, seed: seed, &random) }
  }

  /// Windows of three columns, in steps of one or two.
  @Test(arguments: 0..<8) func depthwiseConvolutionsAreExact(seed: Int) {
    var random = ProductRandom(seed: UInt64(2000 + seed))
    for number in 0..<12 {
      var geometry = apusk_conv_geometry()
      (geometry.batch, geometry.axes) = (1, 2)
      geometry.groups = Int64(random.int(2...150))
      (geometry.cin, geometry.cout) = (geometry.groups, geometry.groups)
      for index in 0..<2 as Range<Int32> {
        var axis = apusk_conv_axis()
        axis.kernel = index == 1 ? 3 : Int64(random.int(1...5))
        (axis.stride, axis.dilation, axis.pad) = (Int64(1 + number % 2), 1, Int64(random.int(0...1)))
        axis.input = axis.kernel + Int64(random.int(0...20))
        axis.output = (axis.input + 2 * axis.pad - axis.kernel) / axis.stride + 1
        apusk_conv_geometry_set(&geometry, index, &axis)
      }
      check(geometry, isPlain: true, seed: seed, &random)
    }
  }

  /// Bands inside an image have all their rows: they are read where they lie, those of few last channels by twos.
  @Test(arguments: [1, 2] as [Int64]) func depthwiseBandsAreExact(stride: Int64) {
    var random = ProductRandom(seed: UInt64(2100 + stride))
    var geometry = apusk_conv_geometry()
    (geometry.batch, geometry.axes, geometry.groups) = (2, 2, 80)
    (geometry.cin, geometry.cout) = (geometry.groups, geometry.groups)
    for (index, output) in [(0, 42), (1, 17)] as [(Int32, Int64)] {
      var axis = apusk_conv_axis()
      (axis.kernel, axis.stride, axis.dilation, axis.pad) = (3, stride, 1, 1)
      (axis.input, axis.output) = (output * stride, output)
      apusk_conv_geometry_set(&geometry, index, &axis)
    }
    for _ in 0..<2 { check(geometry, isPlain: true, seed: Int(stride), &random) }
  }

  @Test func badGeometriesAreRefused() {
    var geometry = apusk_conv_geometry()
    (geometry.batch, geometry.cin, geometry.cout, geometry.groups, geometry.axes) = (1, 3, 4, 2, 1)
    #expect(apusk_integer_conv_packed_bytes(&geometry) == -1)
    geometry.groups = 1
    geometry.transposed = 1
    #expect(apusk_integer_conv_packed_bytes(&geometry) == -1)
  }
}
