import ApusGraph

/// What operators cost, whatever the implementation: floating-point operations of the mathematical definition. A multiplication
/// and an addition count as two, any other function of an element (exp, tanh, a comparison) as one.
enum OperatorCost {
  /// - Parameters:
  ///   - inputs: shapes of the node's inputs; nil for those left out.
  ///   - outputs: the same of its outputs.
  /// - Returns: nil where the shapes do not tell, or where the operator is not one that this table knows.
  static func operations(_ node: Node, inputs: [[Int]?], outputs: [[Int]?]) -> UInt64? {
    guard node.domain == .onnx else { return nil }
    func input(_ index: Int) -> [Int]? { index < inputs.count ? inputs[index] : nil }
    func elements(_ shape: [Int]?) -> UInt64? { shape.flatMap { elementCount($0) }.map { UInt64($0) } }
    let results = elements(outputs.first ?? nil)
    switch node.operatorName {
    case "Conv":
      // Each result is a sum over the filter's channels and window.
      guard let results, let weights = input(1), weights.count > 2, let products = elements(Array(weights.dropFirst())) else {
        return nil
      }
      return sum(product(results, product(2, products)), input(2) == nil ? 0 : results)
    case "Gemm":
      guard let results, let a = input(0), a.count == 2 else { return nil }
      let inner = a[flag(node, "transA") ? 0 : 1]
      return sum(product(results, product(2, UInt64(inner))), input(2) == nil ? 0 : results)
    case "MatMul":
      guard let results, let inner = input(0)?.last else { return nil }
      return product(results, product(2, UInt64(inner)))
    case "LSTM":
      // X [T, B, I], R [directions, 4H, H]; the gates' products, then 4 activations, tanh, 3 products and 1 sum a unit,
      // and 8 additions of the biases' halves and the two products.
      guard let x = input(0), x.count == 3, let r = input(2), r.count == 3 else { return nil }
      let (directions, hidden) = (UInt64(r[0]), UInt64(r[2]))
      let gates = product(8, product(hidden, sum(UInt64(x[2]), hidden)))
      return product(product(UInt64(x[0]), UInt64(x[1])), product(directions, sum(gates, product(17, hidden))))
    case "MaxPool", "AveragePool":
      guard let results, let window = ints(node, "kernel_shape"), let size = elementCount(window) else { return nil }
      return product(results, UInt64(size))
    case "GlobalAveragePool", "ReduceMean", "ReduceSum": return elements(input(0))
    case "BatchNormalization": return results.flatMap { product(2, $0) }
    // A comparison for the maximum, a subtraction, exp, a sum, and a division or subtraction.
    case "Softmax", "LogSoftmax": return results.flatMap { product(5, $0) }
    case "Sigmoid": return results.flatMap { product(3, $0) }
    case "Add", "Sub", "Mul", "Div", "Relu", "LeakyRelu", "Tanh": return results
    case "Cast", "Concat", "Constant", "Dropout", "Flatten", "Gather", "Identity", "Reshape", "Transpose": return 0
    default: return nil
    }
  }

  private static func product(_ a: UInt64?, _ b: UInt64?) -> UInt64? {
    guard let a, let b else { return nil }
    let (value, overflow) = a.multipliedReportingOverflow(by: b)
    return overflow ? nil : value
  }

  private static func sum(_ a: UInt64?, _ b: UInt64?) -> UInt64? {
    guard let a, let b else { return nil }
    let (value, overflow) = a.addingReportingOverflow(b)
    return overflow ? nil : value
  }

  private static func flag(_ node: Node, _ name: Name) -> Bool {
    node.attributes.contains { $0.name == name && $0.value != .int(0) }
  }

  private static func ints(_ node: Node, _ name: Name) -> [Int]? {
    for attribute in node.attributes where attribute.name == name {
      if case .ints(let values) = attribute.value { return values.map { Int($0) } }
    }
    return nil
  }
}
