import ApusGraph

/// Where names of an ONNX file are looked up: one for each graph, and one for each call of a function.
final class ImportScope {
  /// The graph that nodes of this scope go into.
  let graph: GraphID
  /// The scope of the graph around; nil for the main graph and for functions, which see nothing of their callers.
  let outer: ImportScope?
  /// Operator sets by domain.
  let operatorSets: [Name: Int32]
  /// What attributes of the calling node a function's body may refer to.
  let arguments: [String: AttributeArgument]
  /// The functions being called, outermost first.
  let calls: [FunctionKey]
  /// Before names of values and nodes that are a function's own.
  let prefix: String
  var values: [Name: ValueReference] = [:]
  /// Values that exist before the node that writes them, by the name that it writes: outputs of a function's caller.
  var targets: [Name: ValueReference] = [:]
  /// Types that the file declares, by name.
  var declared: [Name: ValueType] = [:]

  init(graph: GraphID, outer: ImportScope?, operatorSets: [Name: Int32]) {
    self.graph = graph
    self.outer = outer
    self.operatorSets = operatorSets
    arguments = outer?.arguments ?? [:]
    calls = outer?.calls ?? []
    prefix = outer?.prefix ?? ""
  }

  init(
    call key: FunctionKey, from caller: ImportScope, graph: GraphID, operatorSets: [Name: Int32],
    arguments: [String: AttributeArgument], prefix: String
  ) {
    self.graph = graph
    outer = nil
    self.operatorSets = operatorSets
    self.arguments = arguments
    calls = caller.calls + [key]
    self.prefix = prefix
  }

  func find(_ name: Name) -> ValueReference? {
    var scope: ImportScope? = self
    while let current = scope {
      if let value = current.values[name] { return value }
      scope = current.outer
    }
    return nil
  }
}

/// An attribute that a function's body refers to, with the scope that its graphs and references belong to.
struct AttributeArgument {
  var attribute: ONNXAttributeProto
  var scope: ImportScope
}

/// What a node's domain, operator and overload name.
struct FunctionKey: Hashable {
  let domain: Name
  let name: Name
  let overload: Name

  init(_ function: ONNXFunctionProto) {
    (domain, name, overload) = (ModelImport.domain(function.domain), Name(function.name), Name(function.overload))
  }

  /// Of the function that a node calls, where there is one.
  init(_ node: ONNXNodeProto) {
    (domain, name, overload) = (ModelImport.domain(node.domain), Name(node.opType), Name(node.overload))
  }
}
