import CApusKernels
import Testing

/// One random convolution, channels-last, with gaps between pixels.
private struct ConvCase: CustomStringConvertible {
  var batch = 1, ih = 1, iw = 1, cin = 1, cout = 1, groups = 1
  var kh = 1, kw = 1, strideH = 1, strideW = 1, dilationH = 1, dilationW = 1
  var padTop = 0, padLeft = 0, padBottom = 0, padRight = 0
  var xGap = 0, yGap = 0
  var hasBias = false, hasResidual = false
  var tail = apusk_tail_none()
  var x: [Float] = [], w: [Float] = [], bias: [Float] = [], residual: [Float] = []

  var oh: Int { max(0, (ih + padTop + padBottom - (kh - 1) * dilationH - 1) / strideH + 1) }
  var ow: Int { max(0, (iw + padLeft + padRight - (kw - 1) * dilationW - 1) / strideW + 1) }
  var xPixel: Int { cin + xGap }
  var yPixel: Int { cout + yGap }

  var description: String {
    "x \(batch)x\(ih)x\(iw)x\(cin)+\(xGap) y \(oh)x\(ow)x\(cout)+\(yGap) kernel \(kh)x\(kw) groups \(groups) strides "
      + "\(strideH),\(strideW) dilations \(dilationH),\(dilationW) pads \(padTop),\(padLeft),\(padBottom),\(padRight) "
      + "bias \(hasBias) residual \(hasResidual) activation \(tail.activation)"
  }

  mutating func fill(_ random: inout ProductRandom, specials: Bool = false) {
    let make: (inout ProductRandom, Int) -> [Float] = { specials ? $0.specials($1) : $0.floats($1) }
    x = make(&random, batch * ih * iw * xPixel)
    w = make(&random, cout * (cin / groups) * kh * kw)
    bias = hasBias ? make(&random, cout) : []
    residual = hasResidual ? make(&random, batch * oh * ow * cout) : []
    tail.residual_row_stride = Int64(cout)
  }

  static func random(_ random: inout ProductRandom) -> ConvCase {
    var c = ConvCase()
    c.batch = random.int(1...2)
    switch random.int(0...5) {
    case 0:  // depthwise, perhaps with a multiplier
      c.groups = [random.int(2...9), random.int(10...40), random.int(130...140)][random.int(0...2)]
      c.cin = c.groups
      c.cout = c.groups * (random.bool() ? 1 : random.int(2...3))
    case 1:  // grouped
      c.groups = random.int(2...4)
      c.cin = c.groups * random.int(2...5)
      c.cout = c.groups * random.int(1...20)
    case 2:  // a first layer
      c.cin = random.bool() ? 1 : 3
      c.cout = random.int(1...40)
    case 3:  // pixels that alias in the cache
      c.cin = 512
      c.cout = random.int(1...10)
    default:
      c.cin = random.int(1...40)
      c.cout = random.int(1...70)
    }
    if c.cin < 500 || random.bool() {
      (c.kh, c.kw) = (random.int(1...5), random.int(1...5))
      (c.strideH, c.strideW) = (random.int(1...3), random.int(1...3))
      if random.bool() { (c.dilationH, c.dilationW) = (random.int(1...3), random.int(1...3)) }
      c.padTop = random.int(0...c.kh)
      c.padLeft = random.int(0...c.kw)
      // Negative: the last rows or columns of the image are not used.
      c.padBottom = random.int(-2...3)
      c.padRight = random.int(-2...3)
    }
    if random.int(0...3) == 0 { (c.kh, c.dilationH, c.strideH, c.ih) = (1, 1, 1, 1) }  // one dimension
    if random.int(0...4) == 0 { (c.padTop, c.padLeft, c.padBottom, c.padRight) = (0, 0, 0, 0) }
    c.ih = max(1, (c.kh - 1) * c.dilationH + 1 - c.padTop) + random.int(0...9)
    c.iw = max(1, (c.kw - 1) * c.dilationW + 1 - c.padLeft) + random.int(0...30)
    if random.bool() { (c.xGap, c.yGap) = (random.int(0...3), random.int(0...3)) }
    (c.hasBias, c.hasResidual) = (random.bool(), random.int(0...2) == 0)
    c.tail.activation = Int32(random.int(0...5))
    (c.tail.alpha, c.tail.beta) = c.tail.activation == APUSK_ACTIVATION_CLIP ? (-0.5, 0.75) : (0.1, 0)
    if random.int(0...3) == 0 { (c.tail.scale, c.tail.residual_scale) = (0.5, -2) }
    return c
  }

  func arguments() -> apusk_conv2d_f32_args {
    var a = apusk_conv2d_f32_args()
    (a.batch, a.ih, a.iw, a.cin) = (Int64(batch), Int64(ih), Int64(iw), Int64(cin))
    (a.oh, a.ow, a.cout, a.groups) = (Int64(oh), Int64(ow), Int64(cout), Int64(groups))
    (a.kh, a.kw, a.stride_h, a.stride_w) = (Int64(kh), Int64(kw), Int64(strideH), Int64(strideW))
    (a.dilation_h, a.dilation_w) = (Int64(dilationH), Int64(dilationW))
    (a.pad_top, a.pad_left) = (Int64(padTop), Int64(padLeft))
    (a.x_pixel_stride, a.y_pixel_stride) = (Int64(xPixel), Int64(yPixel))
    a.tail = tail
    return a
  }

  func run(level: Int32, _ random: inout ProductRandom, whole: Bool) throws -> [Float] {
    let kernels = try #require(apusk_conv_kernels_for(level))
    var a = arguments()
    let packedBytes = apusk_conv2d_f32_packed_bytes(kernels, &a)
    try #require(packedBytes > 0)
    let packed = ProductBuffer(count: Int(packedBytes) / 4)
    var plan = apusk_plan()
    let wBuffer = ProductBuffer(w)
    if whole {
      apusk_conv2d_f32_pack(kernels, &a, wBuffer.floats, packed.floats)
    } else {
      var pack = apusk_conv2d_pack_f32_args(
        weights: wBuffer.floats, packed: packed.floats, cin: a.cin, cout: a.cout, groups: a.groups, kh: a.kh, kw: a.kw)
      try #require(apusk_conv2d_pack_f32_plan(kernels, &pack, &plan) == 0)
      #expect(runProduct(plan, pack, split: &random).0 == 0)
    }
    #expect(packed.guardsIntact)
    let xBuffer = ProductBuffer(x), biasBuffer = ProductBuffer(bias), residualBuffer = ProductBuffer(residual)
    let y = ProductBuffer(count: batch * oh * ow * yPixel, filledWith: 77)
    (a.x, a.w, a.y) = (UnsafePointer(xBuffer.floats), UnsafePointer(packed.floats), y.floats)
    if hasBias { a.tail.bias = UnsafePointer(biasBuffer.floats) }
    if hasResidual { a.tail.residual = UnsafePointer(residualBuffer.floats) }
    try #require(apusk_conv2d_f32_plan(kernels, &a, &plan) == 0)
    #expect(runProduct(plan, a, split: &random, whole: whole).0 == 0)
    #expect(y.guardsIntact)
    return y.values
  }

  /// x and w of every term of one output, in the stated order.
  func forEachTerm(_ b: Int, _ oy: Int, _ ox: Int, _ o: Int, _ body: (Float, Float) -> Void) {
    let groupCin = cin / groups, first = o / (cout / groups) * groupCin
    for ky in 0..<kh {
      for kx in 0..<kw {
        let iy = oy * strideH - padTop + ky * dilationH, ix = ox * strideW - padLeft + kx * dilationW
        let inside = iy >= 0 && iy < ih && ix >= 0 && ix < iw
        for c in 0..<groupCin {
          let value = inside ? x[((b * ih + iy) * iw + ix) * xPixel + first + c] : 0
          body(value, w[((o * groupCin + c) * kh + ky) * kw + kx])
        }
      }
    }
  }

  func forEachOutput(_ body: (_ b: Int, _ oy: Int, _ ox: Int, _ o: Int, _ pixel: Int) -> Void) {
    for b in 0..<batch {
      for oy in 0..<oh {
        for ox in 0..<ow {
          for o in 0..<cout { body(b, oy, ox, o, (b * oh + oy) * ow + ox) }
        }
      }
    }
  }

  /// The outputs whose bits are not those of the stated order; for activations without an exponential.
  func countDifferences(_ y: [Float]) -> Int {
    var different = 0
    forEachOutput { b, oy, ox, o, pixel in
      var sum = ProductSum()
      forEachTerm(b, oy, ox, o) { sum.add($0, $1) }
      let expected = productTailExactly(
        sum.value, bias: hasBias ? bias[o] : nil, residual: hasResidual ? residual[pixel * cout + o] : nil, tail)
      if productBits([y[pixel * yPixel + o]]) != productBits([expected]) { different += 1 }
    }
    return different
  }

  func expectClose(_ y: [Float], _ label: String) {
    var worst = 0.0
    forEachOutput { b, oy, ox, o, pixel in
      var sum = 0.0, size = 0.0
      forEachTerm(b, oy, ox, o) { value, weight in
        sum += Double(value) * Double(weight)
        size += abs(Double(value) * Double(weight))
      }
      let biasValue = hasBias ? Double(bias[o]) : nil
      let residualValue = hasResidual ? Double(residual[pixel * cout + o]) : nil
      let expected = productTail(sum, bias: biasValue, residual: residualValue, tail)
      size += abs(biasValue ?? 0) + 2 * abs(residualValue ?? 0) + 1
      let bound = size * ProductSum.errorBound(terms: kh * kw * cin / groups, more: 8)
      worst = max(worst, abs(expected - Double(y[pixel * yPixel + o])) / bound)
    }
    #expect(worst <= 1, "\(label): error \(worst) of the bound")
    for pixel in 0..<(batch * oh * ow) where yGap > 0 {
      #expect(y[pixel * yPixel + cout] == 77, "\(label): a gap between pixels was written")
    }
  }
}

@Suite struct ConvTests {
  @Test(arguments: 0..<120 as Range<UInt64>)
  func randomConvolutionsAgreeWithDoublePrecisionAndAcrossLevelsAndSplits(seed: UInt64) throws {
    var random = ProductRandom(seed: seed &+ 5000)
    var conv = ConvCase.random(&random)
    conv.fill(&random)
    let label = "seed \(seed): \(conv)"
    let reference = try conv.run(level: APUSK_LEVEL_PORTABLE, &random, whole: true)
    conv.expectClose(reference, label)
    for level in productLevels {
      let y = try conv.run(level: level, &random, whole: false)
      #expect(productBits(y) == productBits(reference), "\(label): level \(level) differs")
    }
  }

  @Test(arguments: 0..<30 as Range<UInt64>)
  func infinitiesNaNsAndPaddingFollowTheStatedOrder(seed: UInt64) throws {
    var random = ProductRandom(seed: seed &+ 9000)
    var conv = ConvCase.random(&random)
    if conv.cin > 100 && conv.groups == 1 { conv.cin = 2 }
    if (3...4).contains(conv.tail.activation) { conv.tail.activation = 1 }
    conv.fill(&random, specials: true)
    for level in productLevels {
      let y = try conv.run(level: level, &random, whole: false)
      #expect(conv.countDifferences(y) == 0, "seed \(seed), level \(level): \(conv)")
    }
  }

  /// More terms than one chain, whose ends fall anywhere in the kernel's rows, taps and channels.
  @Test(arguments: 0..<40 as Range<UInt64>)
  func sumsAreThoseOfAProduct(seed: UInt64) throws {
    var random = ProductRandom(seed: seed &+ 11_000)
    var conv = ConvCase.random(&random)
    while conv.groups > 1 && conv.groups == conv.cin { conv = ConvCase.random(&random) }
    (conv.batch, conv.cout) = (1, conv.groups * random.int(1...10))
    let depth = (conv.cin / conv.groups) * conv.kh * conv.kw
    if depth <= Int(APUSK_GEMM_CHAIN) { conv.cin *= Int(APUSK_GEMM_CHAIN) / depth + random.int(1...7) }
    if (3...4).contains(conv.tail.activation) { conv.tail.activation = APUSK_ACTIVATION_RELU }
    conv.fill(&random)
    for level in productLevels {
      let y = try conv.run(level: level, &random, whole: false)
      #expect(conv.countDifferences(y) == 0, "seed \(seed), level \(level): \(conv)")
    }
  }

  /// Dilations so large that the rows of a band can not be staged: depthwise and ordinary.
  @Test(arguments: [true, false])
  func hugeDilationsTakeTheWindowPath(depthwise: Bool) throws {
    var random = ProductRandom(seed: 21)
    var conv = ConvCase()
    (conv.ih, conv.iw, conv.cin, conv.cout) = (3, 9, 3, 6)
    conv.groups = depthwise ? 3 : 1
    (conv.kh, conv.kw, conv.dilationH, conv.dilationW) = (3, 3, 5_000, 5_000)
    (conv.padTop, conv.padLeft, conv.padBottom, conv.padRight) = (5_000, 5_000, 5_000, 5_000)
    conv.hasBias = true
    conv.fill(&random)
    let reference = try conv.run(level: APUSK_LEVEL_PORTABLE, &random, whole: true)
    conv.expectClose(reference, "\(conv)")
    for level in productLevels {
      #expect(try productBits(conv.run(level: level, &random, whole: false)) == productBits(reference))
    }
  }

  /// Fewer outputs than the image has room for: nothing is written beside them.
  @Test(arguments: [1, 5])
  func anOutputSmallerThanTheImageAllows(groups: Int) throws {
    var random = ProductRandom(seed: 23)
    for level in productLevels {
      var conv = ConvCase()
      (conv.ih, conv.iw, conv.cin, conv.cout, conv.groups, conv.kh, conv.kw) = (8, 20, 5, 5, groups, 3, 3)
      (conv.padRight, conv.padBottom) = (-7, -1)
      conv.fill(&random)
      conv.expectClose(try conv.run(level: level, &random, whole: false), "level \(level)")
    }
  }

  @Test func allPaddingAndEmptyBatchesAreNoFaults() throws {
    var random = ProductRandom(seed: 22)
    for level in productLevels {
      var conv = ConvCase()
      (conv.ih, conv.iw, conv.cin, conv.cout, conv.kh, conv.kw) = (0, 0, 2, 3, 2, 2)
      (conv.padTop, conv.padLeft, conv.padBottom, conv.padRight) = (4, 4, 4, 4)
      conv.hasBias = true
      conv.fill(&random)
      conv.expectClose(try conv.run(level: level, &random, whole: false), "level \(level)")
      conv.batch = 0
      conv.fill(&random)
      #expect(try conv.run(level: level, &random, whole: false).isEmpty)
    }
  }

  @Test func sizesThatMakeNoConvolutionAreStatuses() throws {
    for level in productLevels {
      let kernels = try #require(apusk_conv_kernels_for(level))
      func status(_ change: (inout apusk_conv2d_f32_args) -> Void) -> Int32 {
        var conv = ConvCase()
        (conv.ih, conv.iw, conv.cin, conv.cout) = (4, 4, 4, 4)
        var arguments = conv.arguments()
        change(&arguments)
        var plan = apusk_plan()
        return apusk_conv2d_f32_plan(kernels, &arguments, &plan)
      }
      #expect(status { _ in } == 0)
      #expect(status { $0.groups = 3 } == 100)
      #expect(status { $0.groups = 0 } == 100)
      #expect(status { $0.kh = 0 } == 100)
      #expect(status { $0.stride_w = 0 } == 100)
      #expect(status { $0.dilation_h = -1 } == 100)
      #expect(status { $0.pad_left = -1 } == 100)
      #expect(status { $0.x_pixel_stride = 3 } == 100)
      #expect(status { $0.tail.activation = 9 } == 100)
      #expect(status { ($0.batch, $0.ih, $0.iw) = (1 << 30, 1 << 30, 1 << 30) } == 301)
      #expect(status { ($0.kh, $0.kw, $0.cout, $0.y_pixel_stride) = (1 << 30, 1 << 30, 1 << 30, 1 << 30) } == 301)
    }
    #expect(apusk_conv_kernels_for(7) == nil)
  }
}
