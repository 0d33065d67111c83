import ApusGraph
import CApusSchemaWriter

/// Makes the graph section's FlatBuffer. Objects stand in the order of the definition; operators and attributes are sorted.
package struct ModelEncoder {
  private let schema: SchemaBuilder
  private let operators: [Needs.Operator]

  private init(_ schema: SchemaBuilder, operators: [Needs.Operator]) {
    self.schema = schema
    self.operators = operators
  }

  /// - Parameter storage: where each tensor's bytes go.
  package static func encode(
    _ definition: ModelDefinition, needs: Needs, storage: [TensorStorage]
  ) throws(ApusError) -> [UInt8] {
    let schema = try SchemaBuilder()
    let encoder = ModelEncoder(schema, operators: definition.usedOperators())
    let builder = schema.builder
    let symbols = definition.symbols.map {
      apusw_symbol(builder, schema.text($0.name), Int64($0.minimum), Int64($0.maximum ?? -1), Int64($0.multiple))
    }
    let operators = encoder.operators.map {
      apusw_operator(builder, schema.text($0.domain), schema.text($0.name), $0.sinceVersion)
    }
    let tensors = zip(definition.tensors, storage).map { schema.tensor($0, storage: $1) }
    let graphs = definition.graphs.map(encoder.graph)
    let signatures = definition.signatures.map(encoder.signature)
    let version = needs.minimumRuntime
    let needs = apusw_needs(builder, needs.flops, needs.liveBytes, version.major, version.minor, version.patch)
    var count = 0
    guard
      let bytes = apusw_finish_model(
        builder, schema.places(symbols), schema.places(operators), schema.places(tensors), schema.places(graphs, required: true),
        schema.places(signatures), needs, &count)
    else { throw ApusError(.limitExceeded, "the graph section would pass 2 GiB, or memory is short") }
    return Array(UnsafeBufferPointer(start: bytes, count: count))
  }

  private func graph(_ graph: Graph) -> apusw_place {
    let builder = schema.builder
    let values = graph.values.map {
      apusw_value(builder, schema.optional($0.name), schema.type($0.type), $0.constant ?? -1)
    }
    let nodes = graph.nodes.map(node)
    let pairs = graph.captures.flatMap { [$0.inner, $0.outer] }
    let captures =
      pairs.isEmpty ? 0 : pairs.withUnsafeBufferPointer { apusw_captures(builder, $0.baseAddress, graph.captures.count) }
    return apusw_graph(
      builder, schema.optional(graph.name), graph.parent ?? -1, schema.places(values), schema.places(nodes),
      schema.ids(graph.inputs), schema.ids(graph.outputs), captures)
  }

  private func node(_ node: Node) -> apusw_place {
    let wanted = Needs.Operator(domain: node.domain, name: node.operatorName, sinceVersion: node.sinceVersion)
    var (low, high) = (0, operators.count)
    while low < high {
      let middle = (low + high) / 2
      if operators[middle] < wanted { low = middle + 1 } else { high = middle }
    }
    let attributes = node.attributes.sorted { $0.name < $1.name }.map {
      apusw_attribute(schema.builder, schema.text($0.name), value($0.value))
    }
    return apusw_node(
      schema.builder, schema.optional(node.name), UInt32(low), schema.ids(node.inputs), schema.ids(node.outputs),
      schema.places(attributes))
  }

  private func value(_ value: AttributeValue) -> apusw_union {
    let builder = schema.builder
    switch value {
    case .int(let value): return apusw_int_attribute(builder, value)
    case .float(let value): return apusw_float_attribute(builder, value)
    case .string(let value): return apusw_string_attribute(builder, schema.text(value))
    case .tensor(let id): return apusw_tensor_attribute(builder, id)
    case .graph(let id): return apusw_graph_attribute(builder, id)
    case .ints(let values): return apusw_ints_attribute(builder, schema.int64s(values))
    case .floats(let values): return apusw_floats_attribute(builder, schema.floats(values))
    case .strings(let values): return apusw_strings_attribute(builder, schema.places(values.map(schema.text), required: true))
    case .tensors(let ids): return apusw_tensors_attribute(builder, schema.ids(ids, required: true))
    case .graphs(let ids): return apusw_graphs_attribute(builder, schema.ids(ids, required: true))
    case .type(let type): return apusw_type_attribute(builder, schema.type(type))
    }
  }

  private func signature(_ signature: Signature) -> apusw_place {
    let states = signature.states.map {
      apusw_state(schema.builder, schema.text($0.name), $0.input, $0.output, $0.initial ?? -1)
    }
    return apusw_signature(
      schema.builder, schema.text(signature.name), schema.ids(signature.inputs), schema.ids(signature.outputs),
      schema.places(states))
  }
}
