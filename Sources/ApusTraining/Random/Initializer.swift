import Glibc

/// How initial weights are drawn. `fanIn` and `fanOut` are the numbers of weights into an output and out of an input; for a
/// convolution both count the kernel's positions.
public enum Initializer: Equatable, Sendable {
  case constant(Float)
  case uniform(limit: Float)
  case normal(deviation: Float)
  /// Uniform in +-sqrt(6 / (fanIn + fanOut)) (Glorot and Bengio 2010; Goodfellow, Bengio, Courville: Deep Learning, eq. 8.23).
  case glorotUniform
  /// Normal with variance 2 / (fanIn + fanOut).
  case glorotNormal
  /// Uniform in +-sqrt(6 / fanIn), for layers followed by a ReLU (He et al. 2015).
  case heUniform
  /// Normal with variance 2 / fanIn.
  case heNormal

  /// `count` values, drawn in order from `generator`.
  public func values(count: Int, fanIn: Int, fanOut: Int, using generator: inout RandomGenerator) -> [Float] {
    let fanIn = Double(max(fanIn, 1))
    let fanOut = Double(max(fanOut, 1))
    switch self {
    case .constant(let value): return [Float](repeating: value, count: count)
    case .uniform(let limit): return Self.uniform(count, Double(limit), &generator)
    case .normal(let deviation): return Self.normal(count, Double(deviation), &generator)
    case .glorotUniform: return Self.uniform(count, (6 / (fanIn + fanOut)).squareRoot(), &generator)
    case .glorotNormal: return Self.normal(count, (2 / (fanIn + fanOut)).squareRoot(), &generator)
    case .heUniform: return Self.uniform(count, (6 / fanIn).squareRoot(), &generator)
    case .heNormal: return Self.normal(count, (2 / fanIn).squareRoot(), &generator)
    }
  }

  private static func uniform(_ count: Int, _ limit: Double, _ generator: inout RandomGenerator) -> [Float] {
    var values: [Float] = []
    values.reserveCapacity(count)
    for _ in 0..<count {
      let unit = (Double(generator.nextWord()) + 0.5) * 0x1p-32
      values.append(Float((2 * unit - 1) * limit))
    }
    return values
  }

  /// The transform of Box and Muller: two normal values from two uniform ones.
  private static func normal(_ count: Int, _ deviation: Double, _ generator: inout RandomGenerator) -> [Float] {
    var values: [Float] = []
    values.reserveCapacity(count + 1)
    while values.count < count {
      let u = (Double(generator.nextWord()) + 0.5) * 0x1p-32
      let v = Double(generator.nextWord()) * 0x1p-32
      let radius = deviation * (-2 * log(u)).squareRoot()
      values.append(Float(radius * cos(2 * Double.pi * v)))
      values.append(Float(radius * sin(2 * Double.pi * v)))
    }
    if values.count > count { values.removeLast() }
    return values
  }
}
