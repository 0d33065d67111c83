import ApusFormat
import ApusGraph
import CApusPlatform

/// How to load a model.
public struct LoadOptions: Sendable {
  public var limits = Limits()
  /// Where bulk memory comes from; nil for the system's allocator under `limits.memoryBytes`.
  public var memory: BulkMemory?
  public var registry: OperatorRegistry
  public var bindings: KernelBindings
  /// Whether the compiler folds and fuses; without, each node of the graph stays one of the program, for comparisons.
  public var optimizes = true
  /// The instruction set level of kernels (`APUSP_LEVEL_*`); nil for the best, or what the variable `APUS_CPU` asks for.
  public var level: Int32?
  /// How convolutions are computed; nil for what the variable `APUS_CONV` asks for, else `automatic`.
  public var convolution: ConvolutionAlgorithm?
  /// Whether inputs that the model quantizes first, and outputs that it dequantizes last, are the quantized tensors themselves:
  /// see `Port.quantization`.
  public var quantizedPorts = false

  /// With the operators of the pack `core`.
  public init() { self.init(registry: .core, bindings: .core) }

  public init(registry: OperatorRegistry, bindings: KernelBindings) {
    self.registry = registry
    self.bindings = bindings
  }

  /// With all operators that this release has, those of the pack `extras` too.
  public static var full: LoadOptions { LoadOptions(registry: .full, bindings: .full) }

  fileprivate func bulkMemory() throws(ApusError) -> BulkMemory {
    if let memory { return memory }
    return try BulkMemory(limit: limits.memoryBytes)
  }
}

/// An input or output of a model.
public struct Port: Sendable {
  public let name: Name
  public let type: ValueType
  /// With symbols of `ModelDefinition.symbols`; nil for outputs whose rank depends on data, and for other values than tensors.
  public var shape: Shape? { type.tensor?.shape }
  /// Of the tensor, or of the tensors that the value holds.
  public var elementType: ElementType { type.elementType }
  /// The state that this port belongs to (an index into `Model.states`), or nil.
  public let state: Int?
  /// What the port's integers mean, where `LoadOptions.quantizedPorts` made it one of integers.
  public var quantization: PortQuantization?
}

/// State that sessions carry from one run to the next.
public struct StatePort: Sendable {
  public let name: Name
  /// Positions in `Model.inputs` and `Model.outputs`.
  public let input: Int
  public let output: Int
  public let initial: TensorID?
}

/// A loaded model: verified, compiled, immutable, and shared by any number of sessions on any threads.
public final class Model: @unchecked Sendable {
  public let definition: ModelDefinition
  /// SHA-256 of the model's content, whatever the codecs; empty for a model that was not read from a file.
  public let modelID: [UInt8]
  /// What the caller feeds, then the inputs of states.
  public let inputs: [Port]
  /// What the caller gets, then the outputs of states that are none of it.
  public let outputs: [Port]
  public let states: [StatePort]
  /// By graph id; the first is the main graph's.
  public let programs: [Program]
  public let limits: Limits
  public let memory: BulkMemory
  /// The instruction set level of kernels, `APUSP_LEVEL_*`.
  public let level: Int32
  public let convolution: ConvolutionAlgorithm
  public let registry: OperatorRegistry
  let bindings: KernelBindings
  /// The opened file; made of the definition for a model that was made in memory.
  public let file: ModelFile

  /// Guards `constants` and `packed`.
  private let lock: Lock
  private let constants: ConstantStore
  private let packed: PackedWeights

  /// Reads, verifies and compiles a model file.
  /// - Throws: 3xx and 4xx for the file, 5xx for the model.
  public static func load(_ source: ByteSource, options: LoadOptions = LoadOptions()) throws(ApusError) -> Model {
    let memory = try options.bulkMemory()
    let file = try ModelFile(source, limits: options.limits, memory: memory)
    let reserve = try ObjectReserve.begin(file.objectBytes)
    defer { ObjectReserve.end(reserve) }
    do throws(ApusError) { return Model(try compile(file, memory, options)) } catch {
      throw error.inFile(source.name)
    }
  }

  /// Compiles a model that is in memory: all tensors inline.
  public convenience init(definition: ModelDefinition, options: LoadOptions = LoadOptions()) throws(ApusError) {
    let memory = try options.bulkMemory()
    let file = try ModelFile(definition: definition, limits: options.limits, memory: memory)
    self.init(try Model.compile(file, memory, options))
  }

  /// All that a model is made of. Whatever can fail does so before there is a model: Embedded Swift does not free an object
  /// whose designated initializer throws before all is set.
  private struct Parts {
    let file: ModelFile
    let memory: BulkMemory
    let options: LoadOptions
    let level: Int32
    let convolution: ConvolutionAlgorithm
    let programs: [Program]
    let inputs: [Port]
    let outputs: [Port]
    let states: [StatePort]
    let constants: ConstantStore
    let lock: Lock
  }

  private init(_ parts: Parts) {
    definition = parts.file.definition
    file = parts.file
    memory = parts.memory
    limits = parts.options.limits
    registry = parts.options.registry
    bindings = parts.options.bindings
    modelID = parts.file.modelID
    level = parts.level
    convolution = parts.convolution
    programs = parts.programs
    inputs = parts.inputs
    outputs = parts.outputs
    states = parts.states
    constants = parts.constants
    packed = PackedWeights(tensorCount: parts.constants.tensors.count, memory: parts.memory)
    lock = parts.lock
  }

  private static func compile(_ file: ModelFile, _ memory: BulkMemory, _ options: LoadOptions) throws(ApusError) -> Parts {
    let definition = file.definition
    let level = try selectLevel(options.level)
    let convolution =
      if let wanted = options.convolution { wanted } else { try ConvolutionAlgorithm.fromEnvironment() }
    guard let main = definition.graphs.first else { throw ApusError(.invalidModel, "the model has no graph") }
    guard definition.signatures.count <= 1 else {
      throw ApusError(
        .unsupported, "this version runs models of one signature", expected: "at most 1",
        actual: "\(definition.signatures.count)")
    }
    var graph = main
    let stateList = definition.signatures.first?.states ?? []
    if let signature = definition.signatures.first {
      // What the session keeps comes after what the caller feeds and gets.
      graph.inputs = signature.inputs + stateList.map { $0.input }
      graph.outputs = signature.outputs
      for state in stateList where !graph.outputs.contains(state.output) { graph.outputs.append(state.output) }
    }
    let constants = ConstantStore(file: file, level: level)
    let inference = try TypeInference(graph: graph, tensors: definition.tensors, registry: options.registry) {
      id throws(ApusError) in try constants.contents(id)
    }
    for id in graph.values.indices {
      if let type = inference.valueTypes[id] { graph.values[id].type = type }
    }
    var quantized: QuantizedPorts?
    if options.quantizedPorts {
      let exposed = try QuantizedPorts(graph, nested: definition.graphs, states: stateList, constants)
      graph = exposed.graph
      quantized = exposed
    }
    let evaluator = NodeEvaluator(
      constants: constants, registry: options.registry, bindings: options.bindings, level: level, memory: memory,
      limits: options.limits)
    let programs = try compile(definition.graphs, main: graph, states: stateList, evaluator, optimizes: options.optimizes)
    let states = try statePorts(stateList, graph)
    let inputs = try ports(graph.inputs, graph, states.map { $0.input }, quantized?.inputs)
    let outputs = try ports(graph.outputs, graph, states.map { $0.output }, quantized?.outputs)
    // Says at load, not at the first run, that an operator has no kernel.
    for node in programs.flatMap({ $0.nodes })
    where options.bindings.kernel(of: node.node) == nil && options.bindings.host(of: node.node) == nil {
      throw ApusError(.unsupportedOperator, "this build has no kernel for the operator", operatorName: node.node.label)
    }
    try constants.releaseDecoded()
    return Parts(
      file: file, memory: memory, options: options, level: level, convolution: convolution, programs: programs, inputs: inputs,
      outputs: outputs, states: states, constants: constants, lock: try Lock())
  }

  /// Each graph as a program, enclosing graphs before those nested in them: their constants are constants there, too.
  private static func compile(
    _ graphs: [Graph], main: Graph, states: [State], _ evaluator: NodeEvaluator, optimizes: Bool
  ) throws(ApusError) -> [Program] {
    let captured = graphs.map { graph in graph.captures.map { $0.outer } }
    let empty = Program(graph: Graph(), nodes: [], states: [], replacement: [])
    var programs = Array(repeating: empty, count: graphs.count)
    var isDone = Array(repeating: false, count: graphs.count)
    var isMoving = true
    while isMoving {
      isMoving = false
      for index in graphs.indices where !isDone[index] {
        var graph = index == 0 ? main : graphs[index]
        if let parent = graph.parent {
          guard isDone[Int(parent)] else { continue }
          let outer = programs[Int(parent)]
          graph.captures = graph.captures.compactMap { capture in
            let source = outer.resolved(capture.outer)
            if let constant = outer.graph.values[Int(source)].constant {
              graph.values[Int(capture.inner)].constant = constant
              return nil
            }
            return Capture(inner: capture.inner, outer: source)
          }
        }
        programs[index] = try Compiler.compile(
          graph, captured: captured, states: index == 0 ? states : [], evaluator: evaluator, optimizes: optimizes)
        isDone[index] = true
        isMoving = true
      }
    }
    return programs
  }

  private static func selectLevel(_ wanted: Int32?) throws(ApusError) -> Int32 {
    var cpu = apusp_cpu()
    if let wanted {
      apusp_cpu_detect(&cpu)
      guard wanted >= 0, wanted <= cpu.level else {
        throw ApusError(.unsupported, "this CPU lacks the instruction set", actual: "level \(wanted)")
      }
      return wanted
    }
    try withPlatformMessage { message, size in apusp_cpu_select_from_environment(&cpu, message, size) }
    return cpu.level
  }

  private static func ports(
    _ ids: [ValueID], _ graph: Graph, _ statePositions: [Int], _ quantizations: [PortQuantization?]?
  ) throws(ApusError) -> [Port] {
    var ports: [Port] = []
    for (position, id) in ids.enumerated() {
      let value = graph.values[Int(id)]
      guard let type = value.type else {
        throw ApusError(.invalidModel, "an input or output has no type", tensorName: value.name.string)
      }
      ports.append(
        Port(
          name: value.name, type: type, state: statePositions.firstIndex(of: position),
          quantization: quantizations?[position]))
    }
    return ports
  }

  private static func statePorts(_ states: [State], _ graph: Graph) throws(ApusError) -> [StatePort] {
    var ports: [StatePort] = []
    for state in states {
      guard let input = graph.inputs.firstIndex(of: state.input), let output = graph.outputs.firstIndex(of: state.output)
      else {
        throw ApusError(
          .invalidModel, "a state's input or output is not one of the signature's", tensorName: state.name.string)
      }
      ports.append(StatePort(name: state.name, input: input, output: output, initial: state.initial))
    }
    return ports
  }

  /// The main graph's program.
  public var program: Program { programs[0] }

  /// For planning, with the model's constants, under its lock.
  func evaluator(_ constants: ConstantStore) -> NodeEvaluator {
    NodeEvaluator(
      constants: constants, registry: registry, bindings: bindings, level: level, memory: memory, limits: limits)
  }

  /// Runs `body` with the model's constants and packed weights to itself.
  func withConstants<Result>(
    _ body: (ConstantStore, PackedWeights) throws(ApusError) -> Result
  ) throws(ApusError) -> Result {
    try lock.withLock { () throws(ApusError) in try body(constants, packed) }
  }

  /// Bytes of packed weights that the model holds now.
  public var packedBytes: UInt64 {
    (try? withConstants { _, packed throws(ApusError) in packed.byteCount }) ?? 0
  }
}

extension ByteSource {
  /// The path, for messages; empty where the source has none.
  var name: String {
    switch self {
    case .path(let path), .mappedPath(let path): path
    default: ""
    }
  }
}
