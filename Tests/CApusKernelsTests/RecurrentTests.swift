import CApusKernels
import Testing

/// One random LSTM. All tensors are dense, in the order of ONNX's layout 0 or 1.
private struct LSTMCase: CustomStringConvertible {
  var steps = 1, batch = 1, input = 1, hidden = 1
  var direction = APUSK_LSTM_FORWARD
  var layout: Int32 = 0
  var clip: Float = 0
  var inputForget = false
  var activations: [[apusk_rnn_activation]] = []  // [direction][f, g, h]
  var x: [Float] = [], w: [Float] = [], r: [Float] = [], bias: [Float] = [], peephole: [Float] = []
  var initialH: [Float] = [], initialC: [Float] = []
  var lengths: [Int32] = []

  var directions: Int { direction == APUSK_LSTM_BIDIRECTIONAL ? 2 : 1 }

  var description: String {
    "steps \(steps) batch \(batch) input \(input) hidden \(hidden) direction \(direction) layout \(layout) clip \(clip) "
      + "input_forget \(inputForget) bias \(!bias.isEmpty) peephole \(!peephole.isEmpty) initial \(!initialH.isEmpty) "
      + "lengths \(lengths) activations \(activations.map { $0.map(\.code) })"
  }

  static func random(_ random: inout ProductRandom) -> LSTMCase {
    var c = LSTMCase()
    (c.steps, c.batch) = (random.int(1...7), random.bool() ? random.int(1...3) : random.int(4...60))
    (c.input, c.hidden) = (random.int(1...9), random.bool() ? random.int(1...12) : random.int(13...40))
    c.direction = Int32(random.int(0...2))
    c.layout = Int32(random.int(0...1))
    if random.int(0...2) == 0 { c.clip = 0.4 }
    c.inputForget = random.int(0...3) == 0
    let standard = random.int(0...2) != 0
    c.activations = (0..<2).map { _ in
      (0..<3).map { place in
        var a = apusk_rnn_activation()
        a.code = standard ? (place == 0 ? APUSK_RNN_SIGMOID : APUSK_RNN_TANH) : Int32(random.int(0...8))
        (a.alpha, a.beta) = (0.3, 0.45)
        return a
      }
    }
    c.x = random.floats(c.steps * c.batch * c.input)
    c.w = random.floats(c.directions * 4 * c.hidden * c.input)
    c.r = random.floats(c.directions * 4 * c.hidden * c.hidden).map { $0 * 0.5 }
    if random.bool() { c.bias = random.floats(c.directions * 8 * c.hidden) }
    if random.int(0...2) == 0 { c.peephole = random.floats(c.directions * 3 * c.hidden) }
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

  /// The input projection as a product, then the recurrence: the two steps that a program runs.
  func run(level: Int32, threads: Int32, _ random: inout ProductRandom) throws -> Result {
    let kernels = try #require(apusk_recurrent_kernels_for(level)), gemm = try #require(kernels.pointee.gemm)
    let columns = directions * 4 * hidden
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

    let packedBytes = apusk_lstm_f32_packed_bytes(kernels, Int32(directions), Int64(hidden))
    let packedR = ProductBuffer(count: Int(packedBytes) / 4)
    apusk_lstm_f32_pack(kernels, Int32(directions), Int64(hidden), r, packedR.floats)
    #expect(packedR.guardsIntact)
    let state = directions * batch * hidden
    let y = ProductBuffer(count: steps * state), yH = ProductBuffer(count: state), yC = ProductBuffer(count: state)
    let biasBuffer = ProductBuffer(bias), peepholeBuffer = ProductBuffer(peephole)
    let hBuffer = ProductBuffer(initialH), cBuffer = ProductBuffer(initialC)
    try lengths.withUnsafeBufferPointer { lengths in
      var a = apusk_lstm_f32_args()
      (a.xw, a.r) = (UnsafePointer(xw.floats), UnsafePointer(packedR.floats))
      if !bias.isEmpty { a.bias = UnsafePointer(biasBuffer.floats) }
      if !peephole.isEmpty { a.peephole = UnsafePointer(peepholeBuffer.floats) }
      if !initialH.isEmpty { (a.initial_h, a.initial_c) = (UnsafePointer(hBuffer.floats), UnsafePointer(cBuffer.floats)) }
      if !lengths.isEmpty { a.sequence_lens = lengths.baseAddress }
      (a.y, a.y_h, a.y_c) = (y.floats, yH.floats, yC.floats)
      (a.steps, a.batch, a.hidden) = (Int64(steps), Int64(batch), Int64(hidden))
      (a.direction, a.input_forget, a.clip) = (direction, inputForget ? 1 : 0, clip)
      a.f = (activations[0][0], activations[1][0])
      a.g = (activations[0][1], activations[1][1])
      a.h = (activations[0][2], activations[1][2])
      apusk_lstm_f32_set_layout(&a, layout)
      try #require(apusk_lstm_f32_plan(kernels, &a, threads, &plan) == 0)
      #expect(runProduct(plan, a, split: &random).0 == 0)
    }
    #expect(y.guardsIntact && yH.guardsIntact && yC.guardsIntact)
    return Result(y: y.values, yH: yH.values, yC: yC.values)
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
      let reverse = direction == APUSK_LSTM_REVERSE || d == 1
      let (f, g, h) = (activations[d][0], activations[d][1], activations[d][2])
      for b in 0..<batch {
        let start = stateIndex(d, b), length = lengths.isEmpty ? steps : Int(lengths[b])
        var hidden = (0..<H).map { initialH.isEmpty ? 0 : Double(initialH[start + $0]) }
        var cell = (0..<H).map { initialC.isEmpty ? 0 : Double(initialC[start + $0]) }
        for step in 0..<length {
          let t = reverse ? length - 1 - step : step
          func sum(_ gate: Int, _ j: Int) -> Double {
            let row = d * 4 * H + gate * H + j
            var s = 0.0
            for i in 0..<input { s += Double(xAt(t, b, i)) * Double(w[row * input + i]) }
            for i in 0..<H { s += hidden[i] * Double(r[row * H + i]) }
            if !bias.isEmpty { s += Double(bias[d * 8 * H + gate * H + j]) + Double(bias[d * 8 * H + (4 + gate) * H + j]) }
            return s
          }
          func peep(_ place: Int, _ j: Int, _ c: Double) -> Double {
            peephole.isEmpty ? 0 : Double(peephole[d * 3 * H + place * H + j]) * c
          }
          var nextHidden = hidden, nextCell = cell
          for j in 0..<H {
            let i = Self.activate(f, limited(sum(0, j) + peep(0, j, cell[j])))
            let forget = inputForget ? 1 - i : Self.activate(f, limited(sum(2, j) + peep(2, j, cell[j])))
            nextCell[j] = forget * cell[j] + i * Self.activate(g, limited(sum(3, j)))
            let o = Self.activate(f, limited(sum(1, j) + peep(1, j, nextCell[j])))
            nextHidden[j] = o * Self.activate(h, nextCell[j])
          }
          (hidden, cell) = (nextHidden, nextCell)
          for j in 0..<H { y[yIndex(t, d, b) + j] = hidden[j] }
        }
        for j in 0..<H { (yH[start + j], yC[start + j]) = (hidden[j], cell[j]) }
      }
    }
    return (y, yH, yC)
  }
}

@Suite struct RecurrentTests {
  @Test(arguments: 0..<50 as Range<UInt64>)
  func randomLSTMsAgreeWithDoublePrecisionAndAcrossLevelsAndThreads(seed: UInt64) throws {
    var random = ProductRandom(seed: seed &+ 700)
    let lstm = LSTMCase.random(&random)
    let label = "seed \(seed): \(lstm)"
    let reference = try lstm.run(level: APUSK_LEVEL_PORTABLE, threads: 1, &random)
    let expected = lstm.oracle()
    for (name, ours, theirs) in [
      ("Y", reference.y, expected.y), ("Y_h", reference.yH, expected.yH), ("Y_c", reference.yC, expected.yC),
    ] {
      // Unbounded activations let values grow along the steps; errors grow with them.
      let worst = zip(ours, theirs).map { abs(Double($0) - $1) / max(1, abs($1)) }.max() ?? 0
      #expect(worst < 5e-5, "\(label): \(name) is off by \(worst)")
    }
    for level in productLevels {
      for threads in [1, 2, 5] as [Int32] {
        let result = try lstm.run(level: level, threads: threads, &random)
        #expect(productBits(result.y) == productBits(reference.y), "\(label): level \(level), threads \(threads)")
        #expect(productBits(result.yH) == productBits(reference.yH), "\(label): level \(level), threads \(threads)")
        #expect(productBits(result.yC) == productBits(reference.yC), "\(label): level \(level), threads \(threads)")
      }
    }
  }

  @Test(arguments: [-1, 3] as [Int32])
  func aSequenceLengthOutOfRangeIsAFault(length: Int32) throws {
    for level in productLevels {
      let kernels = try #require(apusk_recurrent_kernels_for(level))
      var random = ProductRandom(seed: 1)
      let floats = ProductBuffer(count: 4096, filledWith: 0)
      let lengths: [Int32] = [2, length]
      try lengths.withUnsafeBufferPointer { lengths in
        var a = apusk_lstm_f32_args()
        (a.xw, a.r) = (UnsafePointer(floats.floats), UnsafePointer(floats.floats))
        a.sequence_lens = lengths.baseAddress
        (a.steps, a.batch, a.hidden) = (2, 2, 3)
        apusk_lstm_f32_set_layout(&a, 0)
        apusk_lstm_f32_set_default_activations(&a)
        var plan = apusk_plan()
        try #require(apusk_lstm_f32_plan(kernels, &a, 1, &plan) == 0)
        let (status, fault) = runProduct(plan, a, split: &random)
        #expect(status == 600)
        #expect(fault.code == 600 && fault.operand == 4 && fault.position == 1 && fault.value == Int64(length))
        #expect(fault.lower == 0 && fault.upper == 3)
      }
    }
  }

  @Test func absentOutputsAndSizesOutOfRange() throws {
    for level in productLevels {
      let kernels = try #require(apusk_recurrent_kernels_for(level))
      var random = ProductRandom(seed: 2)
      let floats = ProductBuffer(count: 4096, filledWith: 0.5)
      var a = apusk_lstm_f32_args()
      (a.xw, a.r) = (UnsafePointer(floats.floats), UnsafePointer(floats.floats))
      (a.steps, a.batch, a.hidden) = (2, 2, 3)
      apusk_lstm_f32_set_layout(&a, 1)
      apusk_lstm_f32_set_default_activations(&a)
      var plan = apusk_plan()
      #expect(apusk_lstm_f32_plan(kernels, &a, 1, &plan) == 0)
      #expect(runProduct(plan, a, split: &random).0 == 0)
      a.f.0.code = 9
      #expect(apusk_lstm_f32_plan(kernels, &a, 1, &plan) == 100)
      apusk_lstm_f32_set_default_activations(&a)
      a.clip = -1
      #expect(apusk_lstm_f32_plan(kernels, &a, 1, &plan) == 100)
      (a.clip, a.hidden) = (0, 1 << 31)
      #expect(apusk_lstm_f32_plan(kernels, &a, 1, &plan) == 301)
      (a.hidden, a.batch) = (3, 0)
      #expect(apusk_lstm_f32_plan(kernels, &a, 1, &plan) == 0)
      #expect(plan.units == 0)
      #expect(apusk_lstm_f32_packed_bytes(kernels, 3, 4) == -1)
      #expect(apusk_lstm_f32_packed_bytes(kernels, 2, -4) == -1)
    }
  }
}
