// What the tests of matrix products, convolutions and recurrent layers share: levels, random numbers, buffers, runs.
import CApusKernels
import CApusPlatform
import Testing

/// The instruction set levels of this CPU, lowest first; says which it leaves out.
let productLevels: [Int32] = {
  var cpu = apusp_cpu()
  apusp_cpu_detect(&cpu)
  let all = [APUSK_LEVEL_PORTABLE, APUSK_LEVEL_AVX2, APUSK_LEVEL_AVX512]
  for level in all where level > cpu.level {
    print("skipped: this CPU lacks instruction set level \(level)")
  }
  return all.filter { $0 <= cpu.level }
}()

/// SplitMix64.
struct ProductRandom: RandomNumberGenerator {
  var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  mutating func int(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &self) }
  mutating func bool() -> Bool { next() & 1 == 0 }
  mutating func floats(_ count: Int) -> [Float] { (0..<count).map { _ in Float.random(in: -1...1, using: &self) } }

  /// Mostly ordinary numbers, with infinities, NaN, zeros of both signs and subnormals among them.
  mutating func specials(_ count: Int) -> [Float] {
    let odd: [Float] = [.infinity, -.infinity, .nan, 0, -0.0, .leastNonzeroMagnitude, -.leastNormalMagnitude / 8, 3e38, -3e38]
    return (0..<count).map { _ in
      int(0...11) == 0 ? odd[int(0...(odd.count - 1))] : Float.random(in: -1...1, using: &self)
    }
  }
}

/// Floats at a fixed, 64-byte aligned address between two guard zones, which `guardsIntact` looks at.
final class ProductBuffer {
  private let base: UnsafeMutableRawPointer
  let floats: UnsafeMutablePointer<Float>
  let count: Int
  private static let zone = 64
  private static let mark: UInt32 = 0x7FC0_DEAD

  init(_ values: [Float]) {
    count = values.count
    let whole = count + 2 * Self.zone
    base = .allocate(byteCount: whole * 4, alignment: 64)
    let words = base.bindMemory(to: UInt32.self, capacity: whole)
    for i in 0..<whole { words[i] = Self.mark }
    floats = (base + Self.zone * 4).bindMemory(to: Float.self, capacity: count)
    for i in 0..<count { floats[i] = values[i] }
  }

  convenience init(count: Int, filledWith value: Float = .nan) { self.init([Float](repeating: value, count: count)) }

  deinit { base.deallocate() }

  var values: [Float] { (0..<count).map { floats[$0] } }

  var guardsIntact: Bool {
    let words = UnsafeRawBufferPointer(start: base, count: (count + 2 * Self.zone) * 4)
    let outside = Array(0..<Self.zone) + Array((Self.zone + count)..<(count + 2 * Self.zone))
    return outside.allSatisfy { words.load(fromByteOffset: $0 * 4, as: UInt32.self) == Self.mark }
  }
}

/// The bits of numbers; every NaN counts as one (its payload and sign are not promised).
func productBits(_ values: [Float]) -> [UInt32] { values.map { $0.isNaN ? 0x7FC0_0000 : $0.bitPattern } }

/// Runs a plan with scratch of exactly the promised size, its units cut at random places (or all at once) and done in
/// random order. Returns the first status that is not 0, and the fault.
func runProduct<Arguments>(
  _ plan: apusk_plan, _ arguments: Arguments, split random: inout ProductRandom, whole: Bool = false
) -> (Int32, apusp_fault) {
  let scratch = ProductBuffer(count: Int(plan.scratch_bytes) / 4)
  var worker = apusp_worker()
  worker.scratch = UnsafeMutableRawPointer(scratch.floats)
  worker.scratch_size = plan.scratch_bytes
  worker.turn = whole ? 0 : 0x9e37_79b9_7f4a_7c15
  var ranges: [(Int64, Int64)] = []
  var begin: Int64 = 0
  while begin < plan.units {
    let end = whole ? plan.units : min(plan.units, begin + Int64(random.int(1...3)))
    ranges.append((begin, end))
    begin = end
  }
  if !whole { ranges.shuffle(using: &random) }
  var status: Int32 = 0
  withUnsafePointer(to: arguments) { pointer in
    for phase in 0..<max(plan.phases, 1) {
      worker.phase = phase
      for (begin, end) in ranges where status == 0 { status = plan.kernel(pointer, begin, end, &worker) }
    }
  }
  #expect(scratch.guardsIntact, "a kernel wrote beside its scratch")
  return (status, worker.fault)
}

/// The sum of apusk_gemm.h, term by term: chains of at most APUSK_GEMM_CHAIN fused multiply-adds, added in order.
struct ProductSum {
  private var total: Float = 0, chain: Float = 0
  private var terms = 0

  mutating func add(_ a: Float, _ b: Float) {
    if terms > 0 && terms % Int(APUSK_GEMM_CHAIN) == 0 {
      total = value
      chain = 0
    }
    chain = chain.addingProduct(a, b)
    terms += 1
  }

  var value: Float { terms <= Int(APUSK_GEMM_CHAIN) ? chain : total + chain }

  /// The bound of the error of `terms` terms, as a factor of the sum of their magnitudes; `more` counts further roundings.
  static func errorBound(terms: Int, more: Int) -> Double {
    let chain = Int(APUSK_GEMM_CHAIN)
    return Double(min(terms, chain) + max(0, (terms - 1) / chain) + more) * 0x1p-24
  }
}

/// The rule of apusk_tail.h in double precision.
func productTail(_ sum: Double, bias: Double?, residual: Double?, _ tail: apusk_tail) -> Double {
  var v = Double(tail.scale) * sum
  if let bias { v += bias }
  if let residual { v += Double(tail.residual_scale) * residual }
  switch tail.activation {
  case APUSK_ACTIVATION_RELU: return v < 0 ? 0 : v
  case APUSK_ACTIVATION_LEAKY_RELU: return v < 0 ? Double(tail.alpha) * v : v
  case APUSK_ACTIVATION_SIGMOID: return 1 / (1 + exponential(-v))
  case APUSK_ACTIVATION_TANH: return hyperbolicTangent(v)
  case APUSK_ACTIVATION_CLIP: return min(max(v, Double(tail.alpha)), Double(tail.beta))
  case APUSK_ACTIVATION_HARD_SIGMOID: return min(max(Double(tail.alpha) * v + Double(tail.beta), 0), 1)
  case APUSK_ACTIVATION_HARD_SWISH: return v * min(max(Double(tail.alpha) * v + Double(tail.beta), 0), 1)
  case APUSK_ACTIVATION_SWISH: return v / (1 + exponential(-Double(tail.alpha) * v))
  case APUSK_ACTIVATION_GELU: return v * normalDistribution(v)
  default: return v
  }
}

/// The rule of apusk_tail.h in single precision, each operation rounded; without the activations that need an
/// exponential.
func productTailExactly(_ sum: Float, bias: Float?, residual: Float?, _ tail: apusk_tail) -> Float {
  var v = tail.scale * sum
  if let bias { v = v + bias }
  if let residual {
    let scaled = tail.residual_scale * residual
    v = v + scaled
  }
  switch tail.activation {
  case APUSK_ACTIVATION_RELU: return v < 0 ? 0 : v
  case APUSK_ACTIVATION_LEAKY_RELU: return v < 0 ? tail.alpha * v : v
  case APUSK_ACTIVATION_CLIP: return clipped(v, tail.alpha, tail.beta)
  case APUSK_ACTIVATION_HARD_SIGMOID, APUSK_ACTIVATION_HARD_SWISH:
    let scaled = tail.alpha * v
    let slope = clipped(scaled + tail.beta, 0, 1)
    return tail.activation == APUSK_ACTIVATION_HARD_SWISH ? v * slope : slope
  default: return v
  }
}

/// NaN stays.
private func clipped(_ v: Float, _ low: Float, _ high: Float) -> Float {
  let raised = v < low ? low : v
  return raised > high ? high : raised
}

/// Whether an activation needs an exponential or its like.
func isTranscendental(_ activation: Int32) -> Bool {
  activation == APUSK_ACTIVATION_SIGMOID || activation == APUSK_ACTIVATION_TANH || activation == APUSK_ACTIVATION_SWISH
    || activation == APUSK_ACTIVATION_GELU
}

/// Phi(x) in the range that floats tell from 0 and 1: 1/2 + phi(x) (x + x^3 / 3 + x^5 / (3 * 5) + ...).
func normalDistribution(_ x: Double) -> Double {
  guard x.magnitude < 8 else { return x < 0 ? 0 : 1 }
  var (term, sum, odd) = (x, x, 1.0)
  while term.magnitude > 1e-17 * sum.magnitude {
    odd += 2
    term *= x * x / odd
    sum += term
  }
  return 0.5 + sum * exponential(-x * x / 2) * 0.3989422804014327
}

func exponential(_ x: Double) -> Double {
  // Taylor after halving the argument ten times: good to 1e-13 in the range that the tests use.
  let y = x / 1024
  var sum = 1.0
  for n in stride(from: 14.0, to: 0, by: -1) { sum = 1 + y * sum / n }
  for _ in 0..<10 { sum *= sum }
  return sum
}

func hyperbolicTangent(_ x: Double) -> Double {
  if x > 20 { return 1 }
  if x < -20 { return -1 }
  let e = exponential(2 * x)
  return (e - 1) / (e + 1)
}
