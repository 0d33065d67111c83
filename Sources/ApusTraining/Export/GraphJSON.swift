import ApusGraph
import ApusSafetensors

/// The graph of a traced model as JSON: the value of `apus.graph` that GRAPH_JSON.md describes.
///
/// Float tensors are named, for the checkpoint holds them; integer constants are written out.
struct GraphJSON {
  let definition: ModelDefinition

  init(_ definition: ModelDefinition) { self.definition = definition }

  /// - Parameters:
  ///   - tests: the number of test vectors in the checkpoint and their tolerances.
  ///   - metadata: key-value pairs for the model.
  /// - Throws: `unsupported` for models that a trace does not give: subgraphs, attributes of other types.
  func text(
    tests: (count: Int, absolute: Float, relative: Float)?, metadata: [(key: String, value: String)]
  ) throws(ApusError) -> String {
    guard definition.graphs.count == 1, let graph = definition.graphs.first else {
      throw ApusError(.unsupported, "a checkpoint holds one graph", actual: "\(definition.graphs.count)")
    }
    let inner = Set(graph.inputs + graph.outputs)
    var members: [JSONMember] = [
      JSONMember("version", 1), JSONMember("name", .string(graph.name.string)),
      JSONMember("symbols", .array(definition.symbols.map(symbol))),
      JSONMember("inputs", .array(graph.inputs.map { value(graph, $0) })),
      JSONMember("outputs", .array(graph.outputs.map { value(graph, $0) })),
    ]
    var values: [JSONValue] = []
    var initializers: [JSONValue] = []
    for (id, item) in graph.values.enumerated() {
      if let constant = item.constant {
        initializers.append(try initializer(item.name, definition.tensors[Int(constant)]))
      } else if !inner.contains(ValueID(id)) {
        values.append(value(graph, ValueID(id)))
      }
    }
    members.append(JSONMember("values", .array(values)))
    members.append(JSONMember("initializers", .array(initializers)))
    var nodes: [JSONValue] = []
    for item in graph.nodes { nodes.append(try node(graph, item)) }
    members.append(JSONMember("nodes", .array(nodes)))
    if let tests {
      members.append(
        JSONMember(
          "tests",
          [
            "count": JSONValue(tests.count), "absolute_tolerance": .shortest(tests.absolute),
            "relative_tolerance": .shortest(tests.relative),
          ]))
    }
    let sorted = metadata.sorted { Name($0.key) < Name($1.key) }
    members.append(JSONMember("metadata", .array(sorted.map { ["key": .string($0.key), "value": .string($0.value)] })))
    return JSONValue.object(members).serialized()
  }

  private func symbol(_ symbol: Symbol) -> JSONValue {
    var members: [JSONMember] = [
      JSONMember("name", .string(symbol.name.string)), JSONMember("minimum", JSONValue(symbol.minimum)),
      JSONMember("multiple", JSONValue(symbol.multiple)),
    ]
    if let maximum = symbol.maximum { members.append(JSONMember("maximum", JSONValue(maximum))) }
    return .object(members)
  }

  private func value(_ graph: Graph, _ id: ValueID) -> JSONValue {
    let value = graph.values[Int(id)]
    var members: [JSONMember] = [JSONMember("name", .string(value.name.string))]
    if let type = value.type?.tensor { members.append(JSONMember("type", self.type(type))) }
    return .object(members)
  }

  private func type(_ type: TensorType) -> JSONValue {
    var members: [JSONMember] = [JSONMember("element", .string(type.elementType.name.text))]
    if let shape = type.shape {
      let extents: [JSONValue] = shape.dimensions.map { dimension in
        switch dimension {
        case .known(let extent): JSONValue(extent)
        case .symbol(let id): .string(definition.symbols[Int(id)].name.string)
        case .unknown: .null
        }
      }
      members.append(JSONMember("shape", .array(extents)))
    }
    return .object(members)
  }

  private func initializer(_ name: Name, _ tensor: ConstantTensor) throws(ApusError) -> JSONValue {
    if tensor.elementType == .float32 {
      return ["name": .string(name.string), "tensor": .string(tensor.name.string)]
    }
    guard let integers = TracedGraph.integers(of: tensor) else {
      throw ApusError(.unsupportedType, "a checkpoint's graph has float32 and int64 constants", tensorName: name.string)
    }
    return [
      "name": .string(name.string), "element": .string(tensor.elementType.name.text),
      "shape": .array(tensor.dimensions.map { JSONValue($0) }), "integers": .array(integers.map { .integer($0) }),
    ]
  }

  private func node(_ graph: Graph, _ node: Node) throws(ApusError) -> JSONValue {
    let name = { (id: ValueID) -> JSONValue in .string(id < 0 ? "" : graph.values[Int(id)].name.string) }
    var attributes: [JSONValue] = []
    for item in node.attributes { attributes.append(try attribute(item)) }
    return [
      "name": .string(node.name.string), "domain": .string(node.domain.string), "operator": .string(node.operatorName.string),
      "since_version": JSONValue(node.sinceVersion), "inputs": .array(node.inputs.map(name)),
      "outputs": .array(node.outputs.map(name)), "attributes": .array(attributes),
    ]
  }

  private func attribute(_ attribute: Attribute) throws(ApusError) -> JSONValue {
    let (type, value): (String, JSONValue)
    switch attribute.value {
    case .int(let number): (type, value) = ("int", .integer(number))
    case .float(let number): (type, value) = ("float", .shortest(number))
    case .string(let name): (type, value) = ("string", .string(name.string))
    case .ints(let numbers): (type, value) = ("ints", .array(numbers.map { .integer($0) }))
    case .floats(let numbers): (type, value) = ("floats", .array(numbers.map { .shortest($0) }))
    case .strings(let names): (type, value) = ("strings", .array(names.map { .string($0.string) }))
    case .tensor, .graph, .tensors, .graphs, .type:
      throw ApusError(.unsupported, "a checkpoint's graph has no attributes of this type", actual: attribute.name.string)
    }
    return ["name": .string(attribute.name.string), "type": .string(type), "value": value]
  }
}

extension JSONValue {
  /// A finite float by the shortest decimal that gives it back.
  static func shortest(_ value: Float) -> JSONValue {
    guard let decimal = Double("\(value)"), Float(decimal) == value else { return .float(Double(value)) }
    return .number(decimal)
  }
}
