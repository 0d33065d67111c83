import ApusGraph

/// A value by the graph that it belongs to. An absent one stands for an optional input that a function's caller left out.
struct ValueReference: Hashable {
  var graph: GraphID
  var id: ValueID
}

/// The model as the importer makes it: graphs grow value by value and node by node, and each node's types are inferred as it
/// is added, so that what follows can be read in their light.
final class ModelBuilder {
  let registry: OperatorRegistry
  private(set) var definition = ModelDefinition()
  /// By tensor id: where the bytes of tensors are that the definition does not hold itself.
  private(set) var sources: [TensorContents?] = []
  var symbols = SymbolTable()
  private(set) var problems: [ImportProblem] = []
  /// Where the model departs from its source in form, and what a user has to know of it.
  private(set) var notes: [String] = []
  /// Metadata that operators leave.
  private(set) var entries: [Metadata.Entry] = []
  private(set) var inference: [TypeInference] = []
  /// By graph and name: how many values it has been given to, with numbers behind it.
  private var usedNames: [[Name: Int]] = []
  private var captured: [[ValueReference: ValueID]] = []
  /// By graph and value: whether an input, a constant, a capture or a node gives it its contents.
  private var written: [[Bool]] = []
  private let inlineBytes: Int

  let maximumNodes: Int
  private var nodeCount = 0

  init(_ options: ONNXImporter.Options) {
    registry = options.registry
    inlineBytes = options.inlineBytes
    maximumNodes = options.maximumNodes
  }

  func note(_ text: String) { notes.append(text) }

  func addEntry(_ key: Name, _ value: Name) {
    if !entries.contains(where: { $0.key == key }) { entries.append(Metadata.Entry(key: key, value: value)) }
  }

  // MARK: Graphs and values

  /// - Throws: `limitExceeded` where graphs are nested deeper than files allow.
  func addGraph(name: Name, parent: GraphID?) throws(ApusError) -> GraphID {
    var depth = 1
    var ancestor = parent
    while let graph = ancestor {
      depth += 1
      ancestor = definition.graphs[Int(graph)].parent
    }
    guard depth <= ModelBuilder.maximumDepth else {
      throw ApusError(
        .limitExceeded, "graph '" + name.string + "' is nested too deeply",
        expected: "at most \(ModelBuilder.maximumDepth) graphs",
        actual: "\(depth)")
    }
    definition.graphs.append(Graph(name: name, parent: parent))
    inference.append(try TypeInference(of: Graph(), tensors: []) { _ throws(ApusError) in nil })
    usedNames.append([:])
    captured.append([:])
    written.append([])
    return GraphID(definition.graphs.count - 1)
  }

  /// Graphs in graphs, the main graph counted, as FORMAT.md bounds them.
  static let maximumDepth = 16

  /// Adds a value, under a name that no other value of the graph has: a taken one gets a number behind it.
  func addValue(_ name: Name, _ type: ValueType?, in graph: GraphID) -> ValueReference {
    let unique = name.isEmpty ? name : uniqueName(name, in: graph)
    definition.graphs[Int(graph)].values.append(Value(name: unique, type: type))
    let id = ValueID(definition.graphs[Int(graph)].values.count - 1)
    _ = inference[Int(graph)].addValue(type ?? .tensor(TensorType(.float32, nil)))
    inference[Int(graph)].setType(type, of: id)
    written[Int(graph)].append(false)
    return ValueReference(graph: graph, id: id)
  }

  private func uniqueName(_ name: Name, in graph: GraphID) -> Name {
    guard usedNames[Int(graph)][name] != nil else {
      usedNames[Int(graph)][name] = 1
      return name
    }
    while true {
      // The number goes on where the last one of this name stopped.
      let number = (usedNames[Int(graph)][name] ?? 1) + 1
      usedNames[Int(graph)][name] = number
      let candidate = Name(bytes: name.bytes + Array("_\(number)".utf8))
      guard usedNames[Int(graph)][candidate] == nil else { continue }
      usedNames[Int(graph)][candidate] = 1
      return candidate
    }
  }

  func value(_ reference: ValueReference) -> Value { definition.graphs[Int(reference.graph)].values[Int(reference.id)] }

  func name(of reference: ValueReference) -> String { value(reference).name.string }

  func addInput(_ value: ValueReference) {
    definition.graphs[Int(value.graph)].inputs.append(value.id)
    written[Int(value.graph)][Int(value.id)] = true
  }

  /// Makes the inputs of a nested graph values of its parent that it captures, as the branches of If have them.
  func captureInputs(of nested: GraphID, _ values: [ValueID]) {
    let inputs = definition.graphs[Int(nested)].inputs
    definition.graphs[Int(nested)].inputs = []
    for (inner, outer) in zip(inputs, values) {
      definition.graphs[Int(nested)].captures.append(Capture(inner: inner, outer: outer))
    }
  }

  func isWritten(_ value: ValueReference) -> Bool { written[Int(value.graph)][Int(value.id)] }

  func addOutput(_ value: ValueReference) { definition.graphs[Int(value.graph)].outputs.append(value.id) }

  func setType(_ type: ValueType?, of value: ValueReference) {
    definition.graphs[Int(value.graph)].values[Int(value.id)].type = type
  }

  func setInferredType(_ type: ValueType?, of value: ValueReference) {
    inference[Int(value.graph)].setType(type, of: value.id)
  }

  /// What is known of a value's type.
  func type(of value: ValueReference) -> ValueType? { value.id < 0 ? nil : inference[Int(value.graph)].valueTypes[Int(value.id)] }

  /// The bytes of a small tensor that is known before a run.
  func contents(of value: ValueReference) -> [UInt8]? {
    value.id < 0 ? nil : inference[Int(value.graph)].contents[Int(value.id)]
  }

  /// The value in `graph`, the graph it belongs to or one nested in that. A constant is named anew; others are captured.
  func reference(_ value: ValueReference, from graph: GraphID) -> ValueReference {
    guard value.graph != graph, value.id >= 0 else { return value }
    if let known = captured[Int(graph)][value] { return ValueReference(graph: graph, id: known) }
    guard let parent = definition.graphs[Int(graph)].parent else { return value }
    let outer = reference(value, from: parent)
    let original = self.value(outer)
    let inner = addValue(original.name, type(of: outer), in: graph)
    if let tensor = original.constant {
      setConstant(tensor, of: inner)
    } else {
      definition.graphs[Int(graph)].captures.append(Capture(inner: inner.id, outer: outer.id))
      inference[Int(graph)].setContents(inference[Int(outer.graph)].contents[Int(outer.id)], of: inner.id)
    }
    captured[Int(graph)][value] = inner.id
    written[Int(graph)][Int(inner.id)] = true
    return inner
  }

  // MARK: Tensors

  func addTensor(_ tensor: DecodedTensor) throws(ApusError) -> TensorID {
    var storage = TensorStorage.segment(index: 0, offset: 0, length: UInt64(tensor.contents.byteCount))
    var source: TensorContents? = tensor.contents
    if tensor.contents.byteCount <= inlineBytes {
      storage = .inline(try tensor.bytes())
      source = nil
    }
    definition.tensors.append(
      ConstantTensor(name: tensor.name, elementType: tensor.elementType, dimensions: tensor.dimensions, storage: storage))
    sources.append(source)
    return TensorID(definition.tensors.count - 1)
  }

  func addTensor(_ type: ElementType, _ dimensions: [Int], _ bytes: [UInt8], name: Name = .empty) throws(ApusError) -> TensorID {
    try addTensor(DecodedTensor(name: name, elementType: type, dimensions: dimensions, contents: .bytes(bytes)))
  }

  func setConstant(_ tensor: TensorID, of value: ValueReference) {
    let constant = definition.tensors[Int(tensor)]
    let type = ValueType.tensor(TensorType(constant.elementType, Shape(constant.dimensions)))
    written[Int(value.graph)][Int(value.id)] = true
    definition.graphs[Int(value.graph)].values[Int(value.id)].constant = tensor
    definition.graphs[Int(value.graph)].values[Int(value.id)].type = type
    inference[Int(value.graph)].setType(type, of: value.id)
    if case .inline(let bytes) = constant.storage, constant.elementType.byteWidth != nil,
      (elementCount(constant.dimensions) ?? Int.max) <= TypeInference.steeringElements
    {
      inference[Int(value.graph)].setContents(bytes, of: value.id)
    }
  }

  /// All bytes of a tensor.
  func bytes(of tensor: TensorID) throws(ApusError) -> [UInt8] {
    if case .inline(let bytes) = definition.tensors[Int(tensor)].storage { return bytes }
    switch sources[Int(tensor)] {
    case .bytes(let bytes): return bytes
    case .raw(let data): return Array(data)
    case .external(let external): return try external.read(from: 0, count: external.byteCount)
    case nil: return []
    }
  }

  // MARK: Nodes

  /// Adds a node whose operator is known or not, and infers the types of its outputs. What is wrong with it becomes a problem.
  func addNode(_ node: Node, to graph: GraphID) throws(ApusError) {
    nodeCount += 1
    guard nodeCount <= maximumNodes else {
      throw ApusError(
        .limitExceeded, "the model has too many nodes once its functions are inlined", operatorName: node.label,
        expected: "at most \(maximumNodes)")
    }
    var node = node
    while node.inputs.last == .absent { node.inputs.removeLast() }
    while node.outputs.last == .absent { node.outputs.removeLast() }
    node.attributes.sort { $0.name < $1.name }
    definition.graphs[Int(graph)].nodes.append(node)
    for output in node.outputs where output >= 0 { written[Int(graph)][Int(output)] = true }
    let schema: OperatorSchema
    do {
      schema = try registry.schema(of: node)
    } catch {
      problems.append(ImportProblem(node: node, error: error))
      return
    }
    do {
      try inference[Int(graph)].infer(node, schema: schema, tensors: definition.tensors)
    } catch {
      // Shapes in a body hold for the values it is called with; what is declared of them may be too narrow.
      if graph == 0 { problems.append(ImportProblem(node: node, error: error)) }
    }
  }

  /// The registered version of an operator that a model of this operator set means; nil where none is.
  func registeredVersion(domain: Name, name: Name, operatorSet: Int32) -> Int32? {
    var newest: Int32?
    var oldest: Int32?
    for schema in registry.schemas(domain: domain, name: name) {
      for version in schema.versions {
        if version <= operatorSet { newest = max(newest ?? version, version) }
        oldest = min(oldest ?? version, version)
      }
    }
    return newest ?? (domain == .onnx ? oldest : nil)
  }

  func report(_ problem: ImportProblem) { problems.append(problem) }

  func finish() -> ModelDefinition {
    definition.symbols = symbols.symbols
    return definition
  }

  func setMetadata(_ metadata: Metadata) { definition.metadata = metadata }
}
