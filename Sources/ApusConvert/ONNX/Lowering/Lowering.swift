import ApusGraph

/// Operators that stand for a group of standard ones, taken apart where the registry does not have them itself.
enum Lowering {
  typealias Change = @Sendable (Adaptation) throws(ApusError) -> Void

  /// How an operator is taken apart. (A structure: Swift 6.3 crashes on tuples and dictionaries of functions with typed throws.)
  struct Rule: Sendable {
    let name: Name
    let apply: Change

    init(_ name: Name, _ apply: @escaping Change) {
      self.name = name
      self.apply = apply
    }
  }

  static let table: [OperatorKey: Rule] = {
    var table: [OperatorKey: Rule] = [:]
    for rule in renamed + quantized + convolutions + normalizations + matrixProducts + attentions {
      table[OperatorKey("com.microsoft", rule.name)] = rule
    }
    for rule in preview { table[OperatorKey("ai.onnx.preview", rule.name)] = rule }
    // ONNX Runtime's operators in ONNX's own domain.
    for rule in normalizations { table[OperatorKey(.onnx, rule.name)] = rule }
    return table
  }()

  private static let preview: [Rule] = [
    Rule("FlexAttention", { node throws(ApusError) in try flexAttention(node) })
  ]
}
