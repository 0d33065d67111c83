import ApusGraph

extension ModelDefinition {
  /// Deepest nesting of graphs, the main graph not counted.
  package static let maximumGraphDepth = 16

  /// Whether the definition is sound in itself: ids in range, names unique in their scope, every value written once and
  /// before it is read, graphs nested as their nodes say, tensors of the size that their types and shapes ask for. What
  /// operators want of their inputs and attributes is for the registry to check.
  ///
  /// - Parameter segments: the segments that tensors may lie in.
  /// - Throws: 301 limit_exceeded, 500 invalid_model.
  package func checkStructure(limits: Limits, segments: [SegmentRecord]) throws(ApusError) {
    try checkSymbols()
    let tensorChecks = TensorChecks(tensors: tensors, symbols: symbols, limits: limits)
    var use = SegmentUse(segments)
    for (index, tensor) in tensors.enumerated() {
      try tensorChecks.check(tensor, label: .tensor(index), segments: segments, role: .graph)
      try use.add(tensor)
    }
    try checkOperatorCount(limits)
    try checkNesting()
    try GraphChecks(definition: self, tensors: tensorChecks).check()
    try checkSignatures()
    try checkMetadata(tensorChecks, segments, &use)
  }

  private func checkSymbols() throws(ApusError) {
    try checkUnique(symbols.map { $0.name }, what: "symbolic dimensions")
    for symbol in symbols {
      guard !symbol.name.isEmpty else { throw ApusError(.invalidModel, "a symbolic dimension without a name") }
      guard symbol.minimum >= 0, symbol.multiple >= 1, symbol.maximum.map({ $0 >= symbol.minimum }) ?? true else {
        throw ApusError(
          .invalidModel, "the bounds of symbolic dimension '" + symbol.name.string + "' are not sound",
          expected: "0 <= minimum <= maximum, multiple >= 1")
      }
    }
  }

  private func checkOperatorCount(_ limits: Limits) throws(ApusError) {
    var count = 0
    for graph in graphs {
      count += graph.nodes.count
      guard count <= limits.operators else {
        throw ApusError(
          .limitExceeded, "the model has more operators than the limit", expected: "at most \(limits.operators)",
          actual: "at least \(count)")
      }
    }
  }

  /// Graph 0 alone has no parent; a parent stands before its children.
  private func checkNesting() throws(ApusError) {
    guard !graphs.isEmpty else { throw ApusError(.invalidModel, "a model without a graph") }
    var depths: [Int] = []
    for (index, graph) in graphs.enumerated() {
      guard let parent = graph.parent else {
        guard index == 0 else { throw ApusError(.invalidModel, "graph \(index) has no parent") }
        depths.append(0)
        continue
      }
      guard parent >= 0, Int(parent) < index else {
        throw ApusError(
          .invalidModel, "the parent of graph \(index) does not stand before it", expected: "0 to \(index - 1)",
          actual: "\(parent)")
      }
      let depth = depths[Int(parent)] + 1
      guard depth <= Self.maximumGraphDepth else {
        throw ApusError(
          .invalidModel, "graphs are nested too deep", expected: "at most \(Self.maximumGraphDepth)", actual: "\(depth)")
      }
      depths.append(depth)
    }
  }

  private func checkSignatures() throws(ApusError) {
    let main = graphs[0]
    try checkUnique(signatures.map { $0.name }, what: "signatures")
    let inputs = Marks(main.inputs, count: main.values.count)
    let outputs = Marks(main.outputs, count: main.values.count)
    for signature in signatures {
      let label = "signature '" + signature.name.string + "'"
      func refuse(_ message: StaticString) -> ApusError { ApusError(.invalidModel, label + ": " + message.text) }
      let stateInputs = signature.states.map { $0.input }
      guard areDistinct(signature.inputs + stateInputs) else { throw refuse("an input that stands twice") }
      guard areDistinct(signature.outputs) else { throw refuse("an output that stands twice") }
      for id in signature.inputs + stateInputs where !inputs.contains(id) {
        throw refuse("an input that is not an input of the main graph")
      }
      for id in signature.outputs + signature.states.map({ $0.output }) where !outputs.contains(id) {
        throw refuse("an output that is not an output of the main graph")
      }
      try checkUnique(signature.states.map { $0.name }, what: label + ": states")
      for state in signature.states {
        guard let initial = state.initial else { continue }
        guard initial >= 0, Int(initial) < tensors.count else { throw refuse("a state that names no tensor") }
        if let type = main.values[Int(state.input)].type {
          guard type.accepts(tensors[Int(initial)]) else { throw refuse("an initial state of another type or shape") }
        }
      }
    }
  }

  private func checkMetadata(
    _ checks: TensorChecks, _ segments: [SegmentRecord], _ use: inout SegmentUse
  ) throws(ApusError) {
    for hash in [metadata.sourceHash, metadata.calibrationHash] where !(hash.isEmpty || hash.count == 32) {
      throw ApusError(.invalidModel, "a SHA-256 of a wrong size", expected: "32 bytes", actual: "\(hash.count) bytes")
    }
    try checkUnique(metadata.entries.map { $0.key }, what: "metadata keys")
    try checkUnique(metadata.testVectors.map { $0.name }, what: "test vectors")
    let inputs = portNames(graphs[0].inputs)
    let outputs = portNames(graphs[0].outputs)
    for vector in metadata.testVectors {
      let label = "test vector '" + vector.name.string + "'"
      guard vector.absoluteTolerance >= 0, vector.relativeTolerance >= 0 else {
        throw ApusError(.invalidModel, label + ": a tolerance that is negative or not a number")
      }
      try checkTestTensors(vector.inputs, inputs, checks, segments, &use, what: label + ": inputs")
      try checkTestTensors(vector.outputs, outputs, checks, segments, &use, what: label + ": outputs")
    }
  }

  private func checkTestTensors(
    _ list: [TestVector.Tensor], _ ports: [Name], _ checks: TensorChecks, _ segments: [SegmentRecord],
    _ use: inout SegmentUse, what: String
  ) throws(ApusError) {
    try checkUnique(list.map { $0.name }, what: what)
    for entry in list {
      guard contains(ports, entry.name) else {
        throw ApusError(.invalidModel, what + ": not a name of the main graph's", tensorName: entry.name.string)
      }
      guard entry.tensor.quantization == nil else {
        throw ApusError(.invalidModel, what + ": a quantized tensor", tensorName: entry.name.string)
      }
      try checks.check(entry.tensor, label: .named(what), segments: segments, role: .metadata)
      try use.add(entry.tensor)
    }
  }

  /// Ascending, for many look-ups.
  private func portNames(_ ports: [ValueID]) -> [Name] { ports.map { graphs[0].values[Int($0)].name }.inOrder() }
}

extension ValueType {
  /// Whether a tensor may stand for a value of this type: same element type, same extents where they are known.
  func accepts(_ tensor: ConstantTensor) -> Bool {
    guard case .tensor(let type) = self, type.elementType == tensor.elementType else { return false }
    guard let shape = type.shape else { return true }
    guard shape.rank == tensor.dimensions.count else { return false }
    for (dimension, extent) in zip(shape.dimensions, tensor.dimensions) {
      if let value = dimension.value, value != extent { return false }
    }
    return true
  }
}

/// Throws 500 where two of `names` are equal. Empty names are nobody's.
func checkUnique(_ names: [Name], what: String) throws(ApusError) {
  let sorted = names.filter { !$0.isEmpty }.inOrder()
  for index in 1..<max(1, sorted.count) where sorted[index - 1] == sorted[index] {
    throw ApusError(.invalidModel, what + ": two with the name '" + sorted[index].string + "'")
  }
}

/// Whether `name` is in the ascending list `names`.
private func contains(_ names: [Name], _ name: Name) -> Bool {
  var (low, high) = (0, names.count)
  while low < high {
    let middle = (low + high) / 2
    if names[middle] < name { low = middle + 1 } else { high = middle }
  }
  return low < names.count && names[low] == name
}

func areDistinct(_ ids: [Int32]) -> Bool {
  let sorted = ids.inOrder()
  for index in 1..<max(1, sorted.count) where sorted[index - 1] == sorted[index] { return false }
  return true
}

/// A set of value ids of one graph.
struct Marks {
  private var marked: [Bool]

  init(_ ids: [ValueID] = [], count: Int) {
    marked = [Bool](repeating: false, count: count)
    for id in ids where id >= 0 && Int(id) < count { marked[Int(id)] = true }
  }

  func contains(_ id: ValueID) -> Bool { id >= 0 && Int(id) < marked.count && marked[Int(id)] }

  /// false where it was there already.
  mutating func insert(_ id: ValueID) -> Bool {
    if marked[Int(id)] { return false }
    marked[Int(id)] = true
    return true
  }
}
