import ApusGraph
import ApusRuntime

extension ApusRuntime.Model {
  /// Loads a model file.
  /// - Parameter mapped: map the file instead of reading it. The file must then not change while the model lives.
  public static func load(
    contentsOfFile path: String, mapped: Bool = false, options: LoadOptions = LoadOptions()
  ) throws(ApusError) -> Model {
    try load(mapped ? .mappedPath(path) : .path(path), options: options)
  }

  /// The position of an input.
  /// - Throws: `unknown_name`, with the names that there are.
  public func inputIndex(_ name: String) throws(ApusError) -> Int { try Self.index(Name(name), in: inputs, "input") }

  /// The position of an output.
  /// - Throws: `unknown_name`, with the names that there are.
  public func outputIndex(_ name: String) throws(ApusError) -> Int { try Self.index(Name(name), in: outputs, "output") }

  private static func index(_ name: Name, in ports: [Port], _ kind: StaticString) throws(ApusError) -> Int {
    if let index = ports.firstIndex(where: { $0.name == name }) { return index }
    var known = ""
    for port in ports { known += (known.utf8.isEmpty ? "" : ", ") + port.name.string }
    throw ApusError(
      .unknownName, "the model has no such " + kind.text, tensorName: name.string, expected: known)
  }
}

extension ApusRuntime.Session {
  /// Runs the model on tensors by name and returns its outputs by name.
  ///
  /// Prepares the session where the inputs' shapes are not those of the last run; states keep their values while shapes
  /// stay. Copies inputs and outputs: where that matters, use `prepare`, `bindInput`, `bindOutput` and `run(timeout:)`.
  /// - Parameters:
  ///   - inputs: one tensor for each input that is not a state's.
  ///   - timeout: nanoseconds; nil for no deadline.
  /// - Throws: `unknown_name`, `type_mismatch`, `shape_mismatch`, and all that `prepare` and `run(timeout:)` throw.
  public func run(_ inputs: [String: Tensor], timeout: UInt64? = nil) throws(ApusError) -> [String: Tensor] {
    let tensors = try inputTensors(inputs)
    var shapes: [[Int]] = []
    for (port, tensor) in zip(model.inputs, tensors) {
      guard let shape = tensor?.shape ?? port.shape?.known else {
        throw ApusError(
          .unsupported, "a state of variable shape: prepare the session for its shape first", tensorName: port.name.string)
      }
      shapes.append(shape)
    }
    if preparedShapes != shapes { try prepare(shapes) }
    for (index, tensor) in tensors.enumerated() {
      guard let tensor else { continue }
      if isInputBound(index) { try unbindInput(index) }
      let target = try inputBuffer(index)
      tensor.bytes.withUnsafeBytes { target.copyMemory(from: $0) }
    }
    try run(timeout: timeout)
    var outputs: [String: Tensor] = [:]
    for (index, port) in model.outputs.enumerated() {
      outputs[port.name.string] = try Tensor(
        elementType: port.elementType, shape: try outputShape(index), bytes: Array(try outputBuffer(index)))
    }
    return outputs
  }

  /// The given tensors in the order of the model's inputs; nil for states.
  private func inputTensors(_ inputs: [String: Tensor]) throws(ApusError) -> [Tensor?] {
    var tensors: [Tensor?] = Array(repeating: nil, count: model.inputs.count)
    for name in inputs.keys.sorted() {
      guard let tensor = inputs[name] else { continue }
      let index = try model.inputIndex(name)
      let port = model.inputs[index]
      guard tensor.elementType == port.elementType else {
        throw ApusError(
          .typeMismatch, "input has another element type", tensorName: name, expected: port.elementType.name.text,
          actual: tensor.elementType.name.text)
      }
      tensors[index] = tensor
    }
    for (port, tensor) in zip(model.inputs, tensors) where tensor == nil && port.state == nil {
      throw ApusError(.notBound, "input has no tensor", tensorName: port.name.string)
    }
    return tensors
  }
}
