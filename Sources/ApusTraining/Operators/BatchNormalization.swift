import ApusGraph

extension Operator {
  /// BatchNormalization: X [N, C, ...], scale, B, mean, var, each [C].
  ///
  /// Y = (X - mean) / sqrt(var + epsilon) * scale + B. With training_mode 1 the mean and the (population) variance are those of
  /// the batch, and the further outputs are the running statistics: running * momentum + batch * (1 - momentum)
  /// (Ioffe and Szegedy 2015).
  static let batchNormalization = Operator("BatchNormalization", 15) { (call) throws(ApusError) in
    let input = try call.tensor(0)
    guard input.rank >= 2 else {
      throw ApusError(.shapeMismatch, "channels are needed", expected: "[N, C, ...]", actual: "\(input.shape)")
    }
    let layout = ChannelLayout(input.shape)
    for index in 1..<5 {
      let parameter = try call.tensor(index)
      guard parameter.shape == [layout.channels] else {
        throw ApusError(
          .shapeMismatch, "input \(index) does not fit the channels", expected: "[\(layout.channels)]",
          actual: "\(parameter.shape)")
      }
    }
    let isTraining = call.int("training_mode", default: 0) != 0
    guard !isTraining || layout.batch * layout.plane > 0 else {
      throw ApusError(.shapeMismatch, "an empty batch has no statistics", actual: "\(input.shape)")
    }
    let epsilon = call.float("epsilon", default: 1e-5)
    let momentum = call.float("momentum", default: 0.9)
    let output = call.allocate(input.count)
    // Per channel: the mean that is subtracted and the factor that makes the variance 1.
    let center = call.allocate(layout.channels)
    let factor = call.allocate(layout.channels)
    let runningMean = call.allocate(isTraining ? layout.channels : 0)
    let runningVariance = call.allocate(isTraining ? layout.channels : 0)
    let (x, y) = (input.storage.pointer, output.pointer)
    let (scale, bias) = (call.input(1).pointer, call.input(2).pointer)
    let (mean, variance) = (call.input(3).pointer, call.input(4).pointer)
    let (centers, factors) = (center.pointer, factor.pointer)
    let (newMean, newVariance) = (runningMean.pointer, runningVariance.pointer)

    call.context.pool.forEachRange(ofPlanes: layout.channels, size: layout.batch * layout.plane) { range in
      for channel in range {
        if isTraining {
          let (batchMean, batchVariance) = layout.statistics(x, channel)
          centers[channel] = Float(batchMean)
          factors[channel] = Float(1 / (batchVariance + Double(epsilon)).squareRoot())
          newMean[channel] = mean[channel] * momentum + Float(batchMean) * (1 - momentum)
          newVariance[channel] = variance[channel] * momentum + Float(batchVariance) * (1 - momentum)
        } else {
          centers[channel] = mean[channel]
          factors[channel] = 1 / (variance[channel] + epsilon).squareRoot()
        }
        let (c, a, b) = (centers[channel], factors[channel] * scale[channel], bias[channel])
        for n in 0..<layout.batch {
          let first = layout.first(n, channel)
          for i in first..<first + layout.plane { y[i] = (x[i] - c) * a + b }
        }
      }
    }
    call.saved = [center, factor]
    var outputs = [Output(shape: input.shape, storage: output)]
    if isTraining {
      outputs.append(Output(shape: [layout.channels], storage: runningMean))
      outputs.append(Output(shape: [layout.channels], storage: runningVariance))
    }
    return outputs
  } backward: { call in
    guard let gradient = call.outputGradients[0] else { return [] }
    let layout = ChannelLayout(call.inputShape(0))
    let isTraining = call.int("training_mode", default: 0) != 0
    let byInput = call.wantsGradient(0) ? call.allocate(gradient.count) : nil
    let byScale = call.allocate(layout.channels)
    let byBias = call.allocate(layout.channels)
    let (x, g, scale) = (call.input(0).pointer, gradient.pointer, call.input(1).pointer)
    let (centers, factors) = (call.saved[0].pointer, call.saved[1].pointer)
    let (dScale, dBias) = (byScale.pointer, byBias.pointer)
    call.context.pool.forEachRange(ofPlanes: layout.channels, size: layout.batch * layout.plane) { range in
      for channel in range {
        let (sum, dot) = layout.gradientSums(g, x, channel, center: centers[channel])
        dBias[channel] = Float(sum)
        dScale[channel] = Float(dot) * factors[channel]
        guard let byInput else { continue }
        let a = factors[channel] * scale[channel]
        // In training the batch's own mean and variance move with x: their share is taken off.
        let count = Float(layout.batch * layout.plane)
        let meanShare = isTraining ? Float(sum) / count : 0
        let slope = isTraining ? Float(dot) * factors[channel] * factors[channel] / count : 0
        let c = centers[channel]
        for n in 0..<layout.batch {
          let first = layout.first(n, channel)
          for i in first..<first + layout.plane { byInput.pointer[i] = a * (g[i] - meanShare - (x[i] - c) * slope) }
        }
      }
    }
    return [byInput, call.wantsGradient(1) ? byScale : nil, call.wantsGradient(2) ? byBias : nil, nil, nil]
  }
}

/// Where the elements of a channel are in [N, C, ...].
private struct ChannelLayout: Sendable {
  let batch: Int
  let channels: Int
  let plane: Int

  init(_ shape: [Int]) {
    batch = shape[0]
    channels = shape[1]
    plane = shape.dropFirst(2).reduce(1, *)
  }

  @inline(__always)
  func first(_ n: Int, _ channel: Int) -> Int { (n * channels + channel) * plane }

  /// Mean and population variance, in two passes: floats within an image plane, doubles over the planes.
  func statistics(_ x: UnsafePointer<Float>, _ channel: Int) -> (mean: Double, variance: Double) {
    let count = Double(batch * plane)
    var sum: Double = 0
    for n in 0..<batch { sum += Double(laneSum(x + first(n, channel), plane)) }
    let mean = sum / count
    let center = Float(mean)
    var squares: Double = 0
    for n in 0..<batch {
      squares += Double(laneSums(of: plane, at: first(n, channel)) { i in (x[i] - center) * (x[i] - center) })
    }
    // The mean was rounded to a float: the variance about it is larger by the square of the difference.
    let shift = mean - Double(center)
    return (mean, max(0, squares / count - shift * shift))
  }

  /// The sum of the gradient, and of the gradient times (x - center).
  func gradientSums(
    _ g: UnsafePointer<Float>, _ x: UnsafePointer<Float>, _ channel: Int, center: Float
  ) -> (sum: Double, dot: Double) {
    var (sum, dot): (Double, Double) = (0, 0)
    for n in 0..<batch {
      let first = first(n, channel)
      sum += Double(laneSum(g + first, plane))
      dot += Double(laneSums(of: plane, at: first) { i in g[i] * (x[i] - center) })
    }
    return (sum, dot)
  }

  /// The sum of `term` over `count` indices from `first`, in 8 interleaved lanes.
  @inline(__always)
  private func laneSums(of count: Int, at first: Int, _ term: (Int) -> Float) -> Float {
    var lanes = SIMD8<Float>(repeating: 0)
    var i = 0
    while i &+ 8 <= count {
      let at = first &+ i
      lanes += SIMD8(
        term(at), term(at &+ 1), term(at &+ 2), term(at &+ 3), term(at &+ 4), term(at &+ 5), term(at &+ 6), term(at &+ 7))
      i &+= 8
    }
    var rest: Float = 0
    while i < count {
      rest += term(first &+ i)
      i &+= 1
    }
    return lanes.sum() + rest
  }
}
