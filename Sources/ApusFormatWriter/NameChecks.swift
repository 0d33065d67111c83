import ApusFormat
import ApusGraph

/// Names come to the writer as any bytes; the file holds UTF-8 without NUL, attribute strings and metadata values UTF-8.
func checkNames(_ definition: ModelDefinition) throws(ApusError) {
  for symbol in definition.symbols { try checkName(symbol.name) }
  for tensor in definition.tensors { try checkName(tensor.name) }
  for graph in definition.graphs {
    try checkName(graph.name)
    for value in graph.values { try checkName(value.name) }
    for node in graph.nodes {
      for name in [node.name, node.domain, node.operatorName] { try checkName(name) }
      for attribute in node.attributes {
        try checkName(attribute.name)
        switch attribute.value {
        case .string(let text): try checkText(text)
        case .strings(let texts): for text in texts { try checkText(text) }
        default: break
        }
      }
    }
  }
  for signature in definition.signatures {
    try checkName(signature.name)
    for state in signature.states { try checkName(state.name) }
  }
  let metadata = definition.metadata
  for name in [metadata.producer, metadata.quantizationMethod] { try checkName(name) }
  for entry in metadata.entries {
    try checkName(entry.key)
    try checkText(entry.value)
  }
  for vector in metadata.testVectors {
    try checkName(vector.name)
    for entry in vector.inputs + vector.outputs {
      try checkName(entry.name)
      try checkName(entry.tensor.name)
    }
  }
}

private func checkName(_ name: Name) throws(ApusError) {
  try checkText(name)
  guard !name.bytes.contains(0) else {
    throw ApusError(.invalidModel, "a name contains a NUL byte", actual: "'" + name.string + "'")
  }
}

private func checkText(_ text: Name) throws(ApusError) {
  guard isValidUTF8(text.bytes) else {
    throw ApusError(.invalidModel, "text is not UTF-8", actual: "'" + text.string + "'")
  }
}
