import Apus
import ApusGraph
import ApusRuntime

/// Runs a model once on arrays.
public struct ModelRun {
  public struct Output: Sendable {
    public let name: String
    public let array: NpyArray
  }

  public let outputs: [Output]
  /// Empty where it was not asked for.
  public let profile: [Session.ProfileEntry]
  public let cost: ModelCost?

  /// - Parameters:
  ///   - inputs: an array for each input of the model; a state's input may be left out and begins with its initial value.
  ///   - pool: nil: the calling thread alone.
  /// - Throws: `unknownName`, `typeMismatch` and `shapeMismatch` naming the input, and what the run throws.
  public init(_ model: Model, inputs: [Name: NpyArray], pool: ThreadPool? = nil, profile: Bool = false) throws(ApusError) {
    for name in inputs.keys.sorted() where !model.inputs.contains(where: { $0.name == name }) {
      throw ApusError(
        .unknownName, "the model has no such input", tensorName: name.string,
        expected: model.inputs.map(\.name.string).joined(separator: ", "))
    }
    for port in model.inputs {
      guard let array = inputs[port.name] else {
        guard port.state != nil else {
          throw ApusError(
            .invalidArgument, "the input is missing", tensorName: port.name.string,
            expected: port.elementType.name.text + " " + Shape.text(port.shape, symbols: model.definition.symbols))
        }
        continue
      }
      guard array.elementType == port.elementType else {
        throw ApusError(
          .typeMismatch, "the array has another element type than the input", tensorName: port.name.string,
          expected: port.elementType.name.text, actual: array.elementType.name.text)
      }
    }
    guard let shapes = try model.definition.inputShapes(inputs.mapValues(\.dimensions)) else {
      throw ApusError(.shapeMismatch, "the shape of a state's input is open: give an array for it")
    }
    var options = SessionOptions()
    options.pool = pool
    options.profiles = profile
    let session = try Session(model: model, options: options)
    try session.prepare(shapes)
    for (index, port) in model.inputs.enumerated() {
      guard let array = inputs[port.name] else { continue }
      try session.inputBuffer(index).copyBytes(from: array.bytes)
    }
    try session.run()
    var outputs: [Output] = []
    for (index, port) in model.outputs.enumerated() {
      outputs.append(
        Output(
          name: port.name.string,
          array: NpyArray(
            elementType: port.elementType, dimensions: try session.outputShape(index),
            bytes: Array(try session.outputBuffer(index)))))
    }
    self.outputs = outputs
    self.profile = session.profile
    cost = profile ? try model.cost(inputShapes: shapes) : nil
  }
}

extension Model {
  /// The cost of a run with these input shapes.
  func cost(inputShapes: [[Int]]) throws(ApusError) -> ModelCost {
    try file.cost(inputShapes: inputShapes)
  }
}
