import ApusGraph

/// Makes sound models that use every part of the format.
struct RandomModels {
  private var generator: Generator
  private var definition = ModelDefinition()

  init(seed: UInt64) { generator = Generator(seed: seed) }

  /// - Parameter largest: bytes of the largest tensors, about.
  mutating func model(largest: Int = 200_000) -> ModelDefinition {
    definition = ModelDefinition()
    for index in 0..<generator.below(4) {
      let minimum = generator.below(3)
      definition.symbols.append(
        Symbol(
          name: Name("N\(index)"), minimum: minimum, maximum: generator.chance(2) ? nil : minimum + generator.below(100),
          multiple: 1 + generator.below(8)))
    }
    for type in ElementType.allCases { definition.tensors.append(tensor(type, name: type.name.text, size: 200)) }
    for index in 0..<generator.below(8) {
      let type = ElementType.allCases[generator.below(ElementType.allCases.count)]
      definition.tensors.append(tensor(type, name: "w\(index)", size: generator.chance(2) ? 5_000 : largest))
    }
    addQuantized()
    definition.graphs = [Graph(name: "main")]
    fill(0, depth: 0)
    let main = definition.graphs[0]
    if let input = main.inputs.first, let output = main.outputs.first {
      definition.signatures = [
        Signature(name: "default", inputs: main.inputs, outputs: main.outputs),
        Signature(
          name: "step", inputs: Array(main.inputs.dropFirst()), outputs: [],
          states: [
            State(name: "cache", input: input, output: output, initial: nil)
          ]),
      ]
    }
    addMetadata(largest)
    return definition
  }

  mutating func tensor(_ type: ElementType, name: String, size: Int) -> ConstantTensor {
    var dimensions: [Int] = []
    let elements = max(1, size * 8 / max(8, type.bitWidth))
    if !generator.chance(6) {
      let last = generator.below(elements + 1)
      dimensions = generator.chance(2) ? [last] : [generator.below(3), 1, last]
    }
    let count = dimensions.reduce(1, *)
    return ConstantTensor(
      name: Name(name), elementType: type, dimensions: dimensions, storage: .inline(contents(type, count)))
  }

  private mutating func contents(_ type: ElementType, _ count: Int) -> [UInt8] {
    switch type {
    case .bool: return (0..<count).map { _ in UInt8(generator.below(2)) }
    case .string:
      let texts = (0..<count).map { _ in ["", "a", "αβγ", "x\0y", "🙂"][generator.below(5)] }
      var (bytes, end) = ([UInt8](), UInt64(0))
      withUnsafeBytes(of: end.littleEndian) { bytes += $0 }
      for text in texts {
        end += UInt64(text.utf8.count)
        withUnsafeBytes(of: end.littleEndian) { bytes += $0 }
      }
      return bytes + texts.flatMap { Array($0.utf8) }
    case .float32 where generator.chance(2):
      return (0..<count).flatMap { _ in
        withUnsafeBytes(of: Float(generator.below(2000) - 1000) / 1024) { Array($0) }
      }
    default:
      var bytes =
        generator.chance(3)
        ? [UInt8](repeating: 0, count: type.byteCount(of: count)!) : generator.bytes(type.byteCount(of: count)!)
      let used = count * type.bitWidth % 8
      if used != 0 { bytes[bytes.count - 1] &= UInt8((1 << used) - 1) }
      return bytes
    }
  }

  /// A weight for each kind of quantization, with its scales and zero points.
  private mutating func addQuantized() {
    func floats(_ count: Int) -> TensorStorage {
      .inline((0..<count).flatMap { withUnsafeBytes(of: Float($0 + 1) / 64) { Array($0) } })
    }
    let first = TensorID(definition.tensors.count)
    definition.tensors += [
      ConstantTensor(name: "scale", elementType: .float32, dimensions: [], storage: floats(1)),
      ConstantTensor(name: "zero", elementType: .uint8, dimensions: [], storage: .inline([128])),
      ConstantTensor(name: "scales", elementType: .float32, dimensions: [4], storage: floats(4)),
      ConstantTensor(name: "block scales", elementType: .float32, dimensions: [4, 3], storage: floats(12)),
      ConstantTensor(
        name: "per tensor", elementType: .uint8, dimensions: [4, 80], storage: .inline(generator.bytes(320)),
        quantization: Quantization(scale: first, zeroPoint: first + 1)),
      ConstantTensor(
        name: "per axis", elementType: .int8, dimensions: [4, 80], storage: .inline(generator.bytes(320)),
        quantization: Quantization(scale: first + 2, axis: 0)),
      ConstantTensor(
        name: "per block", elementType: .int4, dimensions: [4, 80], storage: .inline(generator.bytes(160)),
        quantization: Quantization(scale: first + 3, axis: 1, blockSize: 32)),
    ]
  }

  private mutating func type(depth: Int = 0) -> ValueType {
    switch depth < 4 ? generator.below(8) : 0 {
    case 1: return .sequence(type(depth: depth + 1))
    case 2: return .optional(type(depth: depth + 1))
    case 3: return .map(key: generator.chance(2) ? .string : .int64, value: type(depth: depth + 1))
    default:
      let element = ElementType.allCases[generator.below(ElementType.allCases.count)]
      if generator.chance(5) { return .tensor(TensorType(element, nil)) }
      var dimensions: [Dimension] = []
      for _ in 0..<generator.below(5) {
        switch generator.below(3) {
        case 0: dimensions.append(.unknown)
        case 1 where !definition.symbols.isEmpty: dimensions.append(.symbol(SymbolID(generator.below(definition.symbols.count))))
        default: dimensions.append(.known(generator.below(1000)))
        }
      }
      let scale = TensorID(definition.tensors.firstIndex { $0.name == "scale" }!)
      let quantization = generator.chance(4) ? Quantization(scale: scale, zeroPoint: scale + 1) : nil
      return .tensor(TensorType(element, Shape(dimensions), quantization: quantization))
    }
  }

  /// Fills graph `id` with values and nodes; nodes may nest further graphs.
  private mutating func fill(_ id: GraphID, depth: Int) {
    var graph = definition.graphs[Int(id)]
    for index in 0..<1 + generator.below(3) {
      graph.values.append(Value(name: Name("in\(index)"), type: type()))
      graph.inputs.append(ValueID(graph.values.count - 1))
    }
    for index in 0..<generator.below(3) {
      graph.values.append(Value(name: Name("c\(index)"), constant: TensorID(generator.below(definition.tensors.count))))
    }
    if let parent = graph.parent {
      let count = definition.graphs[Int(parent)].values.count
      for index in 0..<generator.below(3) {
        graph.values.append(Value(name: Name("outer\(index)")))
        graph.captures.append(
          Capture(inner: ValueID(graph.values.count - 1), outer: ValueID(generator.below(count))))
      }
    }
    for index in 0..<1 + generator.below(5) {
      let inputs = (0..<generator.below(4)).map { _ in
        generator.chance(6) ? ValueID.absent : ValueID(generator.below(graph.values.count))
      }
      // Nested graphs capture what is written before this node.
      definition.graphs[Int(id)] = graph
      let attributes = attributes(in: id, depth: depth)
      var outputs: [ValueID] = []
      for output in 0..<1 + generator.below(3) {
        if generator.chance(6) {
          outputs.append(.absent)
          continue
        }
        graph.values.append(
          Value(name: generator.chance(4) ? .empty : Name("v\(index).\(output)"), type: generator.chance(2) ? type() : nil))
        outputs.append(ValueID(graph.values.count - 1))
      }
      graph.nodes.append(
        Node(
          name: generator.chance(3) ? .empty : Name("node\(index)"), domain: generator.chance(3) ? .apus : .onnx,
          operatorName: Name(["Add", "If", "Loop", "Gemm"][generator.below(4)]), sinceVersion: Int32(1 + generator.below(22)),
          inputs: inputs, outputs: outputs, attributes: attributes))
    }
    graph.outputs = [ValueID(graph.values.count - 1)]
    definition.graphs[Int(id)] = graph
  }

  private mutating func attributes(in graph: GraphID, depth: Int) -> [Attribute] {
    var list: [Attribute] = []
    for kind in 0..<11 where generator.chance(4) {
      let value: AttributeValue
      switch kind {
      case 0: value = .int(Int64(bitPattern: generator.next()))
      case 1: value = .float([0, -0.0, .nan, .infinity, 1e-40, Float(generator.below(100))][generator.below(6)])
      case 2: value = .string(["", "text", "α\0β"][generator.below(3)])
      case 3: value = .tensor(TensorID(generator.below(definition.tensors.count)))
      case 4:
        guard depth < 3 else { continue }
        value = .graph(nested(in: graph, depth: depth))
      case 5: value = .ints((0..<generator.below(5)).map { _ in Int64(bitPattern: generator.next()) })
      case 6: value = .floats((0..<generator.below(5)).map { _ in Float(generator.below(100)) })
      case 7: value = .strings((0..<generator.below(5)).map { _ in Name("s\(generator.below(10))") })
      case 8: value = .tensors((0..<generator.below(3)).map { _ in TensorID(generator.below(definition.tensors.count)) })
      case 9:
        guard depth < 3 else { continue }
        value = .graphs((0..<generator.below(3)).map { _ in nested(in: graph, depth: depth) })
      default: value = .type(type())
      }
      // Descending names: the writer has to sort them.
      list.insert(Attribute(Name("a\(kind + 10)"), value), at: 0)
    }
    return list
  }

  private mutating func nested(in parent: GraphID, depth: Int) -> GraphID {
    let id = GraphID(definition.graphs.count)
    definition.graphs.append(Graph(name: Name("graph\(id)"), parent: parent))
    fill(id, depth: depth + 1)
    return id
  }

  private mutating func addMetadata(_ largest: Int) {
    for index in 0..<generator.below(4) {
      definition.metadata.entries.append(Metadata.Entry(key: Name("key\(9 - index)"), value: "value\0with NUL"))
    }
    if generator.chance(2) {
      definition.metadata.producer = "tests 1.0"
      definition.metadata.sourceHash = generator.bytes(32)
      definition.metadata.quantizationMethod = "minmax"
      definition.metadata.calibrationHash = generator.bytes(32)
    }
    let main = definition.graphs[0]
    for index in 0..<generator.below(3) {
      definition.metadata.testVectors.append(
        TestVector(
          name: Name("vector\(index)"),
          inputs: main.inputs.map {
            .init(name: main.values[Int($0)].name, tensor: tensor(.float32, name: "", size: largest))
          },
          outputs: main.outputs.filter { !main.values[Int($0)].name.isEmpty }.map {
            .init(name: main.values[Int($0)].name, tensor: tensor(.int8, name: "", size: 100))
          }, absoluteTolerance: 1e-5, relativeTolerance: 0.5))
    }
  }
}
