import ApusFormat
import ApusGraph
import ApusRuntime
import CApus

/// What an `apus_model *` stands for: the model, and its names and shapes as C reads them.
final class LoadedModel: @unchecked Sendable {
  struct Operator {
    let domain: UnsafePointer<CChar>
    let name: UnsafePointer<CChar>
    let sinceVersion: Int32
    let nodeCount: UInt32
  }

  struct Entry {
    let key: UnsafePointer<CChar>
    let value: UnsafePointer<CChar>
  }

  let model: Model
  let log: Log
  let inputs: [apus_tensor_info]
  let outputs: [apus_tensor_info]
  let states: [apus_state_info]
  let metadata: [Entry]
  let operators: [Operator]
  let info: apus_model_info
  /// Holds what the pointers above point to.
  private let text: CText

  /// Where the names of a model stand in its text.
  private struct Places {
    let builder: CTextBuilder
    let inputs: [CTextBuilder.TensorPlace]
    let outputs: [CTextBuilder.TensorPlace]
    let states: [Int]
    let entries: [(Int, Int)]
    let kinds: [Needs.Operator]
    let kindNames: [(Int, Int)]
    let producer: Int

    init(_ model: Model) {
      let definition = model.definition
      var builder = CTextBuilder()
      inputs = model.inputs.map { builder.add($0, symbols: definition.symbols) }
      outputs = model.outputs.map { builder.add($0, symbols: definition.symbols) }
      states = model.states.map { builder.add($0.name) }
      entries = definition.metadata.entries.inOrder { $0.key < $1.key }.map { (builder.add($0.key), builder.add($0.value)) }
      let kinds = definition.usedOperators()
      self.kinds = kinds
      kindNames = kinds.map { (builder.add($0.domain), builder.add($0.name)) }
      producer = builder.add(definition.metadata.producer)
      self.builder = builder
    }
  }

  convenience init(_ model: Model, log: Log) throws(ApusError) {
    let places = Places(model)
    self.init(model, log, places, try CText(places.builder, memory: model.memory))
  }

  private init(_ model: Model, _ log: Log, _ places: Places, _ text: CText) {
    self.model = model
    self.log = log
    self.text = text
    inputs = places.inputs.map { text.tensorInfo($0) }
    outputs = places.outputs.map { text.tensorInfo($0) }
    var states: [apus_state_info] = []
    for (state, place) in zip(model.states, places.states) {
      states.append(
        apus_state_info(
          struct_size: 0, name: text.string(place), input: UInt32(clamping: state.input), output: UInt32(clamping: state.output)))
    }
    self.states = states
    metadata = places.entries.map { Entry(key: text.string($0.0), value: text.string($0.1)) }
    let counts = LoadedModel.nodeCounts(of: places.kinds, in: model.definition)
    var operators: [Operator] = []
    for (index, place) in places.kindNames.enumerated() {
      operators.append(
        Operator(
          domain: text.string(place.0), name: text.string(place.1), sinceVersion: places.kinds[index].sinceVersion,
          nodeCount: UInt32(clamping: counts[index])))
    }
    self.operators = operators
    info = LoadedModel.info(model, operatorCount: places.kinds.count, producer: text.string(places.producer))
  }

  private static func nodeCounts(of kinds: [Needs.Operator], in definition: ModelDefinition) -> [Int] {
    var counts = [Int](repeating: 0, count: kinds.count)
    for graph in definition.graphs {
      for node in graph.nodes {
        let kind = Needs.Operator(domain: node.domain, name: node.operatorName, sinceVersion: node.sinceVersion)
        // `kinds` is ascending: a binary search.
        var (low, high) = (0, kinds.count)
        while low < high {
          let middle = low + (high - low) / 2
          if kinds[middle] < kind { low = middle + 1 } else { high = middle }
        }
        if low < counts.count { counts[low] += 1 }
      }
    }
    return counts
  }

  private static func info(_ model: Model, operatorCount: Int, producer: UnsafePointer<CChar>) -> apus_model_info {
    let definition = model.definition
    var info = apus_model_info()
    withUnsafeMutableBytes(of: &info.model_id) { target in
      for (index, byte) in model.modelID.prefix(target.count).enumerated() { target[index] = byte }
    }
    info.input_count = UInt32(clamping: model.inputs.count)
    info.output_count = UInt32(clamping: model.outputs.count)
    info.state_count = UInt32(clamping: model.states.count)
    info.metadata_count = UInt32(clamping: definition.metadata.entries.count)
    info.operator_count = UInt32(clamping: operatorCount)
    info.test_vector_count = UInt32(clamping: definition.metadata.testVectors.count)
    var nodes: UInt64 = 0
    for graph in definition.graphs { nodes &+= UInt64(graph.nodes.count) }
    info.node_count = nodes
    let needs = model.file.needs
    info.flops = needs.flops
    info.live_bytes = needs.liveBytes
    var weights: UInt64 = 0
    for tensor in definition.tensors {
      let bytes: UInt64 =
        switch tensor.storage {
        case .inline(let bytes): UInt64(bytes.count)
        case .segment(_, _, let length): length
        }
      let (sum, overflow) = weights.addingReportingOverflow(bytes)
      weights = overflow ? .max : sum
    }
    info.weight_bytes = weights
    let minimum = needs.minimumRuntime
    info.minimum_version = UInt32(minimum.major) &* 1_000_000 &+ UInt32(minimum.minor) &* 1000 &+ UInt32(minimum.patch)
    info.producer = producer
    return info
  }
}
