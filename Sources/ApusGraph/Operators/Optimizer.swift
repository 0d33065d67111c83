/// The tensors of one parameter among an optimizer's operands R, T, X1 ... Xn, G1 ... Gn, then n of each state.
public struct OptimizerOperands: Sendable {
  /// Tensors that are optimized.
  public let count: Int
  /// Momenta, squared gradients: results beside the parameters.
  public let states: Int

  public init(_ context: InferenceContext, states: Int) throws(ApusError) {
    let tensors = context.node.inputs.count - 2
    guard tensors > 0, tensors % (states + 2) == 0 else {
      throw context.error(
        "parameters, gradients and states do not match", expected: "a multiple of \(states + 2) operands after T",
        actual: "\(tensors)")
    }
    count = tensors / (states + 2)
    self.states = states
    guard context.node.outputs.count == count * (states + 1) else {
      throw context.error(
        "one result for each parameter and state", expected: "\(count * (states + 1))",
        actual: "\(context.node.outputs.count)")
    }
  }

  public func parameter(_ index: Int) -> Int { 2 + index }
  public func gradient(_ index: Int) -> Int { 2 + count + index }
  public func state(_ state: Int, _ index: Int) -> Int { 2 + (2 + state) * count + index }
}

extension OperatorSchema {
  private static func optimizer(_ name: StaticString, states: Int, _ attributes: [AttributeSchema]) -> OperatorSchema {
    let floats = TypeSet(.float32, .float64)
    return OperatorSchema(
      domain: .previewTraining, name: name, versions: [1],
      inputs: [
        Parameter("R", floats, group: 0), Parameter("T", TypeSet(.int64), group: 0),
        Parameter("inputs", floats, group: 0, .variadic),
      ],
      outputs: [Parameter("outputs", floats, group: 0, .variadic)], attributes: attributes
    ) { context throws(ApusError) in
      let operands = try OptimizerOperands(context, states: states)
      for index in 0..<2 {
        guard let shape = context.shape(index)?.known, elementCount(shape) != 1 else { continue }
        throw context.error("the rate and the update count are one number each", input: index)
      }
      for index in 0..<operands.count {
        let parameter = operands.parameter(index)
        let type = try context.elementType(parameter)
        let others = [operands.gradient(index)] + (0..<states).map { operands.state($0, index) }
        for other in others {
          guard try context.elementType(other) == type else {
            throw context.error("input \(other) has another element type than parameter \(index)")
          }
          guard let a = context.shape(parameter), let b = context.shape(other) else { continue }
          guard a.rank == b.rank else { throw context.error("input \(other) has another shape than parameter \(index)") }
          for axis in 0..<a.rank { _ = try context.unified(a[axis], b[axis], "extents of parameter \(index) and input \(other)") }
        }
        for result in 0...states {
          context.setOutput(result * operands.count + index, type, context.shape(parameter))
        }
      }
    }
  }

  private static let normCoefficient = AttributeSchema("norm_coefficient", default: .float(0))

  /// `H += G^2; X -= R / (1 + T decay) G / (sqrt(H) + epsilon)`.
  public static let adagrad = optimizer(
    "Adagrad", states: 1,
    [AttributeSchema("decay_factor", default: .float(0)), AttributeSchema("epsilon", default: .float(1e-6)), normCoefficient])

  /// Adam with its bias correction in the rate.
  public static let adam = optimizer(
    "Adam", states: 2,
    [
      AttributeSchema("alpha", default: .float(0.9)), AttributeSchema("beta", default: .float(0.999)),
      AttributeSchema("epsilon", default: .float(1e-6)), normCoefficient,
      AttributeSchema("norm_coefficient_post", default: .float(0)),
    ])

  /// `V = alpha V + beta G; X -= R V` (`mode` standard) or `X -= R (G + alpha V)` (nesterov).
  public static let momentum = optimizer(
    "Momentum", states: 1,
    [
      AttributeSchema("alpha", .float, required: true), AttributeSchema("beta", .float, required: true),
      AttributeSchema("mode", .string, required: true), AttributeSchema("norm_coefficient", .float, required: true),
    ])
}
