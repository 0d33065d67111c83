import ApusFormat
import ApusFormatWriter
import ApusGraph

/// A small network of one dense layer, as a file holds it.
func smallModel() -> ModelDefinition {
  var graph = Graph(name: "main")
  graph.values = [
    Value(name: "x", type: .tensor(TensorType(.float32, Shape([.symbol(0), .known(3)])))),
    Value(name: "w", constant: 0), Value(name: "b", constant: 1), Value(name: "h"), Value(name: "y"),
  ]
  graph.nodes = [
    Node(
      name: "fc", operatorName: "Gemm", sinceVersion: 13, inputs: [0, 1, 2], outputs: [3],
      attributes: [Attribute("transB", .int(1)), Attribute("alpha", .float(1))]),
    Node(name: "relu", operatorName: "Relu", sinceVersion: 14, inputs: [3], outputs: [4]),
  ]
  graph.inputs = [0]
  graph.outputs = [4]
  var definition = ModelDefinition(
    symbols: [Symbol(name: "N", minimum: 1, maximum: 64)], graphs: [graph],
    tensors: [
      ConstantTensor(name: "w", elementType: .float32, dimensions: [2, 3], storage: .inline(quarters(6))),
      ConstantTensor(name: "b", elementType: .float32, dimensions: [2], storage: .inline(quarters(2))),
    ],
    signatures: [Signature(name: "serve", inputs: [0], outputs: [4])])
  definition.metadata.entries = [Metadata.Entry(key: "license", value: "Apache-2.0"), Metadata.Entry(key: "author", value: "a")]
  definition.metadata.producer = "apus 0.1"
  definition.metadata.testVectors = [
    TestVector(
      name: "zeros",
      inputs: [
        .init(name: "x", tensor: ConstantTensor(elementType: .float32, dimensions: [1, 3], storage: .inline(quarters(3))))
      ],
      outputs: [
        .init(name: "y", tensor: ConstantTensor(elementType: .float32, dimensions: [1, 2], storage: .inline(quarters(2))))
      ],
      absoluteTolerance: 1e-5, relativeTolerance: 0)
  ]
  return definition
}

/// 0, 0.25, 0.5, ... as bytes.
func quarters(_ count: Int) -> [UInt8] {
  (0..<count).flatMap { withUnsafeBytes(of: (Float($0) * 0.25).bitPattern.littleEndian) { Array($0) } }
}

/// A model whose only tensor of any size is `bytes`.
func model(weights bytes: [UInt8], type: ElementType = .uint8) -> ModelDefinition {
  var definition = smallModel()
  definition.tensors.append(
    ConstantTensor(
      name: "weights", elementType: type, dimensions: [bytes.count / type.byteWidth!], storage: .inline(bytes)))
  return definition
}

/// Opens a copy of `bytes`.
func open(_ bytes: [UInt8], limits: Limits = Limits(), memory: BulkMemory? = nil) throws(ApusError) -> ModelFile {
  try bytes.withUnsafeBufferPointer { (bytes) throws(ApusError) in
    try ModelFile(.copied(UnsafeRawBufferPointer(bytes)), limits: limits, memory: memory)
  }
}

/// Opens `bytes` and touches everything in them.
func openWhole(_ bytes: [UInt8], limits: Limits = Limits()) throws(ApusError) -> ModelFile {
  let file = try open(bytes, limits: limits)
  try file.verifyAll()
  return file
}

/// The status that opening and touching everything ends in; nil where all is well.
func status(_ bytes: [UInt8], limits: Limits = Limits()) -> ApusError.Status? {
  do throws(ApusError) {
    _ = try openWhole(bytes, limits: limits)
    return nil
  } catch { return error.status }
}

/// All that a definition says, as text, in the order that files have it, with a digest of every tensor's bytes.
func text(of definition: ModelDefinition, file: ModelFile? = nil) throws -> String {
  func digested(_ tensor: ConstantTensor) throws -> ConstantTensor {
    var (tensor, digest) = (tensor, [UInt8]())
    func add(_ bytes: UnsafeRawBufferPointer) {
      LittleEndian.append(UInt64(bytes.count), to: &digest)
      LittleEndian.append(Checksum.of(bytes), to: &digest)
    }
    if let file {
      try file.withBytes(of: tensor) { (bytes) throws(ApusError) -> Void in add(bytes) }
    } else if case .inline(let bytes) = tensor.storage {
      bytes.withUnsafeBytes(add)
    }
    tensor.storage = .inline(digest)
    return tensor
  }
  var copy = definition
  copy.tensors = try copy.tensors.map(digested)
  copy.metadata.entries.sort { $0.key < $1.key }
  for graph in copy.graphs.indices {
    for node in copy.graphs[graph].nodes.indices { copy.graphs[graph].nodes[node].attributes.sort { $0.name < $1.name } }
  }
  for vector in copy.metadata.testVectors.indices {
    for index in copy.metadata.testVectors[vector].inputs.indices {
      copy.metadata.testVectors[vector].inputs[index].tensor = try digested(
        copy.metadata.testVectors[vector].inputs[index].tensor)
    }
    for index in copy.metadata.testVectors[vector].outputs.indices {
      copy.metadata.testVectors[vector].outputs[index].tensor = try digested(
        copy.metadata.testVectors[vector].outputs[index].tensor)
    }
  }
  return String(describing: copy)
}
