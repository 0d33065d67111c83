import ApusGraph

/// An operand of an operator.
enum Operand {
  case tensor(Tensor)
  /// Integers that are part of the model or of the data: axes, target shapes, class numbers.
  case integers([Int64])
  /// An optional input that is left out.
  case absent

  /// A tensor that may be left out.
  init(_ tensor: Tensor?) { self = tensor.map { .tensor($0) } ?? .absent }

  var tensor: Tensor? { if case .tensor(let tensor) = self { tensor } else { nil } }
  var integers: [Int64]? { if case .integers(let integers) = self { integers } else { nil } }
}

/// An operator of the graph as training knows it: the forward that the operator's specification defines, and its gradient.
///
/// One row of the table. Attributes are those of the graph, so that a trace records exactly what was computed.
struct Operator: Sendable {
  let domain: Name
  let name: Name
  /// The version in which the operator got this form.
  let sinceVersion: Int32
  /// Attributes that only training reads: the graph's operator does not have them, and a trace leaves them out.
  let trainingAttributes: [Name]
  /// Computes the outputs; leaves in `saved` what the backward needs beside the inputs.
  let forward: @Sendable (Application) throws(ApusError) -> [Output]
  /// From the gradients by the outputs, the gradients by those inputs that want one; nil where `wantsGradient` is false.
  let backward: @Sendable (Application) -> [Storage?]

  /// A result of a forward: a shape and its elements, possibly those of an input.
  struct Output {
    let shape: [Int]
    let storage: Storage
  }

  init(
    _ name: Name, _ sinceVersion: Int32, domain: Name = .onnx, trainingAttributes: [Name] = [],
    forward: @escaping @Sendable (Application) throws(ApusError) -> [Output],
    backward: @escaping @Sendable (Application) -> [Storage?]
  ) {
    self.domain = domain
    self.name = name
    self.sinceVersion = sinceVersion
    self.trainingAttributes = trainingAttributes
    self.forward = forward
    self.backward = backward
  }
}

/// One use of an operator on given operands: a link of the chain that gradients flow back along.
final class Application {
  let definition: Operator
  let context: Context
  let attributes: [Attribute]
  /// Later applications have larger numbers: the reverse order of them is the order of a backward pass.
  let sequenceNumber: UInt64
  private(set) var inputs: [Operand]
  private(set) var outputShapes: [[Int]] = []
  /// What the forward left for the backward.
  var saved: [Storage] = []
  /// The gradients by the outputs; nil for an output that nothing after it used.
  var outputGradients: [Storage?] = []
  private(set) var isConsumed = false

  init(_ definition: Operator, _ inputs: [Operand], _ attributes: [Attribute], context: Context) {
    self.definition = definition
    self.inputs = inputs
    self.attributes = attributes
    self.context = context
    sequenceNumber = context.nextSequenceNumber()
  }

  func run() throws(ApusError) -> [Operator.Output] {
    do {
      let outputs = try definition.forward(self)
      outputShapes = outputs.map(\.shape)
      return outputs
    } catch {
      throw error.inOperator(definition.name.string)
    }
  }

  /// Whether a gradient by input `index` is wanted.
  func wantsGradient(_ index: Int) -> Bool {
    index < inputs.count && inputs[index].tensor?.requiresGradient == true
  }

  /// Lets go of operands and intermediate results once the gradients are through.
  func consume() {
    isConsumed = true
    inputs = []
    saved = []
    outputGradients = []
  }

  // MARK: Operands and attributes

  /// The required tensor `index`.
  func tensor(_ index: Int) throws(ApusError) -> Tensor {
    guard let tensor = optionalTensor(index) else { throw ApusError(.invalidArgument, "input \(index) is missing") }
    return tensor
  }

  func optionalTensor(_ index: Int) -> Tensor? { index < inputs.count ? inputs[index].tensor : nil }

  func integers(_ index: Int) -> [Int64]? { index < inputs.count ? inputs[index].integers : nil }

  /// The storage of input `index` of a forward that succeeded: for backwards.
  func input(_ index: Int) -> Storage {
    guard let tensor = optionalTensor(index) else { preconditionFailure("the forward checked that input \(index) is there") }
    return tensor.storage
  }

  func inputShape(_ index: Int) -> [Int] { optionalTensor(index)?.shape ?? [] }

  func attribute(_ name: Name) -> AttributeValue? {
    for attribute in attributes where attribute.name == name { return attribute.value }
    return nil
  }

  func int(_ name: Name, default value: Int) -> Int {
    if case .int(let value)? = attribute(name) { Int(value) } else { value }
  }

  func float(_ name: Name, default value: Float) -> Float {
    if case .float(let value)? = attribute(name) { value } else { value }
  }

  func ints(_ name: Name, default value: [Int]) -> [Int] {
    if case .ints(let values)? = attribute(name) { values.map { Int($0) } } else { value }
  }

  func string(_ name: Name, default value: Name) -> Name {
    if case .string(let value)? = attribute(name) { value } else { value }
  }

  /// Memory for `count` elements, from the context's cache.
  func allocate(_ count: Int) -> Storage { Storage(count: count, cache: context.buffers) }

  func allocate(_ count: Int, filledWith value: Float) -> Storage {
    Storage(count: count, filledWith: value, cache: context.buffers)
  }
}

extension Operator {
  /// Computes the operator on `inputs`, records it for gradients and for a running trace, and returns its outputs.
  ///
  /// - Parameters:
  ///   - outputs: how many outputs the caller uses; later ones are dropped.
  ///   - layer: the module that asks, which names the node in a trace.
  func callAsFunction(
    _ inputs: [Operand], _ attributes: [Attribute] = [], outputs used: Int = 1, for layer: (any Module)? = nil
  ) throws(ApusError) -> [Tensor] {
    var context: Context?
    for input in inputs where context == nil { context = input.tensor?.context }
    guard let context else {
      throw ApusError(
        .invalidArgument, "none of the operands belongs to a context: make the input with one", operatorName: name.string)
    }
    let application = Application(self, inputs, attributes, context: context)
    let results = try application.run()
    let isDifferentiable = context.recordsGradients && inputs.contains { $0.tensor?.requiresGradient == true }
    var tensors: [Tensor] = []
    for (index, result) in results.enumerated() {
      let tensor = Tensor(
        shape: result.shape, storage: result.storage, context: context, requiresGradient: isDifferentiable)
      if isDifferentiable { tensor.origin = (application, index) }
      tensors.append(tensor)
    }
    let returned = Array(tensors.prefix(used))
    if let recorder = context.recorder { try recorder.record(self, inputs, attributes, returned, layer: layer) }
    return returned
  }

  /// The only output of an operator that has one.
  func single(
    _ inputs: [Operand], _ attributes: [Attribute] = [], for layer: (any Module)? = nil
  ) throws(ApusError) -> Tensor {
    guard let output = try self(inputs, attributes, for: layer).first else {
      throw ApusError(.internal, "an operator without outputs", operatorName: name.string)
    }
    return output
  }
}
