import ApusGraph

/// Takes one node from the form that its operator set gives it to the registry's: through the adapters of its operator, and
/// where the registry lacks the operator, through its lowering.
final class Adaptation {
  let builder: ModelBuilder
  let graph: GraphID
  /// The node, its version that of its operator set until the end. Adapters change it, or put another in its place.
  var node: Node
  /// The operator set that the node is written for.
  let operatorSet: Int32
  private var following: [Node] = []

  init(_ node: Node, in graph: GraphID, _ builder: ModelBuilder) {
    self.node = node
    self.graph = graph
    self.builder = builder
    operatorSet = node.sinceVersion
  }

  func run() throws(ApusError) {
    if node.domain == .onnx, operatorSet <= ONNXImporter.newestOperatorSet {
      let operatorName = node.operatorName
      for adapter in Adapter.table[operatorName] ?? [] where operatorSet < adapter.before {
        try adapter.apply(self)
        // What takes another operator's place comes in that one's newest form.
        if node.operatorName != operatorName { break }
      }
    }
    if node.domain == .machineLearning, let form = MachineLearningForms.table[OperatorKey(node.domain, node.operatorName)] {
      try form.apply(self)
    }
    if builder.registry.schemas(domain: node.domain, name: node.operatorName).isEmpty,
      let lowering = Lowering.table[OperatorKey(node.domain, node.operatorName)]
    {
      try lowering.apply(self)
    }
    node.sinceVersion = version(of: node.domain, node.operatorName)
    try builder.addNode(node, to: graph)
    for next in following { try emit(next) }
  }

  /// The registered version that the node means now that it is adapted; the operator set itself where none is.
  private func version(of domain: Name, _ name: Name) -> Int32 {
    let isStandard = domain == .onnx
    guard !isStandard || operatorSet <= ONNXImporter.newestOperatorSet else { return operatorSet }
    let adapted = isStandard ? max(operatorSet, ONNXImporter.adaptedOperatorSet) : operatorSet
    return builder.registeredVersion(domain: domain, name: name, operatorSet: adapted) ?? operatorSet
  }

  // MARK: Attributes

  func attribute(_ name: Name) -> AttributeValue? { node.attributes.first { $0.name == name }?.value }

  /// Takes an attribute away from the node.
  @discardableResult
  func take(_ name: Name) -> AttributeValue? {
    guard let index = node.attributes.firstIndex(where: { $0.name == name }) else { return nil }
    return node.attributes.remove(at: index).value
  }

  func set(_ name: Name, _ value: AttributeValue) {
    take(name)
    node.attributes.append(Attribute(name, value))
  }

  /// Sets an attribute that the node leaves out to what that means in its operator set.
  func setDefault(_ name: Name, _ value: AttributeValue) {
    if attribute(name) == nil { set(name, value) }
  }

  func takeInt(_ name: Name) throws(ApusError) -> Int64? {
    switch take(name) {
    case .int(let value): value
    case nil: nil
    case let other?: throw wrongKind(name, other, "int")
    }
  }

  func takeInts(_ name: Name) throws(ApusError) -> [Int64]? {
    switch take(name) {
    case .ints(let values): values
    case nil: nil
    case let other?: throw wrongKind(name, other, "ints")
    }
  }

  func takeFloat(_ name: Name) throws(ApusError) -> Float? {
    switch take(name) {
    case .float(let value): value
    case nil: nil
    case let other?: throw wrongKind(name, other, "float")
    }
  }

  func takeFloats(_ name: Name) throws(ApusError) -> [Float]? {
    switch take(name) {
    case .floats(let values): values
    case nil: nil
    case let other?: throw wrongKind(name, other, "floats")
    }
  }

  func takeString(_ name: Name) throws(ApusError) -> Name? {
    switch take(name) {
    case .string(let value): value
    case nil: nil
    case let other?: throw wrongKind(name, other, "string")
    }
  }

  private func wrongKind(_ name: Name, _ value: AttributeValue, _ expected: String) -> ApusError {
    ApusError(
      .invalidAttribute, "attribute '" + name.string + "' has the wrong kind", operatorName: node.label, expected: expected,
      actual: value.kind.text)
  }

  func missing(_ name: Name) -> ApusError {
    ApusError(.invalidAttribute, "attribute '" + name.string + "' is missing", operatorName: node.label)
  }

  func unsupported(_ message: String, expected: String = "", actual: String = "") -> ApusError {
    ApusError(.unsupported, message, operatorName: node.label, expected: expected, actual: actual)
  }

  // MARK: Inputs

  /// The input at a position; `absent` where the node leaves it out.
  func input(_ index: Int) -> ValueID { index < node.inputs.count ? node.inputs[index] : .absent }

  func setInput(_ index: Int, _ value: ValueID) {
    while node.inputs.count <= index { node.inputs.append(.absent) }
    node.inputs[index] = value
  }

  /// The output at a position; `absent` where nobody reads it.
  func output(_ index: Int) -> ValueID { index < node.outputs.count ? node.outputs[index] : .absent }

  func requireInputs(_ count: Int) throws(ApusError) {
    for index in 0..<count where input(index) < 0 {
      throw ApusError(.invalidModel, "a required input is left out", operatorName: node.label, actual: "input \(index)")
    }
    if output(0) < 0 { throw ApusError(.invalidModel, "a required output is left out", operatorName: node.label) }
  }

  func tensorType(_ id: ValueID) -> TensorType? { builder.type(of: ValueReference(graph: graph, id: id))?.tensor }

  func shape(_ id: ValueID) -> Shape? { tensorType(id)?.shape }

  /// The rank of a value.
  /// - Throws: `unsupported` where it is not known before the model runs.
  func rank(_ id: ValueID) throws(ApusError) -> Int {
    guard let rank = shape(id)?.rank else {
      throw unsupported("this form of the operator can be rewritten only where its input's rank is known")
    }
    return rank
  }

  /// The elements of a small tensor of integers that is a constant or follows from shapes alone.
  func integers(_ id: ValueID) -> [Int64]? {
    guard id >= 0, let type = tensorType(id) else { return nil }
    return builder.contents(of: ValueReference(graph: graph, id: id)).flatMap { type.elementType.integers($0) }
  }

  /// The same for floats.
  func floats(_ id: ValueID) -> [Double]? {
    guard id >= 0, let type = tensorType(id) else { return nil }
    return builder.contents(of: ValueReference(graph: graph, id: id)).flatMap { type.elementType.floats($0) }
  }

  // MARK: New values and nodes

  func constant(_ integers: [Int64]) throws(ApusError) -> ValueID { constant(try builder.addTensor(integers: integers)) }

  /// A constant without axes.
  func scalar(_ integer: Int64) throws(ApusError) -> ValueID {
    constant(try builder.addTensor(integers: [integer], scalar: true))
  }

  func constant(floats: [Float]) throws(ApusError) -> ValueID { constant(try builder.addTensor(floats: floats)) }

  func scalar(_ float: Float) throws(ApusError) -> ValueID { constant(try builder.addTensor(floats: [float], scalar: true)) }

  func scalar(_ bool: Bool) throws(ApusError) -> ValueID { constant(try builder.addTensor(.bool, [], [bool ? 1 : 0])) }

  /// A number without axes, of the element type that another value has.
  func scalar(_ number: Float, like value: ValueID) throws(ApusError) -> ValueID {
    let float = try scalar(number)
    if tensorType(value)?.elementType == .float32 { return float }
    return try emit("CastLike", [float, value])
  }

  func constant(_ tensor: TensorID) -> ValueID {
    let value = builder.addValue(.empty, nil, in: graph)
    builder.setConstant(tensor, of: value)
    return value.id
  }

  /// A new value for a node to write.
  func temporary() -> ValueID { builder.addValue(.empty, nil, in: graph).id }

  /// Adds a node of the newest operator set before this one. Returns its first output.
  @discardableResult
  func emit(
    _ operatorName: Name, _ inputs: [ValueID], _ attributes: [Attribute] = [], outputs: [ValueID]? = nil,
    domain: Name = .onnx
  ) throws(ApusError) -> ValueID {
    let outputs = outputs ?? [temporary()]
    try emit(newest(operatorName, inputs, attributes, outputs: outputs, domain: domain))
    return outputs[0]
  }

  private func emit(_ node: Node) throws(ApusError) { try Adaptation(node, in: graph, builder).run() }

  private func newest(
    _ operatorName: Name, _ inputs: [ValueID], _ attributes: [Attribute], outputs: [ValueID], domain: Name
  ) -> Node {
    Node(
      name: node.name.isEmpty ? node.name : Name(node.name.string + "/" + operatorName.string), domain: domain,
      operatorName: operatorName,
      sinceVersion: ONNXImporter.newestOperatorSet, inputs: inputs, outputs: outputs, attributes: attributes)
  }

  /// Puts another operator, in its newest form, in the node's place.
  func replace(
    _ operatorName: Name, _ inputs: [ValueID], _ attributes: [Attribute] = [], outputs: [ValueID]? = nil
  ) {
    node.domain = .onnx
    node.operatorName = operatorName
    node.inputs = inputs
    node.attributes = attributes
    if let outputs { node.outputs = outputs }
  }

  /// Adds a node behind this one that makes output `index` from what the node writes there from now on.
  func follow(
    output index: Int, _ operatorName: Name, _ attributes: [Attribute] = [], domain: Name = .onnx,
    inputs: (ValueID) -> [ValueID]
  ) {
    let target = node.outputs[index]
    let source = temporary()
    node.outputs[index] = source
    following.insert(newest(operatorName, inputs(source), attributes, outputs: [target], domain: domain), at: 0)
  }
}

/// An operator whatever its version.
struct OperatorKey: Hashable {
  var domain: Name
  var name: Name

  init(_ domain: Name, _ name: Name) {
    self.domain = domain
    self.name = name
  }
}
