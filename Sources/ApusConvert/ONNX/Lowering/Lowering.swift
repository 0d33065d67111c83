import ApusGraph

/// Operators that stand for a group of standard ones, taken apart where the registry does not have them itself.
enum Lowering {
  typealias Change = @Sendable (Adaptation) throws(ApusError) -> Void

  static let table: [OperatorKey: Change] = {
    var table: [OperatorKey: Change] = [:]
    for (name, change) in microsoft + quantized + convolutions + normalizations {
      table[OperatorKey("com.microsoft", name)] = change
    }
    for (name, change) in preview { table[OperatorKey("ai.onnx.preview", name)] = change }
    // ONNX Runtime's operators in ONNX's own domain.
    for (name, change) in misplaced + normalizations { table[OperatorKey(.onnx, name)] = change }
    return table
  }()

  private static let microsoft: [(Name, Change)] = []
  private static let preview: [(Name, Change)] = [
    ("FlexAttention", { node throws(ApusError) in try flexAttention(node) })
  ]
  private static let misplaced: [(Name, Change)] = []
}
