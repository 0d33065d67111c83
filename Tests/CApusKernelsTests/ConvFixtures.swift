import CApusKernels
import Testing

/// One convolution, channels-last, with gaps between pixels.
struct ConvCase: CustomStringConvertible {
  var batch = 1, ih = 1, iw = 1, cin = 1, cout = 1, groups = 1
  var kh = 1, kw = 1, strideH = 1, strideW = 1, dilationH = 1, dilationW = 1
  var padTop = 0, padLeft = 0, padBottom = 0, padRight = 0
  var xGap = 0, yGap = 0
  var hasBias = false, hasResidual = false
  /// The algorithm: 0, `APUSK_WINOGRAD_2`, `APUSK_WINOGRAD_4` or `APUSK_WINOGRAD_6`.
  var winograd: Int32 = 0
  var tail = apusk_tail_none()
  var x: [Float] = [], w: [Float] = [], bias: [Float] = [], residual: [Float] = []

  var oh: Int { max(0, (ih + padTop + padBottom - (kh - 1) * dilationH - 1) / strideH + 1) }
  var ow: Int { max(0, (iw + padLeft + padRight - (kw - 1) * dilationW - 1) / strideW + 1) }
  var xPixel: Int { cin + xGap }
  var yPixel: Int { cout + yGap }

  var description: String {
    "x \(batch)x\(ih)x\(iw)x\(cin)+\(xGap) y \(oh)x\(ow)x\(cout)+\(yGap) kernel \(kh)x\(kw) groups \(groups) strides "
      + "\(strideH),\(strideW) dilations \(dilationH),\(dilationW) pads \(padTop),\(padLeft),\(padBottom),\(padRight) "
      + "bias \(hasBias) residual \(hasResidual) activation \(tail.activation) winograd \(winograd)"
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
    c.tail.activation = Int32(random.int(0...Int(APUSK_ACTIVATION_COUNT) - 1))
    (c.tail.alpha, c.tail.beta) = c.tail.activation == APUSK_ACTIVATION_CLIP ? (-0.5, 0.75) : (0.1, 0.5)
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
    a.winograd = winograd
    a.tail = tail
    return a
  }

  func run(level: Int32, _ random: inout ProductRandom, whole: Bool, pool: Bool = false) throws -> [Float] {
    let kernels = try #require(apusk_conv_kernels_for(level))
    var a = arguments()
    a.pool = pool ? 1 : 0
    let packedBytes = apusk_conv2d_f32_packed_bytes(kernels, &a)
    try #require(packedBytes > 0)
    let packed = ProductBuffer(count: Int(packedBytes) / 4)
    var plan = apusk_plan()
    let wBuffer = ProductBuffer(w)
    if whole {
      apusk_conv2d_f32_pack(kernels, &a, wBuffer.floats, packed.floats)
    } else {
      var pack = apusk_conv2d_pack_f32_args(
        weights: wBuffer.floats, packed: packed.floats, cin: a.cin, cout: a.cout, groups: a.groups, kh: a.kh, kw: a.kw,
        winograd: winograd)
      try #require(apusk_conv2d_pack_f32_plan(kernels, &pack, &plan) == 0)
      #expect(runProduct(plan, pack, split: &random).0 == 0)
    }
    #expect(packed.guardsIntact)
    let xBuffer = ProductBuffer(x), biasBuffer = ProductBuffer(bias), residualBuffer = ProductBuffer(residual)
    let y = ProductBuffer(count: batch * (pool ? (oh / 2) * (ow / 2) : oh * ow) * yPixel, filledWith: 77)
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

  /// Of the error of sums of products of uniform numbers in -1...1, as conv/WINOGRAD.md states it.
  var winogradBound: Double {
    let channels = Double(cin / groups), chain = min(channels, Double(APUSK_GEMM_CHAIN))
    let (base, growth) = winograd == APUSK_WINOGRAD_2 ? (20, 3.5) : winograd == APUSK_WINOGRAD_4 ? (80, 15) : (350.0, 70.0)
    return (base + growth * chain.squareRoot()) * (9 * channels).squareRoot() / 3 * 0x1p-24 * abs(Double(tail.scale))
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
      let bound =
        winograd == 0 ? size * ProductSum.errorBound(terms: kh * kw * cin / groups, more: 8) : winogradBound + size * 0x1p-21
      worst = max(worst, abs(expected - Double(y[pixel * yPixel + o])) / bound)
    }
    #expect(worst <= 1, "\(label): error \(worst) of the bound")
    for pixel in 0..<(batch * oh * ow) where yGap > 0 {
      #expect(y[pixel * yPixel + cout] == 77, "\(label): a gap between pixels was written")
    }
  }
}

extension ConvCase {
  /// What `pool` gives are, bit for bit, the maxima of 2x2 pixels of the results without it; NaN where one of the four is.
  func expectMaxima(_ random: inout ProductRandom) throws {
    let all = try run(level: APUSK_LEVEL_PORTABLE, &random, whole: true)
    let (height, width) = (oh / 2, ow / 2)
    var expected: [Float] = []
    for image in 0..<batch {
      for position in 0..<(height * width) {
        let corner = (image * oh + position / width * 2) * ow + position % width * 2
        for channel in 0..<cout {
          let four = [0, 1, ow, ow + 1].map { all[(corner + $0) * cout + channel] }
          expected.append(four.contains { $0.isNaN } ? .nan : four.reduce(-.infinity) { $1 > $0 ? $1 : $0 })
        }
      }
    }
    for level in productLevels {
      let y = try run(level: level, &random, whole: false, pool: true)
      let isSame = productBits(y) == productBits(expected)
      #expect(isSame, "level \(level): \(self)")
    }
  }
}
