import ApusGraph

/// What keeps a node of a model from being converted.
public struct ImportProblem: Sendable {
  public var domain: Name
  public var operatorName: Name
  public var version: Int32
  /// May be empty.
  public var nodeName: Name
  /// What is wrong, with all that is known of it.
  public var error: ApusError
  /// What one can do about it.
  public var advice: String

  init(node: Node, error: ApusError, advice: String? = nil) {
    domain = node.domain
    operatorName = node.operatorName
    version = node.sinceVersion
    nodeName = node.name
    self.error = error.inOperator(node.label)
    self.advice = advice ?? ImportProblem.advice(node, error.status)
  }

  private static func advice(_ node: Node, _ status: ApusError.Status) -> String {
    switch status {
    case .unsupportedOperator where node.domain == .onnx && node.sinceVersion > ONNXImporter.newestOperatorSet:
      "export the model for operator set \(ONNXImporter.newestOperatorSet) or older"
    case .unsupportedOperator where node.domain == .onnx: "export the model with other operators in this one's place"
    case .unsupportedOperator:
      "export the model with standard operators, or with the operator's definition as a function in the model"
    case .unsupportedType: "export the model with another element type"
    default: "check the model with onnx.checker.check_model(model, full_check=True)"
    }
  }
}
