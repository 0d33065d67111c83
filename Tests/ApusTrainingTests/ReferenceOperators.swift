import Glibc

/// The operators written as their definitions, in float64: the oracle of the forward and, by differences, of the gradients.
extension Reference {
  func map(_ function: (Double) -> Double) -> Reference { Reference(values.map(function), shape) }

  func broadcast(with other: Reference, _ function: (Double, Double) -> Double) -> Reference {
    let rank = max(shape.count, other.shape.count)
    let a = [Int](repeating: 1, count: rank - shape.count) + shape
    let b = [Int](repeating: 1, count: rank - other.shape.count) + other.shape
    let extents = (0..<rank).map { a[$0] == 1 ? b[$0] : a[$0] }
    var result: [Double] = []
    for index in 0..<extents.reduce(1, *) {
      var rest = index
      var (i, j, stepA, stepB) = (0, 0, 1, 1)
      for axis in (0..<rank).reversed() {
        let place = rest % extents[axis]
        rest /= extents[axis]
        if a[axis] > 1 { i += place * stepA }
        if b[axis] > 1 { j += place * stepB }
        stepA *= a[axis]
        stepB *= b[axis]
      }
      result.append(function(values[i], other.values[j]))
    }
    return Reference(result, extents)
  }

  /// self [M, K] times b, which is [K, N] or, transposed, [N, K]; plus a bias [N].
  func product(_ b: Reference, transposed: Bool, bias: Reference?) -> Reference {
    let (m, k) = (shape[0], shape[1])
    let n = b.shape[transposed ? 0 : 1]
    var result: [Double] = []
    for i in 0..<m {
      for j in 0..<n {
        var sum = bias?.values[j] ?? 0
        for p in 0..<k { sum += values[i * k + p] * b.values[transposed ? j * k + p : p * n + j] }
        result.append(sum)
      }
    }
    return Reference(result, [m, n])
  }

  struct Window {
    var kernel = [1, 1]
    var strides = [1, 1]
    var pads = [0, 0, 0, 0]
    var dilations = [1, 1]

    func outputs(_ height: Int, _ width: Int) -> (Int, Int) {
      (
        (height + pads[0] + pads[2] - dilations[0] * (kernel[0] - 1) - 1) / strides[0] + 1,
        (width + pads[1] + pads[3] - dilations[1] * (kernel[1] - 1) - 1) / strides[1] + 1
      )
    }
  }

  /// Calls `body` for each output place of each plane with the elements of its window that are inside the image.
  private func forEachWindow(_ window: Window, _ body: (_ elements: [Double]) -> Double) -> Reference {
    let (n, c, h, w) = (shape[0], shape[1], shape[2], shape[3])
    let (oh, ow) = window.outputs(h, w)
    var result: [Double] = []
    for plane in 0..<n * c {
      for y in 0..<oh {
        for x in 0..<ow {
          var elements: [Double] = []
          for ky in 0..<window.kernel[0] {
            for kx in 0..<window.kernel[1] {
              let row = y * window.strides[0] - window.pads[0] + ky * window.dilations[0]
              let column = x * window.strides[1] - window.pads[1] + kx * window.dilations[1]
              if (0..<h).contains(row), (0..<w).contains(column) { elements.append(values[(plane * h + row) * w + column]) }
            }
          }
          result.append(body(elements))
        }
      }
    }
    return Reference(result, [n, c, oh, ow])
  }

  func maxPool(_ window: Window) -> Reference { forEachWindow(window) { $0.max() ?? -.infinity } }

  func averagePool(_ window: Window, countsPadding: Bool) -> Reference {
    forEachWindow(window) { elements in
      elements.reduce(0, +) / Double(countsPadding ? window.kernel[0] * window.kernel[1] : elements.count)
    }
  }

  func globalAveragePool() -> Reference {
    let plane = shape[2] * shape[3]
    let means = (0..<shape[0] * shape[1]).map { (p: Int) -> Double in
      values[p * plane..<(p + 1) * plane].reduce(0, +) / Double(plane)
    }
    return Reference(means, [shape[0], shape[1], 1, 1])
  }

  func convolution(_ weight: Reference, bias: Reference?, _ window: Window, groups: Int) -> Reference {
    let (n, c, h, w) = (shape[0], shape[1], shape[2], shape[3])
    let (filters, groupChannels) = (weight.shape[0], weight.shape[1])
    let (oh, ow) = window.outputs(h, w)
    var result: [Double] = []
    for image in 0..<n {
      for filter in 0..<filters {
        let group = filter / (filters / groups)
        for y in 0..<oh {
          for x in 0..<ow {
            var sum = bias?.values[filter] ?? 0
            for channel in 0..<groupChannels {
              for ky in 0..<window.kernel[0] {
                for kx in 0..<window.kernel[1] {
                  let row = y * window.strides[0] - window.pads[0] + ky * window.dilations[0]
                  let column = x * window.strides[1] - window.pads[1] + kx * window.dilations[1]
                  guard (0..<h).contains(row), (0..<w).contains(column) else { continue }
                  let plane = image * c + group * groupChannels + channel
                  let filterPlane = (filter * groupChannels + channel) * window.kernel[0]
                  sum += values[(plane * h + row) * w + column] * weight.values[(filterPlane + ky) * window.kernel[1] + kx]
                }
              }
            }
            result.append(sum)
          }
        }
      }
    }
    return Reference(result, [n, filters, oh, ow])
  }

  /// Per channel, mean and population variance of the batch.
  func channelStatistics() -> (mean: [Double], variance: [Double]) {
    let (n, c) = (shape[0], shape[1])
    let plane = shape.dropFirst(2).reduce(1, *)
    var (means, variances): ([Double], [Double]) = ([], [])
    for channel in 0..<c {
      var elements: [Double] = []
      for image in 0..<n {
        let first = (image * c + channel) * plane
        elements += values[first..<first + plane]
      }
      let count = Double(elements.count)
      let mean: Double = elements.reduce(0, +) / count
      var squares = 0.0
      for element in elements { squares += (element - mean) * (element - mean) }
      means.append(mean)
      variances.append(squares / count)
    }
    return (means, variances)
  }

  func batchNormalized(
    scale: Reference, bias: Reference, mean: [Double], variance: [Double], epsilon: Double
  ) -> Reference {
    let c = shape[1]
    let plane = shape.dropFirst(2).reduce(1, *)
    var result: [Double] = []
    for (index, value) in values.enumerated() {
      let channel = index / plane % c
      let normal = (value - mean[channel]) / (variance[channel] + epsilon).squareRoot()
      result.append(normal * scale.values[channel] + bias.values[channel])
    }
    return Reference(result, shape)
  }

  func logSoftmax() -> Reference {
    let width = shape[shape.count - 1]
    var result: [Double] = []
    for row in 0..<values.count / width {
      let elements = values[row * width..<(row + 1) * width]
      let logSum = log(elements.reduce(0) { $0 + exp($1) })
      result += elements.map { $0 - logSum }
    }
    return Reference(result, shape)
  }

  func transposed(_ order: [Int]) -> Reference {
    let extents = order.map { shape[$0] }
    var strides = [Int](repeating: 1, count: shape.count)
    for axis in shape.indices.dropLast().reversed() { strides[axis] = strides[axis + 1] * shape[axis + 1] }
    var result: [Double] = []
    for index in 0..<values.count {
      var rest = index
      var from = 0
      for axis in extents.indices.reversed() {
        from += rest % extents[axis] * strides[order[axis]]
        rest /= extents[axis]
      }
      result.append(values[from])
    }
    return Reference(result, extents)
  }

  /// The LSTM of ONNX over self [T, N, F], step by step and element by element. Returns Y, Y_h and Y_c.
  func lstm(
    _ w: Reference, _ r: Reference, bias: Reference?, initialH: Reference?, initialC: Reference?, hidden: Int, reverse: [Bool]
  ) -> (y: Reference, h: Reference, c: Reference) {
    let (steps, batch, features) = (shape[0], shape[1], shape[2])
    let directions = reverse.count
    let sigmoid = { (x: Double) in 1 / (1 + exp(-x)) }
    var y = [Double](repeating: 0, count: steps * directions * batch * hidden)
    var (lastH, lastC) = ([Double](), [Double]())
    for (d, isReverse) in reverse.enumerated() {
      for n in 0..<batch {
        let at = (d * batch + n) * hidden
        var h = initialH.map { Array($0.values[at..<at + hidden]) } ?? [Double](repeating: 0, count: hidden)
        var c = initialC.map { Array($0.values[at..<at + hidden]) } ?? [Double](repeating: 0, count: hidden)
        for t in isReverse ? Array((0..<steps).reversed()) : Array(0..<steps) {
          let gates = (0..<4 * hidden).map { row -> Double in
            var sum = 0.0
            if let bias {
              let first = d * 8 * hidden + row
              sum += bias.values[first] + bias.values[first + 4 * hidden]
            }
            let (input, weights) = ((t * batch + n) * features, d * 4 * hidden + row)
            for f in 0..<features { sum += values[input + f] * w.values[weights * features + f] }
            for j in 0..<hidden { sum += h[j] * r.values[weights * hidden + j] }
            return sum
          }
          for j in 0..<hidden {
            c[j] = sigmoid(gates[2 * hidden + j]) * c[j] + sigmoid(gates[j]) * tanh(gates[3 * hidden + j])
            h[j] = sigmoid(gates[hidden + j]) * tanh(c[j])
            y[((t * directions + d) * batch + n) * hidden + j] = h[j]
          }
        }
        lastH += h
        lastC += c
      }
    }
    let final = [directions, batch, hidden]
    return (Reference(y, [steps, directions, batch, hidden]), Reference(lastH, final), Reference(lastC, final))
  }
}
