import ApusFormat
import ApusGraph
import Testing

/// One case for each structural rule.
@Suite struct StructureTests {
  private func refused(
    _ words: String, _ status: ApusError.Status = .invalidModel, _ change: (inout ModelDefinition) -> Void
  ) {
    var definition = smallModel()
    change(&definition)
    do throws(ApusError) {
      _ = try ModelFile(definition: definition)
      Issue.record("accepted in spite of: \(words)")
    } catch {
      #expect(error.status == status, "\(words): \(error)")
      #expect(error.description.contains(words), "\(error)")
    }
  }

  /// A graph nested in the first node of `parent`.
  private func nest(in parent: Int, _ definition: inout ModelDefinition) {
    let id = GraphID(definition.graphs.count)
    definition.graphs.append(
      Graph(
        parent: GraphID(parent), values: [Value(name: "inner")],
        nodes: [Node(operatorName: "Constant", sinceVersion: 1, inputs: [], outputs: [0])], outputs: [0]))
    definition.graphs[parent].nodes[0].attributes.append(Attribute(Name("graph\(id)"), .graph(id)))
  }

  @Test func values() {
    refused("read before it is written") { $0.graphs[0].nodes.swapAt(0, 1) }
    refused("written twice") { $0.graphs[0].nodes[1].outputs = [3] }
    refused("written twice") { $0.graphs[0].inputs = [0, 0] }
    refused("written twice") { $0.graphs[0].inputs = [0, 1] }
    refused("an input names no value") { $0.graphs[0].nodes[0].inputs = [99] }
    refused("an input names no value") { $0.graphs[0].nodes[0].inputs = [-2] }
    refused("an output names no value") { $0.graphs[0].nodes[0].outputs = [.max] }
    refused("output names no value") { $0.graphs[0].outputs = [5] }
    refused("is never written") {
      $0.graphs[0].values.append(Value(name: "loose"))
      $0.graphs[0].outputs = [5]
      $0.metadata = Metadata()
      $0.signatures = []
    }
    refused("an output stands twice") { $0.graphs[0].outputs = [4, 4] }
    refused("two with the name 'x'") { $0.graphs[0].values[4].name = "x" }
    refused("names no tensor") { $0.graphs[0].values[1].constant = 7 }
    refused("another type or shape") { $0.graphs[0].values[1].type = .tensor(TensorType(.int8, nil)) }
    refused("another type or shape") { $0.graphs[0].values[1].type = .tensor(TensorType(.float32, [3, 2])) }
    refused("names no symbol") { $0.symbols = [] }
    refused("a negative extent") { $0.graphs[0].values[3].type = .tensor(TensorType(.float32, Shape([-1]))) }
    refused("neither an integer nor a string") {
      $0.graphs[0].values[3].type = .map(key: .float32, value: .tensor(TensorType(.int8, nil)))
    }
  }

  @Test func nodes() {
    refused("without domain, operator or version") { $0.graphs[0].nodes[0].operatorName = "" }
    refused("without domain, operator or version") { $0.graphs[0].nodes[0].sinceVersion = 0 }
    refused("two with the name 'alpha'") { $0.graphs[0].nodes[0].attributes.append(Attribute("alpha", .int(1))) }
    refused("an attribute names no tensor") { $0.graphs[0].nodes[0].attributes.append(Attribute("t", .tensor(9))) }
    refused("an attribute names no tensor") { $0.graphs[0].nodes[0].attributes.append(Attribute("t", .tensors([0, -1]))) }
    refused("an attribute names no graph") { $0.graphs[0].nodes[0].attributes.append(Attribute("g", .graph(0))) }
  }

  @Test func graphs() {
    refused("a model without a graph") { $0.graphs = [] }
    refused("belongs to no node") { definition in
      nest(in: 0, &definition)
      definition.graphs[0].nodes[0].attributes.removeLast()
    }
    refused("belongs to two nodes") { definition in
      nest(in: 0, &definition)
      definition.graphs[0].nodes[1].attributes.append(Attribute("again", .graph(1)))
    }
    refused("has no parent") { definition in
      nest(in: 0, &definition)
      definition.graphs[1].parent = nil
    }
    refused("does not stand before it") { definition in
      nest(in: 0, &definition)
      definition.graphs[1].parent = 1
    }
    refused("captures values") { $0.graphs[0].captures = [Capture(inner: 3, outer: 0)] }
    refused("captures a value that is not written before") { definition in
      nest(in: 0, &definition)
      definition.graphs[1].values.append(Value(name: "outer"))
      definition.graphs[1].captures = [Capture(inner: 1, outer: 4)]
    }
    refused("nested too deep") { definition in
      for depth in 0..<17 { nest(in: depth, &definition) }
    }
    var definition = smallModel()
    for depth in 0..<16 { nest(in: depth, &definition) }
    #expect(throws: Never.self) { try ModelFile(definition: definition) }
  }

  @Test func tensors() {
    refused("do not fit its shape") { $0.tensors[0].dimensions = [2, 4] }
    refused("negative extents") { $0.tensors[0].dimensions = [-2, -3] }
    refused("negative extents") { $0.tensors[0].dimensions = [.max, .max] }
    refused("lies in no segment") { $0.tensors[0].storage = .segment(index: 0, offset: 0, length: 24) }
    refused("more dimensions than the limit", .limitExceeded) {
      $0.tensors[0].dimensions = [2, 3] + [Int](repeating: 1, count: 63)
    }
  }

  @Test func quantization() {
    func quantize(_ quantization: Quantization, _ definition: inout ModelDefinition) {
      definition.tensors[0].quantization = quantization
    }
    refused("names no tensor") { quantize(Quantization(scale: -1), &$0) }
    refused("without an axis") { quantize(Quantization(scale: 1), &$0) }
    refused("blocks without an axis") { quantize(Quantization(scale: 1, blockSize: 4), &$0) }
    refused("no such axis") { quantize(Quantization(scale: 1, axis: 2), &$0) }
    refused("not one scale for each index") { quantize(Quantization(scale: 1, axis: 1), &$0) }
    refused("themselves quantized") { quantize(Quantization(scale: 0, axis: 0), &$0) }
    refused("block scales of another rank") { quantize(Quantization(scale: 1, axis: 0, blockSize: 1), &$0) }
    refused("different shapes") {
      quantize(Quantization(scale: 1, zeroPoint: 2, axis: 0), &$0);
      $0.tensors.append(ConstantTensor(elementType: .int8, dimensions: [], storage: .inline([0])))
    }
    refused("not of a floating-point type") {
      $0.tensors.append(ConstantTensor(elementType: .int8, dimensions: [2], storage: .inline([1, 1])))
      quantize(Quantization(scale: 2, axis: 0), &$0)
    }
    var definition = smallModel()
    definition.graphs[0].values[1].constant = 0
    quantize(Quantization(scale: 1, axis: 0), &definition)
    #expect(throws: Never.self) { try ModelFile(definition: definition) }
  }

  @Test func symbolsSignaturesAndMetadata() {
    refused("bounds of symbolic dimension") { $0.symbols[0].maximum = 0 }
    refused("bounds of symbolic dimension") { $0.symbols[0].multiple = 0 }
    refused("two with the name 'N'") { $0.symbols.append(Symbol(name: "N")) }
    refused("without a name") { $0.symbols.append(Symbol(name: "")) }
    refused("not an input of the main graph") { $0.signatures[0].inputs = [1] }
    refused("not an output of the main graph") { $0.signatures[0].outputs = [3] }
    refused("an input that stands twice") { $0.signatures[0].inputs = [0, 0] }
    refused("an input that stands twice") { $0.signatures[0].states = [State(name: "s", input: 0, output: 4)] }
    refused("names no tensor") {
      $0.signatures = [Signature(name: "s", inputs: [], outputs: [], states: [State(name: "s", input: 0, output: 4, initial: 9)])]
    }
    refused("initial state of another type") {
      $0.signatures = [Signature(name: "s", inputs: [], outputs: [], states: [State(name: "s", input: 0, output: 4, initial: 1)])]
    }
    refused("two with the name 'serve'") { $0.signatures.append($0.signatures[0]) }
    refused("two with the name 'license'") { $0.metadata.entries.append($0.metadata.entries[0]) }
    refused("SHA-256 of a wrong size") { $0.metadata.sourceHash = [0] }
    refused("not a name of the main graph's") { $0.metadata.testVectors[0].inputs[0].name = "h" }
    refused("a tolerance that is negative or not a number") { $0.metadata.testVectors[0].absoluteTolerance = .nan }
    refused("do not fit its shape") { $0.metadata.testVectors[0].outputs[0].tensor.dimensions = [7] }
  }
}
