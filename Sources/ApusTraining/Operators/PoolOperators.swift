import ApusGraph

extension Operator {
  /// MaxPool of images [N, C, H, W]. Attributes kernel_shape, strides, pads, dilations; ceil_mode 0. Padding never wins.
  ///
  /// Of equal elements the first in row-major order takes the gradient.
  static let maxPool = Operator("MaxPool", 22) { (call) throws(ApusError) in
    let input = try call.tensor(0)
    let geometry = try WindowGeometry(call, input: input.shape, kernel: call.ints("kernel_shape", default: []))
    guard geometry.inputPlane < Int(Int32.max) else {
      throw ApusError(.limitExceeded, "an image plane has too many elements", actual: "\(input.shape)")
    }
    let planes = geometry.batch * geometry.channels
    let output = call.allocate(planes * geometry.outputPlane)
    let winners = call.allocate(output.count)
    let (x, y, indices) = (input.storage.pointer, output.pointer, winners.integers)
    call.context.pool.forEachRange(ofPlanes: planes, size: geometry.inputPlane) { range in
      for plane in range {
        geometry.maximum(
          x + plane * geometry.inputPlane, y + plane * geometry.outputPlane, indices + plane * geometry.outputPlane)
      }
    }
    if call.context.recordsGradients { call.saved = [winners] }
    return [
      Output(
        shape: [geometry.batch, geometry.channels, geometry.outputHeight, geometry.outputWidth], storage: output)
    ]
  } backward: { call in
    guard call.wantsGradient(0), let gradient = call.outputGradients[0] else { return [nil] }
    let input = call.inputShape(0)
    let output = call.outputShapes[0]
    let (inputPlane, outputPlane) = (input[2] * input[3], output[2] * output[3])
    let planes = input[0] * input[1]
    let result = call.allocate(planes * inputPlane)
    let (g, d, indices) = (gradient.pointer, result.pointer, call.saved[0].integers)
    call.context.pool.forEachRange(ofPlanes: planes, size: inputPlane) { range in
      for plane in range {
        let target = d + plane * inputPlane
        target.update(repeating: 0, count: inputPlane)
        for i in plane * outputPlane..<(plane + 1) * outputPlane { target[Int(indices[i])] += g[i] }
      }
    }
    return [result]
  }

  /// AveragePool of images [N, C, H, W]. Attributes kernel_shape, strides, pads, dilations, count_include_pad; ceil_mode 0.
  static let averagePool = Operator("AveragePool", 22) { (call) throws(ApusError) in
    let input = try call.tensor(0)
    let geometry = try WindowGeometry(call, input: input.shape, kernel: call.ints("kernel_shape", default: []))
    let countsPadding = call.int("count_include_pad", default: 0) != 0
    let planes = geometry.batch * geometry.channels
    let output = call.allocate(planes * geometry.outputPlane, filledWith: 0)
    let (x, y) = (input.storage.pointer, output.pointer)
    call.context.pool.forEachRange(ofPlanes: planes, size: geometry.inputPlane) { range in
      for plane in range {
        geometry.forEachAverage(countsPadding: countsPadding) { source, target, share in
          y[plane * geometry.outputPlane + target] += x[plane * geometry.inputPlane + source] * share
        }
      }
    }
    return [
      Output(
        shape: [geometry.batch, geometry.channels, geometry.outputHeight, geometry.outputWidth], storage: output)
    ]
  } backward: { call in
    guard call.wantsGradient(0), let gradient = call.outputGradients[0],
      let geometry = try? WindowGeometry(call, input: call.inputShape(0), kernel: call.ints("kernel_shape", default: []))
    else { return [nil] }
    let countsPadding = call.int("count_include_pad", default: 0) != 0
    let planes = geometry.batch * geometry.channels
    let result = call.allocate(planes * geometry.inputPlane, filledWith: 0)
    let (g, d) = (gradient.pointer, result.pointer)
    call.context.pool.forEachRange(ofPlanes: planes, size: geometry.inputPlane) { range in
      for plane in range {
        geometry.forEachAverage(countsPadding: countsPadding) { source, target, share in
          d[plane * geometry.inputPlane + source] += g[plane * geometry.outputPlane + target] * share
        }
      }
    }
    return [result]
  }

  /// The mean of each image plane: [N, C, H, W] to [N, C, 1, 1].
  static let globalAveragePool = Operator("GlobalAveragePool", 22) { (call) throws(ApusError) in
    let input = try call.tensor(0)
    guard input.rank == 4, input.shape[2] * input.shape[3] > 0 else {
      throw ApusError(.shapeMismatch, "images are needed", expected: "[N, C, H, W]", actual: "\(input.shape)")
    }
    let planes = input.shape[0] * input.shape[1]
    let plane = input.shape[2] * input.shape[3]
    let output = call.allocate(planes)
    let (x, y) = (input.storage.pointer, output.pointer)
    call.context.pool.forEachRange(ofPlanes: planes, size: plane) { range in
      for p in range { y[p] = laneSum(x + p * plane, plane) / Float(plane) }
    }
    return [Output(shape: [input.shape[0], input.shape[1], 1, 1], storage: output)]
  } backward: { call in
    guard call.wantsGradient(0), let gradient = call.outputGradients[0] else { return [nil] }
    let shape = call.inputShape(0)
    let plane = shape[2] * shape[3]
    let result = call.allocate(gradient.count * plane)
    for p in 0..<gradient.count {
      (result.pointer + p * plane).update(repeating: gradient.pointer[p] / Float(plane), count: plane)
    }
    return [result]
  }
}

extension ComputePool {
  /// `forEachRange` over independent planes of `size` elements.
  func forEachRange(ofPlanes planes: Int, size: Int, _ body: (Range<Int>) -> Void) {
    forEachRange(of: planes, grain: max(1, Context.elementwiseGrain / max(1, size)), body)
  }
}

extension WindowGeometry {
  /// The largest element under each place of the window, and where it is in the plane.
  func maximum(
    _ plane: UnsafePointer<Float>, _ output: UnsafeMutablePointer<Float>, _ indices: UnsafeMutablePointer<Int32>
  ) {
    if kernelHeight == 2 && kernelWidth == 2 && strideX == 2 && strideY == 2 && padTop == 0 && padLeft == 0 && dilationX == 1
      && dilationY == 1 && outputWidth &* 2 <= width && outputHeight &* 2 <= height
    {
      maximumOfSquares(plane, output, indices)
      return
    }
    for y in 0..<outputHeight {
      for x in 0..<outputWidth {
        let (top, left) = (y &* strideY &- padTop, x &* strideX &- padLeft)
        var best = -Float.infinity
        var winner = -1
        for ky in 0..<kernelHeight {
          let row = top &+ ky &* dilationY
          guard row >= 0 && row < height else { continue }
          for kx in 0..<kernelWidth {
            let column = left &+ kx &* dilationX
            guard column >= 0 && column < width else { continue }
            let value = plane[row &* width &+ column]
            if value > best || winner < 0 {
              best = value
              winner = row &* width &+ column
            }
          }
        }
        output[y &* outputWidth &+ x] = best
        // A window wholly in the padding has no winner; its gradient goes nowhere that matters.
        indices[y &* outputWidth &+ x] = Int32(truncatingIfNeeded: max(winner, 0))
      }
    }
  }

  /// The commonest window, 2 x 2 with stride 2, without branches: which element is largest can not be predicted.
  private func maximumOfSquares(
    _ plane: UnsafePointer<Float>, _ output: UnsafeMutablePointer<Float>, _ indices: UnsafeMutablePointer<Int32>
  ) {
    for y in 0..<outputHeight {
      let upper = y &* 2 &* width
      let (target, winners) = (output + y &* outputWidth, indices + y &* outputWidth)
      guard outputWidth >= 4 else {
        for x in 0..<outputWidth { squareMaximum(plane, upper &+ 2 &* x, target + x, winners + x) }
        continue
      }
      var x = 0
      while x < outputWidth {
        // The last four may overlap the ones before, whose results they repeat.
        let at = min(x, outputWidth &- 4)
        let place = upper &+ 2 &* at
        let rows = UnsafeRawPointer(plane + place)
        let first = rows.loadUnaligned(as: SIMD8<Float>.self)
        let second = rows.loadUnaligned(fromByteOffset: width &* 4, as: SIMD8<Float>.self)
        let places = SIMD4<Int32>(0, 2, 4, 6) &+ Int32(truncatingIfNeeded: place)
        let below = places &+ Int32(truncatingIfNeeded: width)
        var best = first.evenHalf
        var winner = places
        Self.keepLarger(first.oddHalf, places &+ 1, &best, &winner)
        Self.keepLarger(second.evenHalf, below, &best, &winner)
        Self.keepLarger(second.oddHalf, below &+ 1, &best, &winner)
        UnsafeMutableRawPointer(target + at).storeBytes(of: best, as: SIMD4<Float>.self)
        UnsafeMutableRawPointer(winners + at).storeBytes(of: winner, as: SIMD4<Int32>.self)
        x &+= 4
      }
    }
  }

  @inline(__always)
  private static func keepLarger(
    _ candidate: SIMD4<Float>, _ index: SIMD4<Int32>, _ best: inout SIMD4<Float>, _ winner: inout SIMD4<Int32>
  ) {
    let isLarger = candidate .> best
    best.replace(with: candidate, where: isLarger)
    winner.replace(with: index, where: isLarger)
  }

  private func squareMaximum(
    _ plane: UnsafePointer<Float>, _ place: Int, _ output: UnsafeMutablePointer<Float>, _ index: UnsafeMutablePointer<Int32>
  ) {
    var winner = place
    if plane[place &+ 1] > plane[winner] { winner = place &+ 1 }
    if plane[place &+ width] > plane[winner] { winner = place &+ width }
    if plane[place &+ width &+ 1] > plane[winner] { winner = place &+ width &+ 1 }
    output.pointee = plane[winner]
    index.pointee = Int32(truncatingIfNeeded: winner)
  }

  /// Calls `body` with each pair of an input and an output element of a plane that a mean connects, and the mean's factor.
  @inline(__always)
  func forEachAverage(countsPadding: Bool, _ body: (_ source: Int, _ target: Int, _ share: Float) -> Void) {
    for y in 0..<outputHeight {
      for x in 0..<outputWidth {
        let (top, left) = (y &* strideY &- padTop, x &* strideX &- padLeft)
        let rows = Self.valid(offset: top, stride: dilationY, input: height, output: kernelHeight)
        let columns = Self.valid(offset: left, stride: dilationX, input: width, output: kernelWidth)
        let count = countsPadding ? kernelHeight &* kernelWidth : rows.count &* columns.count
        guard count > 0 else { continue }
        let share = 1 / Float(count)
        for ky in rows {
          for kx in columns {
            body(
              (top &+ ky &* dilationY) &* width &+ left &+ kx &* dilationX, y &* outputWidth &+ x, share)
          }
        }
      }
    }
  }
}
