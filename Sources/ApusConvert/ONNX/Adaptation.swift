import ApusGraph

/// Takes one node from the form that its operator set gives it to the registry's.
final class Adaptation {
  let builder: ModelBuilder
  let graph: GraphID
  /// The node, its version that of its operator set until the end.
  var node: Node
  private var following: [Node] = []

  init(_ node: Node, in graph: GraphID, _ builder: ModelBuilder) {
    self.node = node
    self.graph = graph
    self.builder = builder
  }

  func run() throws(ApusError) {
    let operatorSet = node.sinceVersion
    node.sinceVersion = version(operatorSet)
    try builder.addNode(node, to: graph)
    for node in following { try builder.addNode(node, to: graph) }
  }

  /// The registered version that a node of an operator set means once it is adapted; the operator set itself where none is.
  private func version(_ operatorSet: Int32) -> Int32 {
    guard node.domain == .onnx else {
      return builder.registeredVersion(domain: node.domain, name: node.operatorName, operatorSet: operatorSet) ?? operatorSet
    }
    guard operatorSet <= ONNXImporter.newestOperatorSet else { return operatorSet }
    let adapted = max(operatorSet, ONNXImporter.adaptedOperatorSet)
    return builder.registeredVersion(domain: .onnx, name: node.operatorName, operatorSet: adapted) ?? operatorSet
  }
}
