import ApusGraph
import Glibc

extension Operator {
  /// Softmax along the last axis (attribute axis, -1): e^x / sum of e^x, with the largest x taken off first.
  static let softmax = Operator("Softmax", 13) { (call) throws(ApusError) in
    let input = try call.tensor(0)
    let width = try lastAxis(of: input, call)
    let output = call.allocate(input.count)
    let (x, y) = (input.storage.pointer, output.pointer)
    call.context.pool.forEachRange(ofPlanes: width == 0 ? 0 : input.count / width, size: width * 8) { range in
      for row in range { _ = softmaxRow(x + row * width, y + row * width, width) }
    }
    call.saved = [output]
    return [Output(shape: input.shape, storage: output)]
  } backward: { call in
    guard call.wantsGradient(0), let gradient = call.outputGradients[0], let width = call.outputShapes[0].last else {
      return [nil]
    }
    let result = call.allocate(gradient.count)
    let (y, g, d) = (call.saved[0].pointer, gradient.pointer, result.pointer)
    for row in 0..<(width == 0 ? 0 : gradient.count / width) {
      let places = row * width..<(row + 1) * width
      var dot: Float = 0
      for i in places { dot += y[i] * g[i] }
      for i in places { d[i] = y[i] * (g[i] - dot) }
    }
    return [result]
  }

  /// LogSoftmax along the last axis (attribute axis, -1): x - log(sum of e^x).
  static let logSoftmax = Operator("LogSoftmax", 13) { (call) throws(ApusError) in
    let input = try call.tensor(0)
    let width = try lastAxis(of: input, call)
    let output = call.allocate(input.count)
    let (x, y) = (input.storage.pointer, output.pointer)
    for row in 0..<(width == 0 ? 0 : input.count / width) {
      let logSum = softmaxRow(x + row * width, y + row * width, width)
      for i in row * width..<(row + 1) * width { y[i] = x[i] - logSum }
    }
    call.saved = [output]
    return [Output(shape: input.shape, storage: output)]
  } backward: { call in
    guard call.wantsGradient(0), let gradient = call.outputGradients[0], let width = call.outputShapes[0].last else {
      return [nil]
    }
    let result = call.allocate(gradient.count)
    let (y, g, d) = (call.saved[0].pointer, gradient.pointer, result.pointer)
    for row in 0..<(width == 0 ? 0 : gradient.count / width) {
      let places = row * width..<(row + 1) * width
      var sum: Float = 0
      for i in places { sum += g[i] }
      for i in places { d[i] = g[i] - expf(y[i]) * sum }
    }
    return [result]
  }

  private static func lastAxis(of input: Tensor, _ call: Application) throws(ApusError) -> Int {
    let axis = call.int("axis", default: -1)
    guard input.rank > 0, axis == -1 || axis == input.rank - 1 else {
      throw ApusError(.unsupported, "training takes the softmax along the last axis", actual: "axis \(axis) of \(input.shape)")
    }
    return input.shape[input.rank - 1]
  }
}

/// Writes the softmax of a row and returns log(sum of e^x).
func softmaxRow(_ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>, _ count: Int) -> Float {
  var largest = -Float.infinity
  for i in 0..<count { largest = max(largest, x[i]) }
  var sum: Float = 0
  for i in 0..<count {
    y[i] = expf(x[i] - largest)
    sum += y[i]
  }
  for i in 0..<count { y[i] /= sum }
  return largest + logf(sum)
}

extension Tensor {
  /// Softmax along the last axis.
  public func softmax() throws(ApusError) -> Tensor { try Operator.softmax.single([.tensor(self)]) }
  /// Logarithm of the softmax along the last axis.
  public func logSoftmax() throws(ApusError) -> Tensor { try Operator.logSoftmax.single([.tensor(self)]) }
}
