import ApusFormat
import ApusGraph

extension Model {
  /// The shapes of all inputs where the model leaves none to the caller; nil where it does.
  public var fixedShapes: [[Int]]? {
    var shapes: [[Int]] = []
    for port in inputs {
      guard let extents = port.shape?.known else { return nil }
      shapes.append(extents)
    }
    return shapes
  }

  /// Checks shapes that a caller wants against the model's: rank, known extents, equal symbols, their bounds, the limits.
  /// - Parameter shapes: one for each input, in order.
  func checkShapes(_ shapes: [[Int]]) throws(ApusError) {
    guard shapes.count == inputs.count else {
      throw ApusError(
        .invalidArgument, "a shape for each input is needed", expected: "\(inputs.count) shapes", actual: "\(shapes.count)")
    }
    var chosen: [Int?] = Array(repeating: nil, count: definition.symbols.count)
    for (port, extents) in zip(inputs, shapes) where port.type.tensor != nil {
      func mismatch(_ message: String) -> ApusError {
        ApusError(
          .shapeMismatch, message, tensorName: port.name.string,
          expected: port.shape?.text(symbols: definition.symbols) ?? "any shape", actual: Shape(extents).text(symbols: []))
      }
      guard extents.count <= limits.rank else {
        throw ApusError(
          .limitExceeded, "rank over the limit", tensorName: port.name.string, expected: "at most \(limits.rank)",
          actual: "\(extents.count)")
      }
      guard let count = elementCount(extents) else { throw mismatch("shape has no element count that fits 64 bits") }
      guard count <= limits.elements else {
        throw ApusError(
          .limitExceeded, "more elements than the limit", tensorName: port.name.string, expected: "at most \(limits.elements)",
          actual: "\(count)")
      }
      guard let shape = port.shape else { continue }
      guard shape.rank == extents.count else { throw mismatch("wrong rank") }
      for axis in 0..<shape.rank {
        switch shape[axis] {
        case .known(let value):
          guard value == extents[axis] else { throw mismatch("wrong extent along axis \(axis)") }
        case .unknown: break
        case .symbol(let id):
          let symbol = definition.symbols[Int(id)]
          if let earlier = chosen[Int(id)], earlier != extents[axis] {
            throw mismatch("dimension " + symbol.name.string + " is \(earlier) elsewhere")
          }
          guard extents[axis] >= symbol.minimum, extents[axis] <= symbol.maximum ?? Int.max,
            extents[axis] % max(symbol.multiple, 1) == 0
          else {
            throw mismatch(
              "dimension " + symbol.name.string + " must be \(symbol.minimum) to "
                + (symbol.maximum.map { "\($0)" } ?? "any") + ", a multiple of \(symbol.multiple)")
          }
          chosen[Int(id)] = extents[axis]
        }
      }
    }
  }

  /// The plan of the program for given input shapes; nil where shapes depend on data, or operators run on the host.
  func plan(_ shapes: [[Int]], _ constants: ConstantStore, threads: Int) throws(ApusError) -> PlanBuilder? {
    guard let whole = try types(shapes, constants) else { return nil }
    let choice = ImageByImage(program: program, symbols: definition.symbols, tensors: constants.tensors)
    if let images = choice.batch(shapes), let one = try? types(shapes.map { [1] + $0.dropFirst() }, constants),
      choice.pays(images, whole: whole, one: one)
    {
      let builder = try planBuilder(one, constants, threads: threads)
      builder.images = images
      return builder
    }
    return try planBuilder(whole, constants, threads: threads)
  }

  /// The types of all values for given input shapes; nil where shapes depend on data, or operators run on the host.
  private func types(_ shapes: [[Int]], _ constants: ConstantStore) throws(ApusError) -> TypeInference? {
    let inference = try TypeInference(
      of: program.graph, tensors: constants.tensors, inputShapes: shapes.map { Shape($0) }
    ) { id throws(ApusError) in try constants.contents(id) }
    let planner = StagePlanner(program: program, evaluator: evaluator(constants))
    let found = try planner.plan(from: 0, inference) { _ in nil }
    return found.range.count == program.nodes.count ? found.inference : nil
  }

  private func planBuilder(
    _ types: TypeInference, _ constants: ConstantStore, threads: Int
  ) throws(ApusError) -> PlanBuilder {
    let (special, inference) = try Compiler.specialized(program, types, evaluator: evaluator(constants))
    return try PlanBuilder(
      program: special, constants: constants, registry: registry, bindings: bindings, inference: inference, level: level,
      threads: threads, convolution: convolution)
  }

  /// The same for those who need a plan.
  func staticPlan(_ shapes: [[Int]], threads: Int) throws(ApusError) -> PlanBuilder {
    try checkShapes(shapes)
    return try withConstants { constants, _ throws(ApusError) in
      guard let builder = try plan(shapes, constants, threads: threads) else {
        throw ApusError(
          .unsupported, "what the model needs depends on its data", expected: "shapes that follow from the inputs'")
      }
      return builder
    }
  }
}

/// What a session needs for given shapes and threads, told before anything is allocated. Bytes of bulk memory.
public struct MemoryRequirements: Sendable {
  /// Intermediate values of one session.
  public let arenaBytes: UInt64
  /// Work space of all threads of one session.
  public let scratchBytes: UInt64
  /// Steps, argument blocks and tables of one session.
  public let controlBytes: UInt64
  /// Packed weights, shared by the model's sessions.
  public let packedBytes: UInt64
  /// Weights that kernels read as they are, shared by the model's sessions; 0 for those that are mapped or borrowed.
  public let constantBytes: UInt64
  /// The session's own memory of inputs and outputs; pages of it that nobody touches cost nothing.
  public let portBytes: UInt64
}

extension Model {
  /// - Parameters:
  ///   - shapes: one for each input, in order.
  ///   - threads: of the pool that the session will use.
  public func memoryRequirements(shapes: [[Int]], threads: Int) throws(ApusError) -> MemoryRequirements {
    guard threads >= 1, threads <= 1024 else {
      throw ApusError(.invalidArgument, "thread count out of range", expected: "1 to 1024", actual: "\(threads)")
    }
    let sizes = try PlanSizes(try staticPlan(shapes, threads: threads), threads: threads)
    return MemoryRequirements(
      arenaBytes: UInt64(sizes.scratchOffset), scratchBytes: UInt64(sizes.arena - sizes.scratchOffset),
      controlBytes: UInt64(sizes.control), packedBytes: UInt64(sizes.packed),
      constantBytes: UInt64(sizes.constants), portBytes: UInt64(sizes.ports))
  }
}
