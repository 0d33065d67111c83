import ApusGraph

extension ModelImport {
  /// An attribute of a node of `graph`.
  /// - Parameter scope: where its graphs look names up, and whose arguments it may refer to.
  /// - Returns: nil where it refers to an attribute that the function's caller leaves out.
  func importAttribute(
    _ proto: ONNXAttributeProto, _ scope: ImportScope, of graph: GraphID
  ) throws(ApusError) -> Attribute? {
    guard !proto.name.isEmpty else { throw ApusError(.invalidAttribute, "an attribute has no name") }
    do {
      var source = proto
      var sourceScope = scope
      if !proto.refAttrName.isEmpty {
        guard let argument = try argument(proto.refAttrName, scope) else { return nil }
        source = argument.attribute
        sourceScope = argument.scope
      }
      return Attribute(Name(proto.name), try value(source, sourceScope, of: graph))
    } catch {
      var error = error
      if !error.message.contains("attribute '") { error.message = "attribute '\(proto.name)': " + error.message }
      throw error
    }
  }

  /// The attribute that a reference in a function's body means: calls in calls hand references on.
  private func argument(_ name: String, _ scope: ImportScope) throws(ApusError) -> AttributeArgument? {
    var name = name
    var scope = scope
    while let argument = scope.arguments[name] {
      guard !argument.attribute.refAttrName.isEmpty else { return argument }
      name = argument.attribute.refAttrName
      scope = argument.scope
    }
    return nil
  }

  private func value(
    _ proto: ONNXAttributeProto, _ scope: ImportScope, of graph: GraphID
  ) throws(ApusError) -> AttributeValue {
    switch proto.type {
    case .float: return .float(proto.f)
    case .int: return .int(proto.i)
    case .string: return .string(Name(bytes: Array(proto.s)))
    case .floats: return .floats(proto.floats)
    case .ints: return .ints(proto.ints)
    case .strings: return .strings(proto.strings.map { Name(bytes: Array($0)) })
    case .tensor: return .tensor(try builder.addTensor(try DecodedTensor(proto.t, folder: folder)))
    case .sparseTensor: return .tensor(try builder.addTensor(try DecodedTensor(sparse: proto.sparseTensor, folder: folder)))
    case .tensors:
      var tensors: [TensorID] = []
      for tensor in proto.tensors { tensors.append(try builder.addTensor(try DecodedTensor(tensor, folder: folder))) }
      return .tensors(tensors)
    case .sparseTensors:
      var tensors: [TensorID] = []
      for tensor in proto.sparseTensors {
        tensors.append(try builder.addTensor(try DecodedTensor(sparse: tensor, folder: folder)))
      }
      return .tensors(tensors)
    case .graph: return .graph(try importGraph(proto.g, outer: scope, parent: graph))
    case .graphs:
      var graphs: [GraphID] = []
      for inner in proto.graphs { graphs.append(try importGraph(inner, outer: scope, parent: graph)) }
      return .graphs(graphs)
    case .typeProto:
      guard let type = try builder.symbols.type(proto.tp) else {
        throw ApusError(.invalidAttribute, "a type attribute states no type")
      }
      return .type(type)
    case .typeProtos: throw ApusError(.unsupportedFeature, "lists of types are read by no operator")
    case .undefined, .UNRECOGNIZED:
      throw ApusError(.invalidAttribute, "an attribute states no known kind", actual: "\(proto.type.rawValue)")
    }
  }
}
