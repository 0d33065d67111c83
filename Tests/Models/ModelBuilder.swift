import ApusGraph

/// Puts a model together by names. Weights come from a fixed generator: the same file on every machine.
struct ModelBuilder {
  private var definition: ModelDefinition
  private var graph = Graph(name: "main")
  private var states: [State] = []
  private var random: UInt64 = 1

  init(symbols: [Symbol] = [], producer: Name = "apus-test-models 1") {
    definition = ModelDefinition(symbols: symbols)
    definition.metadata.producer = producer
  }

  mutating func input(_ name: Name, _ type: ElementType, _ shape: Shape) -> ValueID {
    graph.values.append(Value(name: name, type: .tensor(TensorType(type, shape))))
    let id = ValueID(graph.values.count - 1)
    graph.inputs.append(id)
    return id
  }

  mutating func constant(_ name: Name, _ values: [Float], _ extents: [Int]) -> ValueID {
    definition.tensors.append(tensor(name, values, extents))
    graph.values.append(Value(name: name, constant: TensorID(definition.tensors.count - 1)))
    return ValueID(graph.values.count - 1)
  }

  /// One element of a type of 8 bits.
  mutating func constant(_ name: Name, byte: UInt8, _ type: ElementType) -> ValueID {
    definition.tensors.append(ConstantTensor(name: name, elementType: type, dimensions: [], storage: .inline([byte])))
    graph.values.append(Value(name: name, constant: TensorID(definition.tensors.count - 1)))
    return ValueID(graph.values.count - 1)
  }

  /// Uniform weights in `-bound ..< bound`.
  mutating func weights(_ name: Name, _ extents: [Int], bound: Float) -> ValueID {
    var values: [Float] = []
    for _ in 0..<extents.reduce(1, *) {
      random = random &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      values.append(bound * (2 * Float(random >> 40) / Float(1 << 24) - 1))
    }
    return constant(name, values, extents)
  }

  mutating func node(
    _ operatorName: Name, domain: Name = .onnx, _ sinceVersion: Int32, _ inputs: [ValueID], named name: Name,
    outputs: Int = 1, _ attributes: [Attribute] = []
  ) -> ValueID {
    let first = ValueID(graph.values.count)
    for index in 0..<outputs {
      graph.values.append(Value(name: index == 0 ? name : Name(name.string + ".\(index)")))
    }
    graph.nodes.append(
      Node(
        name: name, domain: domain, operatorName: operatorName, sinceVersion: sinceVersion, inputs: inputs,
        outputs: (0..<outputs).map { first + ValueID($0) }, attributes: attributes))
    return first
  }

  mutating func output(_ id: ValueID) { graph.outputs.append(id) }

  mutating func state(_ name: Name, input: ValueID, output: ValueID, initial: [Float], _ extents: [Int]) {
    definition.tensors.append(tensor(name, initial, extents))
    states.append(State(name: name, input: input, output: output, initial: TensorID(definition.tensors.count - 1)))
  }

  mutating func metadata(_ key: Name, _ value: Name) {
    definition.metadata.entries.append(Metadata.Entry(key: key, value: value))
  }

  mutating func testVector(_ name: Name, input: (Name, [Float], [Int]), output: (Name, [Float], [Int]), tolerance: Float) {
    definition.metadata.testVectors.append(
      TestVector(
        name: name, inputs: [.init(name: input.0, tensor: tensor(.empty, input.1, input.2))],
        outputs: [.init(name: output.0, tensor: tensor(.empty, output.1, output.2))],
        absoluteTolerance: tolerance, relativeTolerance: 0))
  }

  func build() -> ModelDefinition {
    var definition = definition
    let fed = graph.inputs.filter { id in !states.contains { $0.input == id } }
    definition.signatures = [Signature(name: "run", inputs: fed, outputs: graph.outputs, states: states)]
    definition.graphs = [graph]
    return definition
  }

  private func tensor(_ name: Name, _ values: [Float], _ extents: [Int]) -> ConstantTensor {
    ConstantTensor(
      name: name, elementType: .float32, dimensions: extents,
      storage: .inline(values.flatMap { value in withUnsafeBytes(of: value.bitPattern.littleEndian) { Array($0) } }))
  }
}
