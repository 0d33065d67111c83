import ApusGraph
import ApusRuntime
import Testing

/// Convolutions that run band by band as one step, as those of MobileNets: an expanding one, a depthwise one, a projecting one.
@Suite struct ConvolutionChainTests {
  struct Block: CustomTestStringConvertible {
    var height = 61, width = 67, input = 9
    /// 1, or 3 for a first layer.
    var firstKernel = 1, firstStride = 1
    var expanded = 72
    var kernel = 3, stride = 1
    var projected = 24
    var activation: Name = "Relu"
    var hasResidual = false
    /// Rows of padding above the first.
    var top: Int64?
    /// Whether a second input, channels last, is added to what the first convolution makes.
    var addsToFirst = false

    var testDescription: String {
      "\(height)x\(width)x\(input), \(firstKernel)/\(firstStride) to \(expanded), \(kernel)/\(stride) to \(projected)"
    }

    /// - Parameter showsAll: whether the results of all three are outputs, so that each is a step of its own.
    func network(showsAll: Bool) -> ModelDefinition {
      var random = SeededGenerator(seed: 77)
      var builder = ModelBuilder()
      let x = builder.input("x", Shape([2, input, height, width]))
      func convolution(
        _ x: ValueID, _ cin: Int, _ cout: Int, kernel: Int, stride: Int, groups: Int, top: Int64? = nil
      ) -> ValueID {
        let weights = builder.constant(random.floats(cout * cin * kernel * kernel), [cout, cin, kernel, kernel])
        let attributes = [
          Attribute("pads", .ints([top ?? Int64(kernel / 2)] + Array(repeating: Int64(kernel / 2), count: 3))),
          Attribute("strides", .ints([Int64(stride), Int64(stride)])), Attribute("group", .int(Int64(groups))),
        ]
        return builder.node("Conv", version: 22, [x, weights, builder.constant(random.floats(cout), [cout])], attributes)[0]
      }
      func active(_ x: ValueID) -> ValueID {
        builder.node(activation, version: activation == "Relu" ? 14 : 22, [x])[0]
      }
      var first = convolution(x, input, expanded, kernel: firstKernel, stride: firstStride, groups: 1, top: top)
      if addsToFirst {
        let other = builder.input("other", Shape([2, height, width, expanded]))
        let turned = builder.node("Transpose", version: 21, [other], [Attribute("perm", .ints([0, 3, 1, 2]))])[0]
        first = builder.node("Add", version: 14, [first, turned])[0]
      }
      let wide = active(first)
      let filtered = active(convolution(wide, 1, expanded, kernel: kernel, stride: stride, groups: expanded))
      var result = convolution(filtered, expanded, projected, kernel: 1, stride: 1, groups: 1)
      if hasResidual { result = builder.node("Add", version: 14, [result, x])[0] }
      if showsAll { builder.output(result, wide, filtered) } else { builder.output(result) }
      return builder.definition
    }

    func inputs() -> [TestTensor] {
      var random = SeededGenerator(seed: 78)
      let x = TestTensor(random.floats(2 * input * height * width), [2, input, height, width])
      return addsToFirst
        ? [x, TestTensor(random.floats(2 * height * width * expanded), [2, height, width, expanded])] : [x]
    }
  }

  static let blocks = [
    Block(), Block(kernel: 5), Block(stride: 2), Block(kernel: 5, stride: 2, activation: "HardSwish"),
    Block(projected: 9, hasResidual: true), Block(height: 131, width: 127, firstKernel: 3, firstStride: 2),
    Block(height: 40, width: 201, input: 3, expanded: 33, kernel: 7, projected: 8),
    // Less than a band has at least, and one channel more than parts of the depthwise kernel.
    Block(height: 4, width: 300, expanded: 257), Block(height: 36, width: 36, input: 5, expanded: 257, stride: 2),
    Block(addsToFirst: true), Block(projected: 9, hasResidual: true, addsToFirst: true),
    // Inside of the image a band has none of the padding. 1,024 channels: rows of A that fall into the same sets of the caches.
    Block(height: 200, width: 83, input: 1024, expanded: 16, top: 1), Block(top: 2),
  ]

  @Test(arguments: blocks) func givesTheBitsOfItsConvolutions(block: Block) throws {
    let inputs = block.inputs()
    let alone = try runOnce(block.network(showsAll: true), inputs, threads: 1)[0]
    for threads in 1...5 {
      let together = try runOnce(block.network(showsAll: false), inputs, threads: threads)[0]
      #expect(together.shape == alone.shape && together.bytes == alone.bytes, "\(threads) threads")
    }
    for level in [Int32(0), 1] {
      #expect(try runOnce(block.network(showsAll: false), inputs, level: level, threads: 2)[0].bytes == alone.bytes)
    }
  }

  @Test func theExpandedImageIsNowhere() throws {
    let block = Block(height: 96, width: 96)
    let model = try Model(definition: block.network(showsAll: false))
    let memory = try model.memoryRequirements(shapes: [[2, 9, 96, 96]], threads: 1)
    #expect(memory.arenaBytes < 4 * 72 * 96 * 96)
    // Another reader needs it.
    let whole = try Model(definition: block.network(showsAll: true))
    #expect(try whole.memoryRequirements(shapes: [[2, 9, 96, 96]], threads: 1).arenaBytes > 2 * 4 * 72 * 96 * 96)
  }
}
