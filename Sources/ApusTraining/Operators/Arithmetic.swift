import ApusGraph

/// A function of two elements and the factors by which a gradient by its result becomes one by an operand. A type, so that
/// the loops over it are compiled for each function instead of calling one.
private protocol BinaryFunction {
  static func value(_ a: Float, _ b: Float) -> Float
  static func byLeft(_ a: Float, _ b: Float, gradient g: Float) -> Float
  static func byRight(_ a: Float, _ b: Float, gradient g: Float) -> Float
}

private enum Add: BinaryFunction {
  @inline(__always) static func value(_ a: Float, _ b: Float) -> Float { a + b }
  @inline(__always) static func byLeft(_ a: Float, _ b: Float, gradient g: Float) -> Float { g }
  @inline(__always) static func byRight(_ a: Float, _ b: Float, gradient g: Float) -> Float { g }
}

private enum Subtract: BinaryFunction {
  @inline(__always) static func value(_ a: Float, _ b: Float) -> Float { a - b }
  @inline(__always) static func byLeft(_ a: Float, _ b: Float, gradient g: Float) -> Float { g }
  @inline(__always) static func byRight(_ a: Float, _ b: Float, gradient g: Float) -> Float { -g }
}

private enum Multiply: BinaryFunction {
  @inline(__always) static func value(_ a: Float, _ b: Float) -> Float { a * b }
  @inline(__always) static func byLeft(_ a: Float, _ b: Float, gradient g: Float) -> Float { g * b }
  @inline(__always) static func byRight(_ a: Float, _ b: Float, gradient g: Float) -> Float { g * a }
}

private enum Divide: BinaryFunction {
  @inline(__always) static func value(_ a: Float, _ b: Float) -> Float { a / b }
  @inline(__always) static func byLeft(_ a: Float, _ b: Float, gradient g: Float) -> Float { g / b }
  @inline(__always) static func byRight(_ a: Float, _ b: Float, gradient g: Float) -> Float { -g * a / (b * b) }
}

/// Add, Sub, Mul and Div with the broadcasting of ONNX and NumPy: shapes are aligned at their last axes, and an extent of 1
/// stretches.
extension Operator {
  static let add = binary("Add", Add.self)
  static let subtract = binary("Sub", Subtract.self)
  static let multiply = binary("Mul", Multiply.self)
  static let divide = binary("Div", Divide.self)

  private static func binary<Function: BinaryFunction>(_ name: Name, _ function: Function.Type) -> Operator {
    Operator(name, 14) { (call) throws(ApusError) in
      let left = try call.tensor(0)
      let right = try call.tensor(1)
      let broadcast = try Broadcast(left.shape, right.shape)
      let result = call.allocate(broadcast.count)
      let (a, b, y) = (left.storage.pointer, right.storage.pointer, result.pointer)
      call.context.pool.forEachRange(of: broadcast.count, grain: Context.elementwiseGrain) { range in
        broadcast.forEach(in: range) { i, j, k in y[k] = Function.value(a[i], b[j]) }
      }
      return [Output(shape: broadcast.shape, storage: result)]
    } backward: { call in
      guard let gradient = call.outputGradients[0],
        let broadcast = try? Broadcast(call.inputShape(0), call.inputShape(1))
      else { return [nil, nil] }
      let (a, b, g) = (call.input(0).pointer, call.input(1).pointer, gradient.pointer)
      var gradients: [Storage?] = [nil, nil]
      if call.wantsGradient(0) {
        gradients[0] = sums(call, broadcast, of: 0) { i, j, k in Function.byLeft(a[i], b[j], gradient: g[k]) }
      }
      if call.wantsGradient(1) {
        gradients[1] = sums(call, broadcast, of: 1) { i, j, k in Function.byRight(a[i], b[j], gradient: g[k]) }
      }
      return gradients
    }
  }

  /// For each element of an operand the sum of `value` over the places it went to, in their order.
  @inline(__always)
  private static func sums(
    _ call: Application, _ broadcast: Broadcast, of operand: Int, _ value: (Int, Int, Int) -> Float
  ) -> Storage {
    let count = call.input(operand).count
    if broadcast.isElementwise {
      let result = call.allocate(count)
      let y = result.pointer
      call.context.pool.forEachRange(of: count, grain: Context.elementwiseGrain) { range in
        for k in range { y[k] = value(k, k, k) }
      }
      return result
    }
    let result = call.allocate(count, filledWith: 0)
    let y = result.pointer
    broadcast.forEach(in: 0..<broadcast.count) { i, j, k in y[operand == 0 ? i : j] += value(i, j, k) }
    return result
  }
}

/// Which elements of two operands meet in each element of the result.
private struct Broadcast: Sendable {
  let shape: [Int]
  let count: Int
  let isElementwise: Bool
  /// Steps in the operands for a step along each axis of the result; 0 where the operand stretches.
  private let leftStrides: [Int]
  private let rightStrides: [Int]

  init(_ left: [Int], _ right: [Int]) throws(ApusError) {
    let rank = max(left.count, right.count)
    let a = [Int](repeating: 1, count: rank - left.count) + left
    let b = [Int](repeating: 1, count: rank - right.count) + right
    var shape: [Int] = []
    for axis in 0..<rank {
      guard a[axis] == b[axis] || a[axis] == 1 || b[axis] == 1 else {
        throw ApusError(
          .shapeMismatch, "the shapes do not go together", expected: "equal extents, or 1, from the last axis on",
          actual: "\(left) and \(right)")
      }
      shape.append(a[axis] == 1 ? b[axis] : a[axis])
    }
    guard let count = elementCount(shape) else {
      throw ApusError(.limitExceeded, "the result has too many elements", actual: "the shape \(shape)")
    }
    self.shape = shape
    self.count = count
    isElementwise = left == right
    leftStrides = Self.strides(of: a)
    rightStrides = Self.strides(of: b)
  }

  private static func strides(of extents: [Int]) -> [Int] {
    var strides = [Int](repeating: 0, count: extents.count)
    var step = 1
    for axis in extents.indices.reversed() {
      strides[axis] = extents[axis] == 1 ? 0 : step
      step *= extents[axis]
    }
    return strides
  }

  /// Calls `body` with the indices in the left operand, the right operand and the result.
  @inline(__always)
  func forEach(in range: Range<Int>, _ body: (Int, Int, Int) -> Void) {
    if isElementwise {
      for k in range { body(k, k, k) }
      return
    }
    guard !range.isEmpty else { return }
    var position = [Int](repeating: 0, count: shape.count)
    var (i, j) = (0, 0)
    var rest = range.lowerBound
    for axis in shape.indices.reversed() {
      position[axis] = rest % shape[axis]
      rest /= shape[axis]
      i += position[axis] * leftStrides[axis]
      j += position[axis] * rightStrides[axis]
    }
    for k in range {
      body(i, j, k)
      var axis = shape.count - 1
      while axis >= 0 {
        position[axis] += 1
        i += leftStrides[axis]
        j += rightStrides[axis]
        if position[axis] < shape[axis] { break }
        i -= leftStrides[axis] * shape[axis]
        j -= rightStrides[axis] * shape[axis]
        position[axis] = 0
        axis -= 1
      }
    }
  }
}

extension Tensor {
  /// Elementwise, with broadcasting. Throws `shapeMismatch` where the shapes do not go together.
  public static func + (left: Tensor, right: Tensor) throws(ApusError) -> Tensor {
    try Operator.add.single([.tensor(left), .tensor(right)])
  }

  public static func - (left: Tensor, right: Tensor) throws(ApusError) -> Tensor {
    try Operator.subtract.single([.tensor(left), .tensor(right)])
  }

  public static func * (left: Tensor, right: Tensor) throws(ApusError) -> Tensor {
    try Operator.multiply.single([.tensor(left), .tensor(right)])
  }

  public static func / (left: Tensor, right: Tensor) throws(ApusError) -> Tensor {
    try Operator.divide.single([.tensor(left), .tensor(right)])
  }
}
