import ApusGraph

extension ModelImport {
  /// Puts a function's body in place of a node that calls it.
  ///
  /// Values and nodes of the body get the call's name before their own. Operator sets are the function's.
  /// - Throws: `invalidModel` where functions call each other in a cycle, or the call does not fit the function.
  func call(
    _ function: ONNXFunctionProto, _ key: FunctionKey, _ proto: ONNXNodeProto, _ scope: ImportScope
  ) throws(ApusError) {
    guard !scope.calls.contains(key) else {
      let chain = (scope.calls.drop { $0 != key } + [key]).map(\.name.string).joined(separator: " -> ")
      throw ApusError(.invalidModel, "functions of the model call each other in a cycle: " + chain)
    }
    guard scope.calls.count < ModelImport.maximumCalls else {
      throw ApusError(
        .limitExceeded, "functions of the model are nested too deeply", expected: "at most \(ModelImport.maximumCalls) calls")
    }
    guard proto.input.count <= function.input.count, proto.output.count <= function.output.count else {
      throw ApusError(
        .invalidModel, "a call has more inputs or outputs than the function",
        expected: "\(function.input.count) inputs, \(function.output.count) outputs",
        actual: "\(proto.input.count) inputs, \(proto.output.count) outputs")
    }
    let inner = ImportScope(
      call: key, from: scope, graph: scope.graph, operatorSets: try ModelImport.operatorSets(function.opsetImport),
      arguments: try arguments(function, proto, scope),
      prefix: scope.prefix + (proto.name.isEmpty ? function.name : proto.name) + "/")
    for info in function.valueInfo where info.hasType {
      inner.declared[Name(info.name)] = try? builder.symbols.type(info.type)
    }
    let actual = try inputs(of: proto, scope)
    for (index, name) in function.input.enumerated() {
      let value = ValueReference(graph: scope.graph, id: index < actual.count ? actual[index] : .absent)
      guard inner.values.updateValue(value, forKey: Name(name)) == nil else {
        throw ApusError(.invalidModel, "two inputs of a function have one name", tensorName: name)
      }
    }
    let results = try outputs(of: proto, scope)
    for (name, id) in zip(function.output, results) where id >= 0 && inner.values[Name(name)] == nil {
      inner.targets[Name(name)] = ValueReference(graph: scope.graph, id: id)
    }
    try importNodes(function.node, inner)
    for (name, id) in zip(function.output, results) where id >= 0 {
      guard let found = inner.values[Name(name)], found.id >= 0 else {
        throw ApusError(.invalidModel, "nothing writes an output of the function", tensorName: name)
      }
      if found.id != id {
        // The body hands an input on, or one value twice.
        let identity = Node(
          operatorName: "Identity", sinceVersion: ONNXImporter.newestOperatorSet, inputs: [found.id], outputs: [id])
        try Adaptation(identity, in: scope.graph, builder).run()
      }
    }
  }

  /// Calls in calls.
  static let maximumCalls = 64

  /// The attributes of a call by name, with the function's defaults.
  private func arguments(
    _ function: ONNXFunctionProto, _ proto: ONNXNodeProto, _ scope: ImportScope
  ) throws(ApusError) -> [String: AttributeArgument] {
    var arguments: [String: AttributeArgument] = [:]
    for attribute in function.attributeProto { arguments[attribute.name] = AttributeArgument(attribute: attribute, scope: scope) }
    for attribute in proto.attribute {
      // A reference to what the caller's own caller left out leaves the default.
      if !attribute.refAttrName.isEmpty, scope.arguments[attribute.refAttrName] == nil { continue }
      arguments[attribute.name] = AttributeArgument(attribute: attribute, scope: scope)
    }
    for name in function.attribute where arguments[name] == nil && !proto.attribute.contains(where: { $0.name == name }) {
      throw ApusError(
        .invalidModel, "a call leaves an attribute out that the function has no default for", expected: name)
    }
    return arguments
  }
}
