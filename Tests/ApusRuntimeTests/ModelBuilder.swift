import ApusGraph
import ApusRuntime

import ApusFormat

/// Random numbers that a test can repeat: SplitMix64 (Steele, Lea & Flood 2014).
struct SeededGenerator: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  mutating func floats(_ count: Int, in range: ClosedRange<Float> = -1...1) -> [Float] {
    (0..<count).map { _ in Float.random(in: range, using: &self) }
  }

  mutating func int(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &self) }

  mutating func bool() -> Bool { Bool.random(using: &self) }
}

/// Makes small models of one graph.
struct ModelBuilder {
  var definition = ModelDefinition(graphs: [Graph()])

  mutating func value(_ name: Name, _ type: TensorType? = nil, constant: TensorID? = nil) -> ValueID {
    definition.graphs[0].values.append(Value(name: name, type: type.map { .tensor($0) }, constant: constant))
    return ValueID(definition.graphs[0].values.count - 1)
  }

  mutating func input(_ name: Name, _ shape: Shape, _ type: ElementType = .float32) -> ValueID {
    let id = value(name, TensorType(type, shape))
    definition.graphs[0].inputs.append(id)
    return id
  }

  mutating func symbol(_ name: Name, minimum: Int = 0, maximum: Int? = nil, multiple: Int = 1) -> Dimension {
    definition.symbols.append(Symbol(name: name, minimum: minimum, maximum: maximum, multiple: multiple))
    return .symbol(SymbolID(definition.symbols.count - 1))
  }

  mutating func tensor<T>(_ values: [T], _ dimensions: [Int], _ type: ElementType, _ name: Name = "constant") -> TensorID {
    definition.tensors.append(
      ConstantTensor(
        name: name, elementType: type, dimensions: dimensions, storage: .inline(values.withUnsafeBytes { Array($0) })))
    return TensorID(definition.tensors.count - 1)
  }

  mutating func constant(_ values: [Float], _ dimensions: [Int], _ name: Name = "constant") -> ValueID {
    let id = tensor(values, dimensions, .float32, name)
    return value(unique(name), constant: id)
  }

  mutating func constant(_ values: [Int64], _ name: Name = "indices") -> ValueID {
    let id = tensor(values, [values.count], .int64, name)
    return value(unique(name), constant: id)
  }

  /// Names are unique in a graph.
  private func unique(_ name: Name) -> Name { Name(name.string + "#\(definition.graphs[0].values.count)") }

  @discardableResult
  mutating func node(
    _ name: Name, version: Int32, _ inputs: [ValueID], outputs count: Int = 1, _ attributes: [Attribute] = [],
    type: TensorType? = nil
  ) -> [ValueID] {
    let position = definition.graphs[0].nodes.count
    let outputs = (0..<count).map { value(Name("v\(position).\($0)"), type) }
    definition.graphs[0].nodes.append(
      Node(
        name: Name("n\(position)"), operatorName: name, sinceVersion: version, inputs: inputs, outputs: outputs,
        attributes: attributes))
    return outputs
  }

  mutating func output(_ ids: ValueID...) { definition.graphs[0].outputs += ids }
}

/// Bytes and extents of a tensor that a test feeds or gets.
struct TestTensor: Equatable {
  var shape: [Int]
  var bytes: [UInt8]

  init<T>(_ values: [T], _ shape: [Int]) {
    self.shape = shape
    bytes = values.withUnsafeBytes { Array($0) }
  }

  init(shape: [Int], bytes: [UInt8]) {
    self.shape = shape
    self.bytes = bytes
  }

  func values<T: BitwiseCopyable>(_: T.Type = T.self) -> [T] {
    bytes.withUnsafeBytes { source in
      (0..<source.count / MemoryLayout<T>.size).map {
        source.loadUnaligned(fromByteOffset: $0 * MemoryLayout<T>.size, as: T.self)
      }
    }
  }

  var floats: [Float] { values() }
}

/// Runs a model once on inputs in order.
func runOnce(
  _ definition: ModelDefinition, _ inputs: [TestTensor], level: Int32? = nil, threads: Int = 1, optimizes: Bool = true,
  convolution: ConvolutionAlgorithm? = nil
) throws -> [TestTensor] {
  var options = LoadOptions()
  options.level = level
  options.optimizes = optimizes
  options.convolution = convolution
  let model = try Model(definition: definition, options: options)
  var sessionOptions = SessionOptions()
  if threads > 1 { sessionOptions.pool = try ThreadPool(threads: threads, memory: model.memory) }
  let session = try Session(model: model, options: sessionOptions)
  try session.prepare(inputs.map { $0.shape })
  return try run(session, inputs)
}

func run(_ session: Session, _ inputs: [TestTensor]) throws -> [TestTensor] {
  for (index, input) in inputs.enumerated() {
    guard session.model.inputs[index].state == nil else { continue }
    let target = try session.inputBuffer(index)
    input.bytes.withUnsafeBytes { target.copyMemory(from: $0) }
  }
  try session.run()
  return try session.model.outputs.indices.map {
    TestTensor(shape: try session.outputShape($0), bytes: Array(try session.outputBuffer($0)))
  }
}
