import CApusKernels
import Testing

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
    if isTranscendental(conv.tail.activation) { conv.tail.activation = 1 }
    conv.fill(&random, specials: true)
    for level in productLevels {
      let y = try conv.run(level: level, &random, whole: false)
      #expect(conv.countDifferences(y) == 0, "seed \(seed), level \(level): \(conv)")
    }
  }

  /// One input channel and up to eight output channels (or eight in the last panel): kernels of their own.
  @Test(arguments: 0..<60 as Range<UInt64>)
  func greyImagesAgreeAcrossLevelsAndSplits(seed: UInt64) throws {
    var random = ProductRandom(seed: seed &+ 15_000)
    var conv = ConvCase.random(&random)
    (conv.batch, conv.groups, conv.cin, conv.dilationH, conv.dilationW, conv.strideW) = (1, 1, 1, 1, 1, 1)
    conv.cout = random.int(1...8) + (random.int(0...3) == 0 ? 32 : 0)
    (conv.kh, conv.kw) = (random.int(1...5), random.int(1...6))
    (conv.ih, conv.iw) = (conv.kh + random.int(0...9), conv.kw + random.int(0...40))
    conv.fill(&random)
    let label = "seed \(seed): \(conv)"
    let reference = try conv.run(level: APUSK_LEVEL_PORTABLE, &random, whole: true)
    conv.expectClose(reference, label)
    if !isTranscendental(conv.tail.activation) { #expect(conv.countDifferences(reference) == 0, "\(label)") }
    for level in productLevels {
      let y = try conv.run(level: level, &random, whole: false)
      #expect(productBits(y) == productBits(reference), "\(label): level \(level) differs")
    }
  }

  @Test(arguments: 0..<24 as Range<UInt64>)
  func maximaOfGreyImagesAreTakenOfTheSums(seed: UInt64) throws {
    var random = ProductRandom(seed: seed &+ 17_000)
    var conv = ConvCase()
    (conv.batch, conv.cout, conv.kh, conv.kw) = (random.int(1...2), random.int(1...8), random.int(2...5), random.int(1...5))
    (conv.ih, conv.iw) = (conv.kh + random.int(1...20), 15 + conv.kw + random.int(0...40))
    (conv.padTop, conv.padLeft, conv.hasBias) = (random.int(0...2), random.int(0...2), random.bool())
    conv.tail.activation = random.bool() ? APUSK_ACTIVATION_RELU : APUSK_ACTIVATION_NONE
    conv.fill(&random)
    conv.x[random.int(0...conv.x.count - 1)] = .nan
    conv.x[random.int(0...conv.x.count - 1)] = -.infinity
    try conv.expectMaxima(&random)
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
    if isTranscendental(conv.tail.activation) { conv.tail.activation = APUSK_ACTIVATION_RELU }
    conv.fill(&random)
    for level in productLevels {
      let y = try conv.run(level: level, &random, whole: false)
      #expect(conv.countDifferences(y) == 0, "seed \(seed), level \(level): \(conv)")
    }
  }

  /// Images of many units, which are done in larger pieces where a thread has several side by side.
  @Test(arguments: 0..<12 as Range<UInt64>)
  func largeImagesAgreeAcrossLevelsAndSplits(seed: UInt64) throws {
    var random = ProductRandom(seed: seed &+ 15_000)
    var conv = ConvCase()
    (conv.batch, conv.ih, conv.iw) = (random.int(1...2), random.int(20...30), random.int(14...20))
    if seed % 2 == 0 {
      (conv.cin, conv.cout) = (random.int(30...400), random.int(60...300))
      if seed % 4 == 0 { (conv.kw, conv.strideW, conv.iw) = (2, 5, 20) }  // windows
    } else {
      conv.cin = random.int(2...3) * 128 + random.int(0...40)
      (conv.cout, conv.groups, conv.kh, conv.kw, conv.padTop, conv.padLeft) = (conv.cin, conv.cin, 5, 5, 2, 2)
      (conv.strideH, conv.strideW) = (random.int(1...2), random.int(1...2))
    }
    (conv.hasBias, conv.tail.activation, conv.tail.alpha) = (true, APUSK_ACTIVATION_SWISH, 1)
    conv.fill(&random)
    let reference = try conv.run(level: APUSK_LEVEL_PORTABLE, &random, whole: true)
    if seed < 4 { conv.expectClose(reference, "seed \(seed): \(conv)") }
    for level in productLevels {
      for whole in [true, false] {
        let y = try conv.run(level: level, &random, whole: whole)
        #expect(productBits(y) == productBits(reference), "seed \(seed): \(conv): level \(level) differs")
      }
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
      #expect(status { $0.tail.activation = APUSK_ACTIVATION_COUNT } == 100)
      #expect(status { ($0.batch, $0.ih, $0.iw) = (1 << 30, 1 << 30, 1 << 30) } == 301)
      #expect(status { ($0.kh, $0.kw, $0.cout, $0.y_pixel_stride) = (1 << 30, 1 << 30, 1 << 30, 1 << 30) } == 301)
    }
    #expect(apusk_conv_kernels_for(7) == nil)
  }
}
