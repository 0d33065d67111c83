import ApusGraph
import Glibc

/// A function of one element whose derivative follows from its result alone. A type, so that the loops over it are compiled for
/// each function instead of calling one.
private protocol ElementwiseFunction {
  static func value(_ x: Float) -> Float
  static func derivative(result y: Float) -> Float
}

private enum ReluFunction: ElementwiseFunction {
  @inline(__always) static func value(_ x: Float) -> Float { x > 0 ? x : 0 }
  @inline(__always) static func derivative(result y: Float) -> Float { y > 0 ? 1 : 0 }
}

private enum SigmoidFunction: ElementwiseFunction {
  @inline(__always) static func value(_ x: Float) -> Float { logistic(x) }
  @inline(__always) static func derivative(result y: Float) -> Float { y * (1 - y) }
}

private enum TanhFunction: ElementwiseFunction {
  @inline(__always) static func value(_ x: Float) -> Float { tanhf(x) }
  @inline(__always) static func derivative(result y: Float) -> Float { 1 - y * y }
}

extension Operator {
  static let relu = elementwise("Relu", 14, ReluFunction.self)
  static let sigmoid = elementwise("Sigmoid", 13, SigmoidFunction.self)
  static let tanh = elementwise("Tanh", 13, TanhFunction.self)

  /// `x` where x >= 0, else `alpha * x` (attribute `alpha`, 0.01).
  static let leakyRelu = Operator("LeakyRelu", 16) { (call) throws(ApusError) in
    let input = try call.tensor(0)
    let result = call.allocate(input.count)
    let alpha = call.float("alpha", default: 0.01)
    let (x, y) = (input.storage.pointer, result.pointer)
    call.context.pool.forEachRange(of: input.count, grain: Context.elementwiseGrain) { range in
      for i in range { y[i] = x[i] < 0 ? alpha * x[i] : x[i] }
    }
    return [Output(shape: input.shape, storage: result)]
  } backward: { call in
    guard call.wantsGradient(0), let gradient = call.outputGradients[0] else { return [nil] }
    let alpha = call.float("alpha", default: 0.01)
    let result = call.allocate(gradient.count)
    let (x, g, d) = (call.input(0).pointer, gradient.pointer, result.pointer)
    call.context.pool.forEachRange(of: gradient.count, grain: Context.elementwiseGrain) { range in
      for i in range { d[i] = x[i] < 0 ? alpha * g[i] : g[i] }
    }
    return [result]
  }

  private static func elementwise<Function: ElementwiseFunction>(
    _ name: Name, _ version: Int32, _ function: Function.Type
  ) -> Operator {
    Operator(name, version) { (call) throws(ApusError) in
      let input = try call.tensor(0)
      let result = call.allocate(input.count)
      let (x, y) = (input.storage.pointer, result.pointer)
      call.context.pool.forEachRange(of: input.count, grain: Context.elementwiseGrain) { range in
        for i in range { y[i] = Function.value(x[i]) }
      }
      call.saved = [result]
      return [Output(shape: input.shape, storage: result)]
    } backward: { call in
      guard call.wantsGradient(0), let gradient = call.outputGradients[0] else { return [nil] }
      let result = call.allocate(gradient.count)
      let (y, g, d) = (call.saved[0].pointer, gradient.pointer, result.pointer)
      call.context.pool.forEachRange(of: gradient.count, grain: Context.elementwiseGrain) { range in
        for i in range { d[i] = g[i] * Function.derivative(result: y[i]) }
      }
      return [result]
    }
  }
}

/// 1 / (1 + e^-x), without overflow for any x.
@inline(__always)
func logistic(_ x: Float) -> Float {
  let e = expf(-abs(x))
  return (x >= 0 ? 1 : e) / (1 + e)
}

extension Tensor {
  /// max(x, 0), elementwise.
  public func relu() throws(ApusError) -> Tensor { try Operator.relu.single([.tensor(self)]) }
  /// 1 / (1 + e^-x), elementwise.
  public func sigmoid() throws(ApusError) -> Tensor { try Operator.sigmoid.single([.tensor(self)]) }
  /// The hyperbolic tangent, elementwise.
  public func tanh() throws(ApusError) -> Tensor { try Operator.tanh.single([.tensor(self)]) }
}
