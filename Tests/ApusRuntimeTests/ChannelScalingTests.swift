import ApusGraph
import ApusRuntime
import Testing

/// Squeeze-and-excite: an image times a factor for each channel, left to the 1x1 convolution that reads the product.
@Suite struct ChannelScalingTests {
  struct Block: CustomTestStringConvertible {
    var batch = 1, height = 15, width = 14, channels = 40, projected = 24
    var kernel = 1, stride = 1
    var hasResidual = false
    /// Factors that are the same for all images, `[channels, 1, 1]`.
    var isShared = false
    var factorsFirst = false

    var testDescription: String { "\(batch) of \(height)x\(width)x\(channels), \(kernel)/\(stride) to \(projected)" }

    /// - Parameter showsProduct: whether the product is an output, so that a step of its own makes it.
    func network(showsProduct: Bool) -> ModelDefinition {
      var random = SeededGenerator(seed: 91)
      var builder = ModelBuilder()
      let x = builder.input("x", Shape([batch, 8, height, width]))
      func convolution(_ x: ValueID, _ cin: Int, _ cout: Int, kernel: Int = 1, stride: Int = 1) -> ValueID {
        let weights = builder.constant(random.floats(cout * cin * kernel * kernel), [cout, cin, kernel, kernel])
        let attributes = [
          Attribute("pads", .ints(Array(repeating: Int64(kernel / 2), count: 4))),
          Attribute("strides", .ints([Int64(stride), Int64(stride)])),
        ]
        return builder.node("Conv", version: 22, [x, weights, builder.constant(random.floats(cout), [cout])], attributes)[0]
      }
      let image = convolution(x, 8, channels)
      let factors: ValueID
      if isShared {
        factors = builder.constant(random.floats(channels), [channels, 1, 1])
      } else {
        let mean = builder.node("GlobalAveragePool", version: 22, [image])[0]
        factors = builder.node("Sigmoid", version: 13, [convolution(mean, channels, channels)])[0]
      }
      let product = builder.node("Mul", version: 14, factorsFirst ? [factors, image] : [image, factors])[0]
      // Written over the factors if nobody else were to read them.
      let negative = builder.node("Neg", version: 13, [factors])[0]
      var result = convolution(product, channels, projected, kernel: kernel, stride: stride)
      if hasResidual { result = builder.node("Add", version: 14, [result, convolution(x, 8, projected)])[0] }
      if showsProduct { builder.output(result, negative, product) } else { builder.output(result, negative) }
      return builder.definition
    }
  }

  static let blocks = [
    Block(), Block(channels: 33, projected: 9, hasResidual: true), Block(batch: 3, height: 8, isShared: true),
    Block(height: 57, width: 55, channels: 96, factorsFirst: true), Block(height: 7, width: 7), Block(batch: 2),
    Block(kernel: 3), Block(stride: 2),
  ]

  @Test(arguments: blocks) func givesTheBitsOfTheProductAlone(block: Block) throws {
    var random = SeededGenerator(seed: 92)
    let count = block.batch * 8 * block.height * block.width
    let x = TestTensor(random.floats(count), [block.batch, 8, block.height, block.width])
    let alone = try runOnce(block.network(showsProduct: true), [x], threads: 1)
    for (level, threads) in [(Int32?.none, 1), (nil, 2), (nil, 5), (0, 2), (1, 2)] {
      let together = try runOnce(block.network(showsProduct: false), [x], level: level, threads: threads)
      #expect(together[0].shape == alone[0].shape && together[0].bytes == alone[0].bytes, "\(threads) threads")
      #expect(together[1].bytes == alone[1].bytes)
    }
  }

  /// One step less than where the image is small.
  @Test func theProductIsNoStep() throws {
    func steps(_ block: Block) throws -> Int {
      let session = try Session(model: Model(definition: block.network(showsProduct: false)))
      try session.prepare([[1, 8, block.height, block.width]])
      return session.stepCount
    }
    #expect(try steps(Block()) + 1 == steps(Block(height: 13)))
    #expect(try steps(Block(stride: 2)) == steps(Block(height: 13)))
  }
}
