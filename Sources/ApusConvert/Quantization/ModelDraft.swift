import ApusFormatWriter
import ApusGraph

/// A model that is being rewritten: its main graph, with constants that are read as floats and made anew.
struct ModelDraft {
  var definition: ModelDefinition
  private let data: TensorData
  private var names: Set<Name>

  init(_ definition: ModelDefinition, data: @escaping TensorData) {
    self.definition = definition
    self.data = data
    names = Set(definition.graphs[0].values.map(\.name))
  }

  var graph: Graph {
    get { definition.graphs[0] }
    set { definition.graphs[0] = newValue }
  }

  /// The bytes of a constant that the definition has.
  var tensorData: TensorData { data }

  // MARK: Constants

  /// The tensor that a value is; nil for values that are computed, fed or left out.
  func tensor(_ id: ValueID) -> ConstantTensor? {
    guard id >= 0, let constant = graph.values[Int(id)].constant else { return nil }
    return definition.tensors[Int(constant)]
  }

  /// Whether a value is a constant of plain float32 elements.
  func isFloatConstant(_ id: ValueID) -> Bool {
    guard let tensor = tensor(id) else { return false }
    return tensor.elementType == .float32 && tensor.quantization == nil
  }

  func bytes(_ id: TensorID) throws(ApusError) -> [UInt8] {
    let tensor = definition.tensors[Int(id)]
    switch tensor.storage {
    case .inline(let bytes): return bytes
    case .segment(_, _, let length):
      guard let count = Int(exactly: length) else { throw ApusError(.limitExceeded, "a constant is too large") }
      var bytes = [UInt8](repeating: 0, count: count)
      try bytes.withUnsafeMutableBufferPointer { (target) throws(ApusError) in
        try data(.model(id), 0, UnsafeMutableRawBufferPointer(target))
      }
      return bytes
    }
  }

  /// The elements of a float32 constant.
  /// - Throws: `typeMismatch` for other values.
  func floats(_ id: ValueID) throws(ApusError) -> [Float] {
    guard isFloatConstant(id), let constant = graph.values[Int(id)].constant else {
      throw ApusError(.typeMismatch, "the value is no float32 constant", tensorName: id < 0 ? "" : name(id))
    }
    return try bytes(constant).withUnsafeBytes { source in
      (0..<source.count / 4).map { source.loadUnaligned(fromByteOffset: 4 * $0, as: Float.self) }
    }
  }

  /// The elements of a float32 constant.
  /// - Throws: `valueOutOfRange` where one is not finite: no integers stand for such weights.
  func finiteFloats(_ id: ValueID) throws(ApusError) -> [Float] {
    let values = try floats(id)
    guard let bad = values.first(where: { !$0.isFinite }) else { return values }
    throw ApusError(
      .valueOutOfRange, "a weight is no finite number", tensorName: name(id), expected: "finite numbers", actual: "\(bad)")
  }

  // MARK: Values

  /// The name of a value, for people.
  func name(_ id: ValueID) -> String {
    let name = graph.values[Int(id)].name
    return name.isEmpty ? "value \(id)" : name.string
  }

  /// Gives every value that nobody named a name.
  mutating func nameValues() {
    for id in graph.values.indices where graph.values[id].name.isEmpty {
      graph.values[id].name = unused("value \(id)")
    }
  }

  private mutating func unused(_ text: String) -> Name {
    var name = Name(text)
    while !names.insert(name).inserted { name = Name(name.string + "'") }
    return name
  }

  /// Adds a value that a new node writes.
  mutating func addValue(_ name: String, _ type: ElementType, _ shape: Shape?) -> ValueID {
    let name = unused(name)
    graph.values.append(Value(name: name, type: .tensor(TensorType(type, shape))))
    return ValueID(graph.values.count - 1)
  }

  mutating func addConstant(_ name: String, _ type: ElementType, _ dimensions: [Int], _ bytes: [UInt8]) -> ValueID {
    let name = unused(name)
    definition.tensors.append(
      ConstantTensor(name: name, elementType: type, dimensions: dimensions, storage: .inline(bytes)))
    graph.values.append(
      Value(name: name, type: .tensor(TensorType(type, Shape(dimensions))), constant: TensorID(definition.tensors.count - 1)))
    return ValueID(graph.values.count - 1)
  }

  /// Adds a constant of numbers that are stored as they are in memory.
  mutating func addConstant<Element: BitwiseCopyable>(
    _ name: String, _ type: ElementType, _ dimensions: [Int], _ elements: [Element]
  ) -> ValueID {
    addConstant(name, type, dimensions, elements.withUnsafeBytes { Array($0) })
  }

  /// How many nodes, outputs and subgraphs read each value.
  var readers: [Int] {
    var counts = Array(repeating: 0, count: graph.values.count)
    for node in graph.nodes { for id in node.inputs where id >= 0 { counts[Int(id)] += 1 } }
    for id in Set(graph.outputs).union(definition.calledGraph.outputs) { counts[Int(id)] += 1 }
    for child in definition.graphs where child.parent == 0 { for capture in child.captures { counts[Int(capture.outer)] += 1 } }
    for state in definition.signatures.flatMap(\.states) { counts[Int(state.output)] += 1 }
    return counts
  }

  /// For each value the node that writes it.
  var writers: [ValueID: Int] {
    var writers: [ValueID: Int] = [:]
    for (position, node) in graph.nodes.enumerated() { for id in node.outputs where id >= 0 { writers[id] = position } }
    return writers
  }

  /// The types of the main graph's values, as far as they follow from the inputs' declared shapes.
  func types() throws(ApusError) -> [TensorType?] {
    try TypeInference(graph: graph, tensors: definition.tensors, registry: .full) { (id) throws(ApusError) in
      try bytes(id)
    }.tensorTypes
  }

  /// The model without nodes, values and tensors that nothing reads.
  func finished() -> (definition: ModelDefinition, data: TensorData) {
    var result = definition
    var live = Set(graph.outputs).union(graph.inputs)
    for signature in definition.signatures {
      live.formUnion(signature.inputs + signature.outputs + signature.states.flatMap { [$0.input, $0.output] })
    }
    for child in definition.graphs where child.parent == 0 { live.formUnion(child.captures.map(\.outer)) }
    var nodes: [Node] = []
    for node in graph.nodes.reversed() where node.outputs.contains(where: { live.contains($0) }) {
      live.formUnion(node.inputs + node.outputs)
      nodes.append(node)
    }
    result.graphs[0].nodes = nodes.reversed()
    result.graphs[0].values = []
    var ids = [ValueID](repeating: .absent, count: graph.values.count)
    for (id, value) in graph.values.enumerated() where live.contains(ValueID(id)) {
      ids[id] = ValueID(result.graphs[0].values.count)
      result.graphs[0].values.append(value)
    }
    func new(_ id: ValueID) -> ValueID { id < 0 ? id : ids[Int(id)] }
    for index in result.graphs[0].nodes.indices {
      result.graphs[0].nodes[index].inputs = result.graphs[0].nodes[index].inputs.map(new)
      result.graphs[0].nodes[index].outputs = result.graphs[0].nodes[index].outputs.map(new)
    }
    result.graphs[0].inputs = graph.inputs.map(new)
    result.graphs[0].outputs = graph.outputs.map(new)
    for index in result.graphs.indices where result.graphs[index].parent == 0 {
      result.graphs[index].captures = result.graphs[index].captures.map { Capture(inner: $0.inner, outer: new($0.outer)) }
    }
    for index in result.signatures.indices {
      result.signatures[index].inputs = result.signatures[index].inputs.map(new)
      result.signatures[index].outputs = result.signatures[index].outputs.map(new)
      for state in result.signatures[index].states.indices {
        result.signatures[index].states[state].input = new(result.signatures[index].states[state].input)
        result.signatures[index].states[state].output = new(result.signatures[index].states[state].output)
      }
    }
    let kept = result.compactTensors()
    let data = data
    return (
      result,
      { (reference, offset, target) throws(ApusError) in
        if case .model(let id) = reference { return try data(.model(kept[Int(id)]), offset, target) }
        try data(reference, offset, target)
      }
    )
  }
}

extension ModelDefinition {
  /// Takes tensors away that nothing names.
  /// - Returns: for each one that stays the id that it had.
  fileprivate mutating func compactTensors() -> [TensorID] {
    var kept: [TensorID] = []
    var ids: [TensorID: TensorID] = [:]
    func new(_ old: TensorID) -> TensorID {
      if let id = ids[old] { return id }
      ids[old] = TensorID(kept.count)
      kept.append(old)
      return TensorID(kept.count - 1)
    }
    for graph in graphs.indices {
      for value in graphs[graph].values.indices {
        graphs[graph].values[value].constant = graphs[graph].values[value].constant.map(new)
      }
      for node in graphs[graph].nodes.indices {
        for index in graphs[graph].nodes[node].attributes.indices {
          switch graphs[graph].nodes[node].attributes[index].value {
          case .tensor(let id): graphs[graph].nodes[node].attributes[index].value = .tensor(new(id))
          case .tensors(let ids): graphs[graph].nodes[node].attributes[index].value = .tensors(ids.map(new))
          default: break
          }
        }
      }
    }
    for signature in signatures.indices {
      for state in signatures[signature].states.indices {
        signatures[signature].states[state].initial = signatures[signature].states[state].initial.map(new)
      }
    }
    tensors = kept.map { tensors[Int($0)] }
    return kept
  }
}

extension Node {
  /// Whether it is an operator of the standard.
  func isStandard(_ name: Name) -> Bool { domain == .onnx && operatorName == name }

  func attribute(_ name: Name) -> AttributeValue? { attributes.first { $0.name == name }?.value }

  func int(_ name: Name, default value: Int = 0) -> Int {
    if case .int(let number) = attribute(name) { Int(clamping: number) } else { value }
  }

  func float(_ name: Name, default value: Float) -> Float {
    if case .float(let number) = attribute(name) { number } else { value }
  }

  /// For reports and exclusions: its name, else that of its operator.
  var title: String { name.isEmpty ? operatorName.string : name.string }
}
