import Apus
import ApusFormatWriter
import ApusGraph
import ApusRuntime

extension ModelDefinition {
  /// The same model with more outputs: those that it has, then the tensors that nodes of its main graph write, in the graph's
  /// order. Nothing can then be fused over these.
  ///
  /// - Parameter wanted: whether a value is wanted.
  fileprivate func exposing(_ wanted: (ValueID) -> Bool) -> ModelDefinition {
    var result = self
    var outputs = calledGraph.outputs
    var known = Set(outputs)
    for node in graphs[0].nodes {
      for id in node.outputs where id >= 0 && wanted(id) {
        switch graphs[0].values[Int(id)].type {
        case .tensor, nil: if known.insert(id).inserted { outputs.append(id) }
        case .sequence, .optional, .map: break
        }
      }
    }
    result.metadata.testVectors = []
    if result.signatures.isEmpty {
      result.graphs[0].outputs = outputs
    } else {
      result.signatures[0].outputs = outputs
      result.graphs[0].outputs = outputs + result.graphs[0].outputs.filter { !known.contains($0) }
    }
    // An output has a name.
    for id in outputs where result.graphs[0].values[Int(id)].name.isEmpty {
      result.graphs[0].values[Int(id)].name = Name("value \(id)")
    }
    return result
  }
}

extension Model {
  /// A model made of a definition, through the bytes of a model file.
  static func made(of definition: ModelDefinition, data: TensorData?, level: Int32?) throws(ApusError) -> Model {
    var writerOptions = WriterOptions()
    writerOptions.segmentCodec = .raw
    var options = LoadOptions.full
    options.level = level
    return try load(bytes: try ModelWriter(options: writerOptions).encode(definition, data: data), options: options)
  }

  /// The plain form of a model: portable kernels, and every tensor of its main graph computed as its node says, since each is an
  /// output.
  static func plain(_ definition: ModelDefinition, data: TensorData?) throws(ApusError) -> Model {
    try made(of: definition.exposing { _ in true }, data: data, level: 0)
  }

  /// This model with the tensors as outputs that its program has anyway: nothing that is fused comes apart.
  func exposingProgram() throws(ApusError) -> Model {
    let written = Set(program.nodes.flatMap { $0.node.outputs })
    let named = Set(written.filter { $0 >= 0 }.map { program.graph.values[Int($0)].name })
    let values = definition.graphs[0].values
    return try Model.made(
      of: definition.exposing { named.contains(values[Int($0)].name) && !values[Int($0)].name.isEmpty },
      data: file.tensorData, level: nil)
  }
}
