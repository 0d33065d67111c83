import CApusKernels
import Testing

@Suite struct PoolTests {
  /// One output element by the definition in apusk_pool.h.
  private static func definition(
    _ function: Int32, _ p: apusk_pool_args, _ x: [Float], image: Int, y: Int, x column: Int, channel: Int
  ) -> Float {
    var window: [Float] = []
    var padded = 0
    for i in 0..<Int(p.kernel_height) {
      for j in 0..<Int(p.kernel_width) {
        let row = y * Int(p.stride_height) - Int(p.pad_top) + i * Int(p.dilation_height)
        let col = column * Int(p.stride_width) - Int(p.pad_left) + j * Int(p.dilation_width)
        if row < Int(p.input_height + p.pad_bottom) && col < Int(p.input_width + p.pad_right) { padded += 1 }
        guard (0..<Int(p.input_height)).contains(row), (0..<Int(p.input_width)).contains(col) else { continue }
        let pixel = (image * Int(p.input_height) + row) * Int(p.input_width) + col
        window.append(x[pixel * Int(p.input_pixel_stride) + channel])
      }
    }
    if function == APUSK_POOL_MAX {
      if window.contains { $0.isNaN } { return .nan }
      return window.reduce(-Float.infinity) { $1 > $0 ? $1 : $0 }
    }
    let count = p.count_include_pad == 1 ? padded : window.count
    return count == 0 ? 0 : window.reduce(0, +) / Float(count)
  }

  @Test(arguments: [APUSK_POOL_MAX, APUSK_POOL_AVERAGE]) func equalsItsDefinitionForAnyWindow(function: Int32) {
    let seed = UInt64(70 + function)
    var random = ProductRandom(seed: seed)
    for round in 0..<150 {
      var p = apusk_pool_args()
      let dim = { (random: inout ProductRandom, range: ClosedRange<Int>) in Int64(random.int(range)) }
      (p.batch, p.channels) = (dim(&random, 0...2), dim(&random, 1...37))
      let oneDimensional = random.int(0...4) == 0
      (p.input_height, p.input_width) = (oneDimensional ? 1 : dim(&random, 1...9), dim(&random, 1...9))
      (p.kernel_height, p.kernel_width) = (oneDimensional ? 1 : dim(&random, 1...4), dim(&random, 1...4))
      (p.stride_height, p.stride_width) = (dim(&random, 1...3), dim(&random, 1...3))
      (p.dilation_height, p.dilation_width) = (dim(&random, 1...3), dim(&random, 1...3))
      (p.pad_top, p.pad_left) = (oneDimensional ? 0 : dim(&random, 0...3), dim(&random, 0...3))
      (p.pad_bottom, p.pad_right) = (oneDimensional ? 0 : dim(&random, 0...3), dim(&random, 0...3))
      // As many outputs as there are, or one more as ceil_mode has it: its window may lie in the padding or beyond.
      (p.output_height, p.output_width) = (dim(&random, 1...5), dim(&random, 1...5))
      (p.input_pixel_stride, p.output_pixel_stride) = (p.channels + dim(&random, 0...3), p.channels + dim(&random, 0...3))
      p.count_include_pad = Int32(random.int(0...1))
      let inputCount = Int(p.batch * p.input_height * p.input_width * p.input_pixel_stride)
      let pixels = Int(p.batch * p.output_height * p.output_width)
      let x = round % 3 == 0 ? random.specials(inputCount) : random.floats(inputCount)
      let input = KernelArray(x), output = KernelArray([Float](repeating: 7, count: pixels * Int(p.output_pixel_stride)))
      (p.input, p.output) = (UnsafePointer(input.elements), output.elements)
      let label = "seed \(seed), round \(round), \(p)"
      let y = runEveryWay(output, p, &random, label) { apusk_pool_plan($0, function, &$1, &$2) }
      var expected = [Float](repeating: 7, count: y.count)
      for pixel in 0..<pixels {
        let (row, column) = (pixel / Int(p.output_width) % Int(p.output_height), pixel % Int(p.output_width))
        let image = pixel / Int(p.output_width * p.output_height)
        for channel in 0..<Int(p.channels) {
          expected[pixel * Int(p.output_pixel_stride) + channel] = Self.definition(
            function, p, x, image: image, y: row, x: column, channel: channel)
        }
      }
      #expect(productBits(y) == productBits(expected), "\(label)")
    }
  }

  @Test func unknownFunctionsAreRefused() {
    var arguments = apusk_pool_args()
    var plan = apusk_plan()
    #expect(apusk_pool_plan(0, 2, &arguments, &plan) == 100)
    #expect(apusk_pool_plan(3, APUSK_POOL_MAX, &arguments, &plan) == 100)
  }
}
