import Apus
import ApusGraph
import ApusRuntime

/// Runs a model once on values.
public struct ModelRun {
  public struct Output: Sendable {
    public let name: String
    public let value: StoredValue
    /// As the model declares it.
    public let type: ValueType
  }

  public let outputs: [Output]
  /// Empty where it was not asked for, and for models whose shapes depend on data.
  public let profile: [Session.ProfileEntry]
  public let cost: ModelCost?
  /// What ran: the profile's entries stand in the order of its nodes.
  let program: Program

  /// - Parameters:
  ///   - inputs: a value for each input of the model; a state's input may be left out and begins with its initial value.
  ///   - pool: nil: the calling thread alone.
  /// - Throws: `unknownName`, `typeMismatch` and `shapeMismatch` naming the input, and what the run throws.
  public init(
    _ model: Model, inputs: [Name: StoredValue], pool: ThreadPool? = nil, profile: Bool = false
  ) throws(ApusError) {
    try ModelRun.check(inputs, model)
    var options = SessionOptions()
    options.pool = pool
    options.profiles = profile
    let session = try Session(model: model, options: options)
    let values =
      ModelRun.haveBuffers(model) ? try ModelRun.runInBuffers(session, inputs) : try ModelRun.runValues(session, inputs)
    outputs = zip(model.outputs, values).map { Output(name: $0.name.string, value: $1, type: $0.type) }
    self.profile = session.profile
    program = session.program
    cost = profile && session.isPlanned ? try? model.cost(inputShapes: session.preparedShapes) : nil
  }

  /// Runs a model on values in the order of its inputs.
  public init(_ model: Model, positional values: [StoredValue], pool: ThreadPool? = nil) throws(ApusError) {
    let ports = model.inputs.filter { $0.state == nil }
    guard values.count == ports.count else {
      throw ApusError(
        .invalidArgument, "the model takes another number of inputs",
        expected: "\(ports.count): " + ports.map(\.name.string).joined(separator: ", "), actual: "\(values.count)")
    }
    try self.init(model, inputs: Dictionary(zip(ports.map(\.name), values)) { first, _ in first }, pool: pool)
  }

  private static func check(_ inputs: [Name: StoredValue], _ model: Model) throws(ApusError) {
    for name in inputs.keys.sorted() where !model.inputs.contains(where: { $0.name == name }) {
      throw ApusError(
        .unknownName, "the model has no such input", tensorName: name.string,
        expected: model.inputs.map(\.name.string).joined(separator: ", "))
    }
    for port in model.inputs {
      guard let value = inputs[port.name] else {
        guard port.state != nil else {
          throw ApusError(
            .invalidArgument, "the input is missing", tensorName: port.name.string,
            expected: port.elementType.name.text + " " + Shape.text(port.shape, symbols: model.definition.symbols))
        }
        continue
      }
      guard let array = value.array, case .tensor(let type) = port.type else { continue }
      guard array.elementType == type.elementType else {
        throw ApusError(
          .typeMismatch, "the array has another element type than the input", tensorName: port.name.string,
          expected: type.elementType.name.text, actual: array.elementType.name.text)
      }
    }
  }

  /// Whether all inputs and outputs are tensors of elements of a fixed size.
  private static func haveBuffers(_ model: Model) -> Bool {
    (model.inputs + model.outputs).allSatisfy { port in
      if case .tensor(let type) = port.type { type.elementType != .string } else { false }
    }
  }

  private static func runInBuffers(_ session: Session, _ inputs: [Name: StoredValue]) throws(ApusError) -> [StoredValue] {
    let model = session.model
    guard let shapes = try model.definition.inputShapes(inputs.compactMapValues(\.array?.dimensions)) else {
      throw ApusError(.shapeMismatch, "the shape of a state's input is open: give an array for it")
    }
    try session.prepare(shapes)
    for (index, port) in model.inputs.enumerated() {
      guard let array = inputs[port.name]?.array else { continue }
      try session.inputBuffer(index).copyBytes(from: array.bytes)
    }
    try session.run()
    var values: [StoredValue] = []
    for (index, port) in model.outputs.enumerated() {
      values.append(
        .tensor(
          NpyArray(
            elementType: port.elementType, dimensions: try session.outputShape(index),
            bytes: Array(try session.outputBuffer(index)))))
    }
    return values
  }

  private static func runValues(_ session: Session, _ inputs: [Name: StoredValue]) throws(ApusError) -> [StoredValue] {
    let model = session.model
    var values: [RuntimeValue] = []
    for port in model.inputs {
      guard let value = inputs[port.name] else {
        throw ApusError(.unsupported, "a model with states takes tensors of numbers only", tensorName: port.name.string)
      }
      do { values.append(try value.runtimeValue(memory: model.memory)) } catch {
        var error = error
        error.tensorName = port.name.string
        throw error
      }
    }
    return try session.run(values).map { StoredValue($0) }
  }
}

extension Model {
  /// The cost of a run with these input shapes.
  func cost(inputShapes: [[Int]]) throws(ApusError) -> ModelCost {
    try file.cost(inputShapes: inputShapes)
  }
}
