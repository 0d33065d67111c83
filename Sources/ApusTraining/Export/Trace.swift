import ApusGraph

extension Module {
  /// This module as a graph: runs it on an example and writes down the operators it applies.
  ///
  /// The first axis of the input is the batch: it becomes the symbol `N`. To be sure that nothing in the module depends on its
  /// extent, the module runs twice, on batches of 2 and 3, and both runs must have given the same graph.
  ///
  /// - Parameters:
  ///   - inputShape: the shape of one example, without the batch: [C, H, W].
  ///   - inputName: name of the graph's input; its output is called `outputName`.
  ///   - name: name of the graph.
  ///   - context: where the examples run, in evaluation mode.
  /// - Returns: a model whose tensors are inline, with parameters under their own names.
  /// - Throws: what the module throws; `unsupported` where the graph depends on the batch's extent or the module computes
  ///   nothing; what the registry's shape rules find.
  public func traced(
    inputShape: [Int], inputName: String = "input", outputName: String = "output", name: String = "", in context: Context
  ) throws(ApusError) -> ModelDefinition {
    let first = try record(batch: 2, inputShape, inputName, outputName, context)
    let second = try record(batch: 3, inputShape, inputName, outputName, context)
    guard first.nodes.count == second.nodes.count, zip(first.nodes, second.nodes).allSatisfy({ $0.isSame(as: $1) }),
      TracedGraph.haveSameConstants(first, second)
    else {
      throw ApusError(
        .unsupported, "the module applies other operators to other batches: its graph can not have a batch of any size")
    }
    var graph = TracedGraph(recorder: first, inputName: inputName, outputName: outputName)
    return try graph.definition(name: name, inputShape: inputShape)
  }

  private func record(
    batch: Int, _ inputShape: [Int], _ inputName: String, _ outputName: String, _ context: Context
  ) throws(ApusError) -> TraceRecorder {
    guard context.recorder == nil else { throw ApusError(.busy, "a trace is running in this context") }
    guard inputName != outputName, !inputName.isEmpty, !outputName.isEmpty else {
      throw ApusError(.invalidArgument, "input and output need names of their own", actual: "'\(inputName)', '\(outputName)'")
    }
    let recorder = TraceRecorder(self, reserved: [inputName, outputName])
    let example = try Tensor(repeating: 0, shape: [batch] + inputShape, context: context)
    recorder.name(example, as: inputName)
    context.recorder = recorder
    defer { context.recorder = nil }
    let output = try context.with(training: false, gradients: false) { () throws(ApusError) in try self(example) }
    guard let value = recorder.name(of: output), value != inputName else {
      throw ApusError(.unsupported, "the module's result is not computed from its input")
    }
    recorder.rename(value, to: outputName)
    return recorder
  }
}

/// Turns a trace into a `ModelDefinition`.
struct TracedGraph {
  private let recorder: TraceRecorder
  private let inputName: String
  private let outputName: String
  private var values: [Value] = []
  private var ids: [String: ValueID] = [:]
  private var tensors: [ConstantTensor] = []

  init(recorder: TraceRecorder, inputName: String, outputName: String) {
    self.recorder = recorder
    self.inputName = inputName
    self.outputName = outputName
  }

  static func haveSameConstants(_ a: TraceRecorder, _ b: TraceRecorder) -> Bool {
    guard a.constants.count == b.constants.count else { return false }
    for (left, right) in zip(a.constants, b.constants) {
      guard left.name == right.name else { return false }
      switch (left.value, right.value) {
      case (.integers(let x), .integers(let y)): guard x == y else { return false }
      case (.tensor(let x), .tensor(let y)): guard x === y || (x.shape == y.shape && x.values == y.values) else { return false }
      default: return false
      }
    }
    return true
  }

  mutating func definition(name: String, inputShape: [Int]) throws(ApusError) -> ModelDefinition {
    let shape = Shape([.symbol(0)] + inputShape.map { .known($0) })
    let input = add(Value(name: Name(inputName), type: .tensor(TensorType(.float32, shape))))
    for (name, value) in recorder.constants {
      let id = TensorID(tensors.count)
      tensors.append(Self.constant(name, value))
      _ = add(Value(name: Name(name), constant: id))
    }
    var nodes: [Node] = []
    for node in recorder.nodes {
      var inputs: [ValueID] = []
      for name in node.inputs {
        guard name.isEmpty || ids[name] != nil else {
          throw ApusError(.internal, "a traced node reads what no node wrote", operatorName: node.name, tensorName: name)
        }
        inputs.append(ids[name] ?? .absent)
      }
      let outputs = node.outputs.map { add(Value(name: Name($0))) }
      nodes.append(
        Node(
          name: Name(node.name), domain: node.definition.domain, operatorName: node.definition.name,
          sinceVersion: node.definition.sinceVersion, inputs: inputs, outputs: outputs, attributes: node.attributes))
    }
    guard let output = ids[outputName] else {
      throw ApusError(.internal, "the traced output is not there", tensorName: outputName)
    }
    var graph = Graph(name: Name(name), values: values, nodes: nodes, inputs: [input], outputs: [output])

    // The registry's shape rules check each node and give the types of what the trace saw for one batch only.
    let constants = tensors
    let inference = try TypeInference(graph: graph, tensors: constants, registry: .core) { id throws(ApusError) in
      constants[Int(id)].inlineBytes
    }
    for (id, type) in inference.valueTypes.enumerated() where graph.values[id].constant == nil {
      if let type { graph.values[id].type = type }
    }
    return ModelDefinition(symbols: [Symbol(name: "N", minimum: 1)], graphs: [graph], tensors: tensors)
  }

  private mutating func add(_ value: Value) -> ValueID {
    let id = ValueID(values.count)
    values.append(value)
    ids[value.name.string] = id
    return id
  }

  private static func constant(_ name: String, _ value: TracedConstant) -> ConstantTensor {
    switch value {
    case .tensor(let tensor):
      ConstantTensor(name: Name(name), elementType: .float32, dimensions: tensor.shape, storage: .inline(tensor.bytes))
    case .integers(let integers):
      ConstantTensor(
        name: Name(name), elementType: .int64, dimensions: [integers.count],
        storage: .inline(integers.withUnsafeBytes { Array($0) }))
    }
  }

  /// The elements of an integer constant that a trace made.
  static func integers(of tensor: ConstantTensor) -> [Int64]? {
    guard tensor.elementType == .int64 else { return nil }
    return tensor.inlineBytes.flatMap { tensor.elementType.integers($0) }
  }
}

extension Tensor {
  /// The elements as little-endian bytes.
  var bytes: [UInt8] { Array(UnsafeRawBufferPointer(start: storage.pointer, count: count * 4)) }
}
