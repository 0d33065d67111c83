import Foundation

/// Operators in double precision, written for plainness: the oracle of the runtime's tests.
enum Reference {
  static func strides(_ shape: [Int]) -> [Int] {
    var strides = Array(repeating: 1, count: shape.count)
    for axis in shape.indices.dropLast().reversed() { strides[axis] = strides[axis + 1] * shape[axis + 1] }
    return strides
  }

  static func count(_ shape: [Int]) -> Int { shape.reduce(1, *) }

  /// All index tuples of a shape, row-major.
  static func indices(_ shape: [Int]) -> [[Int]] {
    var result: [[Int]] = [[]]
    for extent in shape { result = result.flatMap { prefix in (0..<extent).map { prefix + [$0] } } }
    return result
  }

  static func offset(_ index: [Int], _ shape: [Int]) -> Int { zip(index, strides(shape)).reduce(0) { $0 + $1.0 * $1.1 } }

  struct Window {
    var kernel: [Int]
    var strides: [Int]
    var dilations: [Int]
    var begin: [Int]
    var end: [Int]

    func output(_ input: [Int]) -> [Int] {
      input.indices.map {
        (input[$0] + begin[$0] + end[$0] - (dilations[$0] * (kernel[$0] - 1) + 1)) / strides[$0] + 1
      }
    }
  }

  /// x `[N, C, spatial...]`, w `[M, C/group, kernel...]`.
  static func conv(
    _ x: [Float], _ xShape: [Int], _ w: [Float], _ wShape: [Int], bias: [Float]?, group: Int, _ window: Window
  ) -> (values: [Double], shape: [Int]) {
    let spatial = Array(xShape[2...])
    let shape = [xShape[0], wShape[0]] + window.output(spatial)
    let perGroup = wShape[0] / group
    let values = indices(shape).map { index -> Double in
      var sum = Double(bias?[index[1]] ?? 0)
      let first = index[1] / perGroup * wShape[1]
      for channel in 0..<wShape[1] {
        for tap in indices(window.kernel) {
          let place = tap.indices.map { index[$0 + 2] * window.strides[$0] - window.begin[$0] + tap[$0] * window.dilations[$0] }
          if place.indices.contains(where: { place[$0] < 0 || place[$0] >= spatial[$0] }) { continue }
          sum +=
            Double(x[offset([index[0], first + channel] + place, xShape)])
            * Double(w[offset([index[1], channel] + tap, wShape)])
        }
      }
      return sum
    }
    return (values, shape)
  }

  /// The values inside the image of each window, for pooling.
  static func windows(_ x: [Float], _ xShape: [Int], _ outputShape: [Int], _ window: Window) -> [[Double]] {
    let spatial = Array(xShape[2...])
    return indices(outputShape).map { index in
      indices(window.kernel).compactMap { tap in
        let place = tap.indices.map { index[$0 + 2] * window.strides[$0] - window.begin[$0] + tap[$0] * window.dilations[$0] }
        if place.indices.contains(where: { place[$0] < 0 || place[$0] >= spatial[$0] }) { return nil }
        return Double(x[offset([index[0], index[1]] + place, xShape)])
      }
    }
  }

  /// a `[m, k]`, b `[k, n]`.
  static func product(_ a: [Double], _ b: [Double], m: Int, k: Int, n: Int) -> [Double] {
    var result = Array(repeating: 0.0, count: m * n)
    for i in 0..<m {
      for j in 0..<n {
        for p in 0..<k { result[i * n + j] += a[i * k + p] * b[p * n + j] }
      }
    }
    return result
  }

  static func transposed(_ a: [Double], rows: Int, columns: Int) -> [Double] {
    (0..<columns).flatMap { column in (0..<rows).map { a[$0 * columns + column] } }
  }

  /// The index in a tensor of `shape` of an element of the tensor that it is broadcast to.
  static func broadcastOffset(_ index: [Int], _ shape: [Int]) -> Int {
    let tail = Array(index.suffix(shape.count))
    return offset(zip(tail, shape).map { $1 == 1 ? 0 : $0 }, shape)
  }

  static func sigmoid(_ x: Double) -> Double { 1 / (1 + exp(-x)) }

  /// One direction of an ONNX LSTM over x `[T, B, I]`; gates in the order i, o, f, c. Returns Y `[T, B, H]`, Y_h, Y_c `[B, H]`.
  static func lstm(
    _ x: [Float], steps: Int, batch: Int, width: Int, hidden: Int, w: [Float], r: [Float], bias: [Float],
    h0: [Float], c0: [Float], reverse: Bool
  ) -> (y: [Double], h: [Double], c: [Double]) {
    var h = h0.map { Double($0) }
    var c = c0.map { Double($0) }
    var y = Array(repeating: 0.0, count: steps * batch * hidden)
    for step in 0..<steps {
      let t = reverse ? steps - 1 - step : step
      let before = h
      for item in 0..<batch {
        func gate(_ number: Int, _ unit: Int) -> Double {
          let row = number * hidden + unit
          var sum = Double(bias[row]) + Double(bias[4 * hidden + row])
          for i in 0..<width { sum += Double(x[(t * batch + item) * width + i]) * Double(w[row * width + i]) }
          for j in 0..<hidden { sum += before[item * hidden + j] * Double(r[row * hidden + j]) }
          return sum
        }
        for unit in 0..<hidden {
          let (i, o, f) = (sigmoid(gate(0, unit)), sigmoid(gate(1, unit)), sigmoid(gate(2, unit)))
          let position = item * hidden + unit
          c[position] = f * c[position] + i * tanh(gate(3, unit))
          h[position] = o * tanh(c[position])
          y[(t * batch + item) * hidden + unit] = h[position]
        }
      }
    }
    return (y, h, c)
  }
}
