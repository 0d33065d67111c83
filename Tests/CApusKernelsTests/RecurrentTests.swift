import CApusKernels
import Foundation
import Testing

/// One random layer. All tensors are dense, in the order of ONNX's layout 0 or 1.
private struct RecurrentCase: CustomStringConvertible {
  var steps = 1, batch = 1, input = 1, hidden = 1
  var kind = APUSK_LSTM
  var linearBeforeReset = false
  var direction = APUSK_RECURRENT_FORWARD
  var layout: Int32 = 0
  var clip: Float = 0
  var inputForget = false
  var activations: [[apusk_rnn_activation]] = []  // [direction][f, g, h]
  var x: [Float] = [], w: [Float] = [], r: [Float] = [], bias: [Float] = [], peephole: [Float] = []
  var initialH: [Float] = [], initialC: [Float] = []
  var lengths: [Int32] = []

  var gates: Int { Int(apusk_recurrent_gates(kind)) }
  var directions: Int { direction == APUSK_RECURRENT_BIDIRECTIONAL ? 2 : 1 }

  var description: String {
    "kind \(kind) linear_before_reset \(linearBeforeReset) "
      + "steps \(steps) batch \(batch) input \(input) hidden \(hidden) direction \(direction) layout \(layout) clip \(clip) "
      + "input_forget \(inputForget) bias \(!bias.isEmpty) peephole \(!peephole.isEmpty) initial \(!initialH.isEmpty) "
      + "lengths \(lengths) activations \(activations.map { $0.map(\.code) })"
  }

  static func random(_ random: inout ProductRandom) -> RecurrentCase {
    var c = RecurrentCase()
    (c.steps, c.batch) = (random.int(1...7), random.bool() ? random.int(1...3) : random.int(4...60))
    (c.input, c.hidden) = (random.int(1...9), random.bool() ? random.int(1...12) : random.int(13...40))
    c.kind = Int32(random.int(0...2))
    c.linearBeforeReset = random.bool()
    c.direction = Int32(random.int(0...2))
    c.layout = Int32(random.int(0...1))
    if random.int(0...2) == 0 { c.clip = 0.4 }
    c.inputForget = random.int(0...3) == 0
    let standard = random.int(0...2) != 0
    c.activations = (0..<2).map { _ in
      (0..<3).map { place in
        var a = apusk_rnn_activation()
        a.code = standard ? (place == 0 && c.kind != APUSK_RNN ? APUSK_RNN_SIGMOID : APUSK_RNN_TANH) : Int32(random.int(0...10))
        (a.alpha, a.beta) = (0.3, 0.45)
        return a
      }
    }
    c.x = random.floats(c.steps * c.batch * c.input)
    c.w = random.floats(c.directions * c.gates * c.hidden * c.input)
    c.r = random.floats(c.directions * c.gates * c.hidden * c.hidden).map { $0 * 0.5 }
    if random.bool() { c.bias = random.floats(c.directions * 2 * c.gates * c.hidden) }
    if c.kind == APUSK_LSTM, random.int(0...2) == 0 { c.peephole = random.floats(c.directions * 3 * c.hidden) }
    if random.bool() {
      c.initialH = random.floats(c.directions * c.batch * c.hidden)
      c.initialC = random.floats(c.directions * c.batch * c.hidden)
    }
    if random.bool() { c.lengths = (0..<c.batch).map { _ in Int32(random.int(0...c.steps)) } }
    return c
  }

  func xAt(_ t: Int, _ b: Int, _ i: Int) -> Float {
    x[(layout == 0 ? t * batch + b : b * steps + t) * input + i]
  }
  func yIndex(_ t: Int, _ d: Int, _ b: Int) -> Int {
    (layout == 0 ? (t * directions + d) * batch + b : (b * steps + t) * directions + d) * hidden
  }
  func stateIndex(_ d: Int, _ b: Int) -> Int { (layout == 0 ? d * batch + b : b * directions + d) * hidden }

  struct Result { var y, yH, yC: [Float] }

  /// The input projection as a product, the state's beginning, then the recurrence: the steps that a program runs.
  func run(level: Int32, threads: Int32, _ random: inout ProductRandom) throws -> Result {
    let gemm = try #require(apusk_gemm_kernels_for(level))
    let columns = directions * gates * hidden
    let packedW = ProductBuffer(count: Int(apusk_gemm_packed_bytes(gemm, Int64(input), Int64(columns))) / 4)
    apusk_gemm_pack_b_f32(gemm, w, 1, Int64(input), Int64(input), Int64(columns), packedW.floats)
    let xw = ProductBuffer(count: steps * batch * columns), xBuffer = ProductBuffer(x)
    var product = apusk_gemm_f32_args()
    (product.a, product.b, product.c) = (UnsafePointer(xBuffer.floats), UnsafePointer(packedW.floats), xw.floats)
    (product.m, product.n, product.k) = (Int64(steps * batch), Int64(columns), Int64(input))
    (product.a_row_stride, product.a_k_stride, product.c_row_stride) = (Int64(input), 1, Int64(columns))
    product.tail = apusk_tail_none()
    product.batches = 1
    var plan = apusk_plan()
    try #require(apusk_gemm_f32_plan(gemm, &product, &plan) == 0)
    #expect(runProduct(plan, product, split: &random).0 == 0)

    let size = Int64(hidden), matrix = Int(apusk_gemm_packed_bytes(gemm, size, size)) / 4
    let packedR = ProductBuffer(count: matrix * directions * gates)
    for i in 0..<directions * gates {
      r.withUnsafeBufferPointer { r in
        guard let source = r.baseAddress else { return }
        apusk_gemm_pack_b_f32(gemm, source + i * hidden * hidden, 1, size, size, size, packedR.floats + i * matrix)
      }
    }
    let state = directions * batch * hidden
    let y = ProductBuffer(count: steps * state), yH = ProductBuffer(count: state), yC = ProductBuffer(count: state)
    let biasBuffer = ProductBuffer(bias), peepholeBuffer = ProductBuffer(peephole)
    let hBuffer = ProductBuffer(initialH), cBuffer = ProductBuffer(initialC)
    try lengths.withUnsafeBufferPointer { lengths in
      var a = arguments()
      (a.xw, a.r) = (UnsafeRawPointer(xw.floats), UnsafeRawPointer(packedR.floats))
      if !bias.isEmpty { a.bias = UnsafeRawPointer(biasBuffer.floats) }
      if !peephole.isEmpty { a.peephole = UnsafeRawPointer(peepholeBuffer.floats) }
      if !initialH.isEmpty { (a.initial_h, a.initial_c) = (UnsafeRawPointer(hBuffer.floats), UnsafeRawPointer(cBuffer.floats)) }
      if !lengths.isEmpty { a.sequence_lens = lengths.baseAddress }
      (a.y, a.y_h) = (UnsafeMutableRawPointer(y.floats), UnsafeMutableRawPointer(yH.floats))
      if kind == APUSK_LSTM { a.y_c = UnsafeMutableRawPointer(yC.floats) }
      var plans = apusk_recurrent_plan_result()
      try #require(apusk_recurrent_plan(level, &a, threads, &plans) == 0)
      let memory = ProductBuffer(count: Int(plans.state_bytes) / 4)
      a.state = UnsafeMutableRawPointer(memory.floats)
      #expect(runProduct(plans.start, a, split: &random).0 == 0)
      #expect(runProduct(plans.run, a, split: &random).0 == 0)
      #expect(memory.guardsIntact)
    }
    #expect(y.guardsIntact && yH.guardsIntact && yC.guardsIntact)
    return Result(y: y.values, yH: yH.values, yC: kind == APUSK_LSTM ? yC.values : [])
  }

  /// All but the pointers.
  func arguments() -> apusk_recurrent_args {
    var a = apusk_recurrent_args()
    a.element_type = APUSK_FLOAT32
    a.kind = kind
    a.linear_before_reset = linearBeforeReset ? 1 : 0
    (a.steps, a.batch, a.hidden) = (Int64(steps), Int64(batch), Int64(hidden))
    (a.direction, a.input_forget, a.clip) = (direction, inputForget ? 1 : 0, clip)
    a.f = (activations[0][0], activations[1][0])
    a.g = (activations[0][1], activations[1][1])
    a.h = (activations[0][2], activations[1][2])
    apusk_recurrent_set_layout(&a, layout)
    return a
  }

  /// The same layer by the kernel of float64, from the same numbers.
  func wide() throws -> (y: [Double], yH: [Double], yC: [Double]) {
    let columns = directions * gates * hidden, state = directions * batch * hidden
    var xw = [Double](repeating: 0, count: steps * batch * columns)
    for row in 0..<steps * batch {
      for column in 0..<columns {
        for i in 0..<input { xw[row * columns + column] += Double(x[row * input + i]) * Double(w[column * input + i]) }
      }
    }
    func memory(_ values: [Double]) -> UnsafeMutablePointer<Double> {
      let pointer = UnsafeMutablePointer<Double>.allocate(capacity: max(values.count, 1))
      pointer.initialize(from: values, count: values.count)
      return pointer
    }
    func doubles(_ values: [Float]) -> UnsafeMutablePointer<Double>? {
      values.isEmpty ? nil : memory(values.map { Double($0) })
    }
    let zeros = [Double](repeating: 0, count: max(state, steps * state))
    let (y, yH, yC, projection) = (memory(zeros), memory(zeros), memory(zeros), memory(xw))
    let operands = [doubles(r), doubles(bias), doubles(peephole), doubles(initialH), doubles(initialC)]
    defer { for pointer in operands + [y, yH, yC, projection] { pointer?.deallocate() } }
    try lengths.withUnsafeBufferPointer { lengths in
      var a = arguments()
      a.element_type = APUSK_FLOAT64
      (a.xw, a.r, a.bias, a.peephole) = (
        UnsafeRawPointer(projection), UnsafeRawPointer(operands[0]), UnsafeRawPointer(operands[1]), UnsafeRawPointer(operands[2])
      )
      (a.initial_h, a.initial_c) = (UnsafeRawPointer(operands[3]), UnsafeRawPointer(operands[4]))
      if !lengths.isEmpty { a.sequence_lens = lengths.baseAddress }
      (a.y, a.y_h) = (UnsafeMutableRawPointer(y), UnsafeMutableRawPointer(yH))
      if kind == APUSK_LSTM { a.y_c = UnsafeMutableRawPointer(yC) }
      var plans = apusk_recurrent_plan_result()
      try #require(apusk_recurrent_plan(APUSK_LEVEL_PORTABLE, &a, 1, &plans) == 0)
      #expect(plans.start.units == 0)
      var worker = apusp_worker()
      let scratch = UnsafeMutableRawPointer.allocate(byteCount: Int(plans.run.scratch_bytes), alignment: 64)
      defer { scratch.deallocate() }
      worker.scratch = scratch
      #expect(plans.run.kernel(&a, 0, plans.run.units, &worker) == 0)
    }
    func values(_ pointer: UnsafeMutablePointer<Double>, _ count: Int) -> [Double] {
      Array(UnsafeBufferPointer(start: pointer, count: count))
    }
    return (values(y, steps * state), values(yH, state), kind == APUSK_LSTM ? values(yC, state) : [])
  }

  static func activate(_ a: apusk_rnn_activation, _ v: Double) -> Double {
    let alpha = Double(a.alpha), beta = Double(a.beta)
    switch a.code {
    case APUSK_RNN_SIGMOID: return 1 / (1 + exponential(-v))
    case APUSK_RNN_TANH: return hyperbolicTangent(v)
    case APUSK_RNN_RELU: return max(0, v)
    case APUSK_RNN_AFFINE: return alpha * v + beta
    case APUSK_RNN_LEAKY_RELU: return v < 0 ? alpha * v : v
    case APUSK_RNN_THRESHOLDED_RELU: return v < alpha ? 0 : v
    case APUSK_RNN_SCALED_TANH: return alpha * hyperbolicTangent(beta * v)
    case APUSK_RNN_HARD_SIGMOID: return min(max(alpha * v + beta, 0), 1)
    case APUSK_RNN_ELU: return v < 0 ? alpha * (exponential(v) - 1) : v
    case APUSK_RNN_SOFTPLUS: return max(v, 0) + log(1 + exponential(-abs(v)))
    default: return v / (1 + abs(v))
    }
  }

  /// The ONNX formulas in double precision.
  func oracle() -> (y: [Double], yH: [Double], yC: [Double]) {
    let H = hidden
    var y = [Double](repeating: 0, count: steps * directions * batch * H)
    var yH = [Double](repeating: 0, count: directions * batch * H), yC = yH
    func limited(_ v: Double) -> Double { clip == 0 ? v : min(max(v, -Double(clip)), Double(clip)) }
    for d in 0..<directions {
      let reverse = direction == APUSK_RECURRENT_REVERSE || d == 1
      let (f, g, h) = (activations[d][0], activations[d][1], activations[d][2])
      for b in 0..<batch {
        let start = stateIndex(d, b), length = lengths.isEmpty ? steps : Int(lengths[b])
        var hidden = (0..<H).map { initialH.isEmpty ? 0 : Double(initialH[start + $0]) }
        var cell = (0..<H).map { initialC.isEmpty ? 0 : Double(initialC[start + $0]) }
        for step in 0..<length {
          let t = reverse ? length - 1 - step : step
          func sum(_ gate: Int, _ j: Int) -> Double {
            let row = (d * gates + gate) * H + j
            var s = 0.0
            for i in 0..<input { s += Double(xAt(t, b, i)) * Double(w[row * input + i]) }
            for i in 0..<H { s += hidden[i] * Double(r[row * H + i]) }
            let own = (d * 2 * gates + gate) * H + j
            if !bias.isEmpty { s += Double(bias[own]) + Double(bias[own + gates * H]) }
            return s
          }
          func peep(_ place: Int, _ j: Int, _ c: Double) -> Double {
            peephole.isEmpty ? 0 : Double(peephole[d * 3 * H + place * H + j]) * c
          }
          var nextHidden = hidden, nextCell = cell
          switch kind {
          case APUSK_RNN:
            for j in 0..<H { nextHidden[j] = Self.activate(f, limited(sum(0, j))) }
          case APUSK_GRU:
            let before = hidden
            let z = (0..<H).map { Self.activate(f, limited(sum(0, $0))) }
            let reset = (0..<H).map { Self.activate(f, limited(sum(1, $0))) }
            for j in 0..<H {
              let row = (d * gates + 2) * H + j, offset = d * 6 * H + 2 * H + j
              var (own, product) = bias.isEmpty ? (0, 0) : (Double(bias[offset]), Double(bias[offset + 3 * H]))
              for i in 0..<input { own += Double(xAt(t, b, i)) * Double(w[row * input + i]) }
              for i in 0..<H { product += (linearBeforeReset ? 1 : reset[i]) * before[i] * Double(r[row * H + i]) }
              let n = Self.activate(g, limited(own + (linearBeforeReset ? reset[j] : 1) * product))
              nextHidden[j] = (1 - z[j]) * n + z[j] * before[j]
            }
          default:
            for j in 0..<H {
              let i = Self.activate(f, limited(sum(0, j) + peep(0, j, cell[j])))
              let forget = inputForget ? 1 - i : Self.activate(f, limited(sum(2, j) + peep(2, j, cell[j])))
              nextCell[j] = forget * cell[j] + i * Self.activate(g, limited(sum(3, j)))
              let o = Self.activate(f, limited(sum(1, j) + peep(1, j, nextCell[j])))
              nextHidden[j] = o * Self.activate(h, nextCell[j])
            }
          }
          (hidden, cell) = (nextHidden, nextCell)
          for j in 0..<H { y[yIndex(t, d, b) + j] = hidden[j] }
        }
        for j in 0..<H { (yH[start + j], yC[start + j]) = (hidden[j], cell[j]) }
      }
    }
    return (y, yH, kind == APUSK_LSTM ? yC : [])
  }
}

@Suite struct RecurrentTests {
  @Test(arguments: 0..<90 as Range<UInt64>)
  func randomLayersAgreeWithDoublePrecisionAndAcrossLevelsAndThreads(seed: UInt64) throws {
    var random = ProductRandom(seed: seed &+ 700)
    let layer = RecurrentCase.random(&random)
    let label = "seed \(seed): \(layer)"
    let reference = try layer.run(level: APUSK_LEVEL_PORTABLE, threads: 1, &random)
    let expected = layer.oracle(), wide = try layer.wide()
    for (name, ours, theirs, doubles) in [
      ("Y", reference.y, expected.y, wide.y), ("Y_h", reference.yH, expected.yH, wide.yH),
      ("Y_c", reference.yC, expected.yC, wide.yC),
    ] {
      // Unbounded activations let values grow along the steps; errors grow with them.
      let worst = zip(ours, theirs).map { abs(Double($0) - $1) / max(1, abs($1)) }.max() ?? 0
      #expect(worst < 5e-5, "\(label): \(name) is off by \(worst)")
      let worstWide = zip(doubles, theirs).map { abs($0 - $1) / max(1, abs($1)) }.max() ?? 0
      #expect(ours.count == theirs.count && doubles.count == theirs.count)
      #expect(worstWide < 1e-9, "\(label): \(name) of float64 is off by \(worstWide)")
    }
    for level in productLevels {
      for threads in [1, 2, 5] as [Int32] {
        let result = try layer.run(level: level, threads: threads, &random)
        #expect(productBits(result.y) == productBits(reference.y), "\(label): level \(level), threads \(threads)")
        #expect(productBits(result.yH) == productBits(reference.yH), "\(label): level \(level), threads \(threads)")
        #expect(productBits(result.yC) == productBits(reference.yC), "\(label): level \(level), threads \(threads)")
      }
    }
  }

  @Test(arguments: [APUSK_RNN, APUSK_GRU, APUSK_LSTM], [false, true])
  func aLargeSequenceSharedByThreadsHasTheSameBits(kind: Int32, linearBeforeReset: Bool) throws {
    var random = ProductRandom(seed: 9)
    var layer = RecurrentCase()
    (layer.kind, layer.linearBeforeReset) = (kind, linearBeforeReset)
    (layer.steps, layer.input, layer.hidden) = (5, 3, 300)
    layer.activations = Array(
      repeating: [APUSK_RNN_SIGMOID, APUSK_RNN_TANH, APUSK_RNN_TANH].map { apusk_rnn_activation(code: $0, alpha: 0, beta: 0) },
      count: 2)
    layer.x = random.floats(layer.steps * layer.input)
    layer.w = random.floats(layer.gates * layer.hidden * layer.input)
    layer.r = random.floats(layer.gates * layer.hidden * layer.hidden).map { $0 * 0.1 }
    let reference = try layer.run(level: APUSK_LEVEL_PORTABLE, threads: 1, &random)
    for level in productLevels {
      for threads in [2, 3, 16] as [Int32] {
        var a = layer.arguments()
        var plans = apusk_recurrent_plan_result()
        try #require(apusk_recurrent_plan(level, &a, threads, &plans) == 0)
        #expect(a.parts > 1 && plans.run.units == Int64(a.parts) && plans.run.phases > 1)
        let result = try layer.run(level: level, threads: threads, &random)
        #expect(productBits(result.y) == productBits(reference.y), "level \(level), threads \(threads)")
      }
    }
  }

  private func small(_ floats: ProductBuffer) -> apusk_recurrent_args {
    var layer = RecurrentCase()
    (layer.steps, layer.batch, layer.hidden) = (2, 2, 3)
    layer.activations = Array(repeating: Array(repeating: apusk_rnn_activation(), count: 3), count: 2)
    var a = layer.arguments()
    (a.xw, a.r) = (UnsafeRawPointer(floats.floats), UnsafeRawPointer(floats.floats))
    return a
  }

  @Test(arguments: [-1, 3] as [Int32], [APUSK_FLOAT32, APUSK_FLOAT64])
  func aSequenceLengthOutOfRangeIsAFault(length: Int32, type: Int32) throws {
    var random = ProductRandom(seed: 1)
    let floats = ProductBuffer(count: 4096, filledWith: 0)
    let lengths: [Int32] = [2, length]
    try lengths.withUnsafeBufferPointer { lengths in
      var a = small(floats)
      a.element_type = type
      a.sequence_lens = lengths.baseAddress
      var plans = apusk_recurrent_plan_result()
      try #require(apusk_recurrent_plan(APUSK_LEVEL_PORTABLE, &a, 1, &plans) == 0)
      let state = ProductBuffer(count: Int(plans.state_bytes) / 4)
      a.state = UnsafeMutableRawPointer(state.floats)
      let (status, fault) = runProduct(
        type == APUSK_FLOAT32 ? plans.start : plans.run, a, split: &random, whole: true)
      #expect(status == 600)
      #expect(fault.code == 600 && fault.operand == 4 && fault.position == 1 && fault.value == Int64(length))
      #expect(fault.lower == 0 && fault.upper == 3)
    }
  }

  @Test func absentOutputsAndSizesOutOfRange() throws {
    for level in productLevels {
      var random = ProductRandom(seed: 2)
      let floats = ProductBuffer(count: 4096, filledWith: 0.5)
      var a = small(floats)
      var plans = apusk_recurrent_plan_result()
      #expect(apusk_recurrent_plan(level, &a, 1, &plans) == 0)
      let state = ProductBuffer(count: Int(plans.state_bytes) / 4)
      a.state = UnsafeMutableRawPointer(state.floats)
      #expect(runProduct(plans.start, a, split: &random).0 == 0)
      #expect(runProduct(plans.run, a, split: &random).0 == 0)
      a.f.0.code = 11
      #expect(apusk_recurrent_plan(level, &a, 1, &plans) == 100)
      a.f.0.code = APUSK_RNN_SIGMOID
      a.clip = -1
      #expect(apusk_recurrent_plan(level, &a, 1, &plans) == 100)
      (a.clip, a.hidden) = (0, 1 << 31)
      #expect(apusk_recurrent_plan(level, &a, 1, &plans) == 301)
      (a.hidden, a.steps) = (1 << 20, 1 << 40)
      #expect(apusk_recurrent_plan(level, &a, 1, &plans) == 301)
      (a.hidden, a.steps, a.batch) = (3, 2, 0)
      #expect(apusk_recurrent_plan(level, &a, 1, &plans) == 0)
      #expect(plans.run.units == 0 && plans.start.units == 0)
      a.element_type = APUSK_INT32
      #expect(apusk_recurrent_plan(level, &a, 1, &plans) == 502)
      #expect(apusk_recurrent_plan(3, &a, 1, &plans) == 100)
    }
  }
}
