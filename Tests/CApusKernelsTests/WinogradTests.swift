import CApusKernels
import Testing

extension ConvCase {
  /// One that Winograd's algorithms can compute.
  fileprivate static func randomWinograd(_ random: inout ProductRandom) -> ConvCase {
    var c = ConvCase()
    c.winograd = Int32(2 * random.int(1...3))
    c.batch = random.int(1...3)
    c.groups = random.int(0...3) == 0 ? random.int(2...4) : 1
    c.cin = c.groups * random.int(c.groups > 1 ? 2...9 : 1...40)
    c.cout = c.groups * random.int(1...(c.groups > 1 ? 20 : 75))
    (c.kh, c.kw) = (3, 3)
    (c.padTop, c.padLeft) = (random.int(0...3), random.int(0...3))
    // Negative: the last rows or columns of the image are not used.
    (c.padBottom, c.padRight) = (random.int(-2...3), random.int(-2...3))
    c.ih = max(1, 3 - c.padTop - c.padBottom) + random.int(0...18)
    c.iw = max(1, 3 - c.padLeft - c.padRight) + random.int(0...20)
    if random.bool() { (c.xGap, c.yGap) = (random.int(0...3), random.int(0...3)) }
    (c.hasBias, c.hasResidual) = (random.bool(), random.bool())
    c.tail.activation = Int32(random.int(0...5))
    (c.tail.alpha, c.tail.beta) = c.tail.activation == APUSK_ACTIVATION_CLIP ? (-0.5, 0.75) : (0.1, 0)
    if random.int(0...3) == 0 { (c.tail.scale, c.tail.residual_scale) = (0.5, -2) }
    return c
  }
}

@Suite struct WinogradTests {
  @Test(arguments: 0..<100 as Range<UInt64>)
  func randomConvolutionsAgreeWithDoublePrecisionAndAcrossLevelsAndSplits(seed: UInt64) throws {
    var random = ProductRandom(seed: seed &+ 700)
    var conv = ConvCase.randomWinograd(&random)
    conv.fill(&random)
    let label = "seed \(seed): \(conv)"
    let reference = try conv.run(level: APUSK_LEVEL_PORTABLE, &random, whole: true)
    conv.expectClose(reference, label)
    for level in productLevels {
      let y = try conv.run(level: level, &random, whole: false)
      #expect(productBits(y) == productBits(reference), "\(label): level \(level) differs")
    }
  }

  /// The bound that WINOGRAD.md states, where many channels add their errors, and where the work is cut by columns too.
  @Test(arguments: [3, 64, 512], [APUSK_WINOGRAD_2, APUSK_WINOGRAD_4, APUSK_WINOGRAD_6])
  func errorsStayInTheBoundForManyChannels(channels: Int, algorithm: Int32) throws {
    var random = ProductRandom(seed: UInt64(channels))
    var conv = ConvCase()
    (conv.ih, conv.iw, conv.cin, conv.cout) = (4, 5, channels, 100)
    (conv.kh, conv.kw, conv.padTop, conv.padLeft, conv.padBottom, conv.padRight) = (3, 3, 1, 1, 1, 1)
    conv.winograd = algorithm
    conv.fill(&random)
    var bits: [UInt32]?
    for level in productLevels.reversed() {
      let y = try conv.run(level: level, &random, whole: false)
      if let bits {
        #expect(productBits(y) == bits, "level \(level)")
      } else {
        conv.expectClose(y, "level \(level): \(conv)")
        bits = productBits(y)
      }
    }
  }

  /// An input pixel that lies under no output does not reach any, not even within its tile.
  @Test func pixelsUnderNoOutputAreNotRead() throws {
    var random = ProductRandom(seed: 31)
    for algorithm in [APUSK_WINOGRAD_2, APUSK_WINOGRAD_4, APUSK_WINOGRAD_6] {
      var conv = ConvCase()
      (conv.ih, conv.iw, conv.cin, conv.cout, conv.kh, conv.kw) = (9, 11, 3, 5, 3, 3)
      (conv.padBottom, conv.padRight) = (-2, -3)
      conv.winograd = algorithm
      conv.fill(&random)
      for row in 0..<conv.ih {
        for column in 0..<conv.iw where row >= 7 || column >= 8 {
          for channel in 0..<conv.cin { conv.x[(row * conv.iw + column) * conv.cin + channel] = .nan }
        }
      }
      for level in productLevels {
        conv.expectClose(try conv.run(level: level, &random, whole: false), "level \(level): \(conv)")
      }
    }
  }

  @Test func allPaddingAndEmptyBatchesAreNoFaults() throws {
    var random = ProductRandom(seed: 32)
    for level in productLevels {
      for algorithm in [APUSK_WINOGRAD_2, APUSK_WINOGRAD_4, APUSK_WINOGRAD_6] {
        var conv = ConvCase()
        (conv.ih, conv.iw, conv.cin, conv.cout, conv.kh, conv.kw) = (0, 0, 2, 3, 3, 3)
        (conv.padTop, conv.padLeft, conv.padBottom, conv.padRight) = (4, 4, 4, 4)
        (conv.hasBias, conv.winograd) = (true, algorithm)
        conv.fill(&random)
        conv.expectClose(try conv.run(level: level, &random, whole: false), "level \(level)")
        conv.batch = 0
        conv.fill(&random)
        #expect(try conv.run(level: level, &random, whole: false).isEmpty)
      }
    }
  }

  /// Calls of one turn find the transformed input of their block in scratch; those of another turn do not.
  @Test func partsOfABlockShareItsTransformedInput() throws {
    var random = ProductRandom(seed: 33)
    var conv = ConvCase()
    (conv.ih, conv.iw, conv.cin, conv.cout, conv.kh, conv.kw) = (16, 16, 48, 256, 3, 3)
    conv.winograd = APUSK_WINOGRAD_4
    for level in productLevels {
      let kernels = try #require(apusk_conv_kernels_for(level))
      conv.fill(&random)
      var a = conv.arguments()
      let packed = ProductBuffer(count: Int(apusk_conv2d_f32_packed_bytes(kernels, &a)) / 4)
      let w = ProductBuffer(conv.w), x = ProductBuffer(conv.x), y = ProductBuffer(count: conv.oh * conv.ow * conv.yPixel)
      apusk_conv2d_f32_pack(kernels, &a, w.floats, packed.floats)
      (a.x, a.w, a.y) = (UnsafePointer(x.floats), UnsafePointer(packed.floats), y.floats)
      var plan = apusk_plan()
      try #require(apusk_conv2d_f32_plan(kernels, &a, &plan) == 0)
      #expect(plan.units > 1, "level \(level)")
      let scratch = ProductBuffer(count: Int(plan.scratch_bytes) / 4)
      var worker = apusp_worker()
      worker.scratch = UnsafeMutableRawPointer(scratch.floats)
      for turn in [7, 7, 8, 0, 0] as [UInt64] {
        // Turn 7 comes a second time with another input, which it must not see.
        let sees = worker.turn != turn || turn == 0
        if sees { worker.turn = turn }
        let before = y.values
        conv.x = random.floats(conv.x.count)
        for (i, value) in conv.x.enumerated() { x.floats[i] = value }
        withUnsafePointer(to: a) { for unit in 0..<plan.units { #expect(plan.kernel($0, unit, unit + 1, &worker) == 0) } }
        if sees {
          conv.expectClose(y.values, "level \(level), turn \(turn)")
        } else {
          #expect(productBits(y.values) == productBits(before), "level \(level): the input was transformed again")
        }
      }
    }
  }

  /// Maxima of 2x2 pixels are those of the results that the kernel gives without them; NaN where one of the four is.
  @Test(arguments: [APUSK_WINOGRAD_2, APUSK_WINOGRAD_4, APUSK_WINOGRAD_6], [(2, 3), (13, 14), (17, 8), (12, 25)])
  func maximaAreTakenOfTheTiles(algorithm: Int32, size: (Int, Int)) throws {
    var random = ProductRandom(seed: 34)
    var conv = ConvCase()
    (conv.ih, conv.iw) = size
    (conv.batch, conv.cin, conv.cout, conv.kh, conv.kw) = (2, 20, 70, 3, 3)
    (conv.padTop, conv.padLeft, conv.padBottom, conv.padRight) = (1, 1, 1, 1)
    (conv.winograd, conv.tail.activation) = (algorithm, APUSK_ACTIVATION_RELU)
    conv.fill(&random)
    conv.x[25] = .nan
    conv.x[conv.x.count - 5] = -.infinity
    try conv.expectMaxima(&random)
  }

  @Test func otherConvolutionsAreStatuses() throws {
    for level in productLevels {
      let kernels = try #require(apusk_conv_kernels_for(level))
      func status(_ change: (inout apusk_conv2d_f32_args) -> Void) -> Int32 {
        var conv = ConvCase()
        (conv.ih, conv.iw, conv.cin, conv.cout, conv.kh, conv.kw) = (8, 8, 4, 4, 3, 3)
        conv.winograd = APUSK_WINOGRAD_4
        var arguments = conv.arguments()
        change(&arguments)
        var plan = apusk_plan()
        return apusk_conv2d_f32_plan(kernels, &arguments, &plan)
      }
      #expect(status { _ in } == 0)
      #expect(status { $0.winograd = 3 } == 100)
      #expect(status { $0.winograd = 8 } == 100)
      #expect(status { $0.winograd = -2 } == 100)
      #expect(status { $0.pool = 1 } == 0)
      #expect(status { ($0.pool, $0.winograd) = (1, 0) } == 100)
      #expect(status { ($0.pool, $0.tail.activation) = (1, APUSK_ACTIVATION_TANH) } == 100)
      #expect(status { $0.pool = 2 } == 100)
      #expect(status { $0.stride_w = 2 } == 100)
      #expect(status { $0.dilation_h = 2 } == 100)
      #expect(status { $0.groups = 4 } == 100)
      #expect(status { $0.kw = 5 } != 0)
      #expect(status { ($0.cin, $0.x_pixel_stride, $0.cout, $0.y_pixel_stride) = (1 << 30, 1 << 30, 1 << 30, 1 << 30) } == 301)
    }
  }

  /// The sizes of VGG and ResNet, and those where it does not pay.
  @Test func theChoiceFollowsFromTheSizesOfAnImage() {
    func choice(_ size: Int, _ cin: Int, _ cout: Int, groups: Int = 1, batch: Int = 1, stride: Int = 1) -> Int32 {
      var conv = ConvCase()
      (conv.batch, conv.ih, conv.iw, conv.cin, conv.cout, conv.groups) = (batch, size, size, cin, cout, groups)
      (conv.kh, conv.kw, conv.padTop, conv.padLeft, conv.padBottom, conv.padRight) = (3, 3, 1, 1, 1, 1)
      (conv.strideH, conv.strideW) = (stride, stride)
      var arguments = conv.arguments()
      return apusk_conv2d_f32_fastest(&arguments)
    }
    for (size, channels) in [(224, 64), (112, 128), (56, 64), (56, 256), (28, 128), (28, 512)] {
      #expect(choice(size, channels, channels) == APUSK_WINOGRAD_6)
      #expect(choice(size, channels, channels, batch: 7) == APUSK_WINOGRAD_6)
    }
    #expect(choice(14, 256, 256) == APUSK_WINOGRAD_4)
    #expect(choice(20, 64, 64) == APUSK_WINOGRAD_4)
    #expect(choice(56, 16, 64) == APUSK_WINOGRAD_6)
    #expect(choice(7, 512, 512) == APUSK_WINOGRAD_2)
    #expect(choice(2, 512, 512) == 0)
    #expect(choice(224, 3, 64) == 0)
    #expect(choice(56, 64, 64, groups: 64) == 0)
    #expect(choice(56, 128, 128, groups: 32) == 0)
    #expect(choice(56, 64, 64, stride: 2) == 0)
  }
}
