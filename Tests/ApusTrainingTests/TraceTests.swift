import ApusGraph
import ApusSafetensors
import Foundation
import Testing

@testable import ApusTraining

/// Bakes the extent of the batch into its graph.
private final class BatchDependent: Module {
  func callAsFunction(_ input: Tensor) throws(ApusError) -> Tensor { try input.reshaped([input.shape[0], -1]) }
}

/// Adds a constant that is no parameter, uses a layer twice, and returns what another operator reads, too.
private final class Unusual: Module {
  let layer: Linear

  init() throws(ApusError) {
    var generator = RandomGenerator(seed: 1)
    layer = try Linear(3, 3, using: &generator)
  }

  func callAsFunction(_ input: Tensor) throws(ApusError) -> Tensor {
    let constant = try Tensor([1, 2, 3], shape: [3])
    return try layer(layer(input + constant)).relu()
  }
}

private final class Untouched: Module {
  func callAsFunction(_ input: Tensor) throws(ApusError) -> Tensor { input }
}

@Suite struct TraceTests {
  private func operators(_ graph: Graph) -> [String] { graph.nodes.map { $0.operatorName.string + "-\($0.sinceVersion)" } }

  private func type(_ graph: Graph, _ name: String) -> TensorType? {
    graph.values.first { $0.name == Name(name) }?.type?.tensor
  }

  @Test func lenetBecomesItsGraph() throws {
    var generator = RandomGenerator(seed: 1)
    let model = try LeNet5(using: &generator)
    let definition = try model.traced(inputShape: [1, 28, 28], name: "lenet5", in: try Context(threads: 1))
    let graph = try #require(definition.graphs.first)
    #expect(
      operators(graph) == [
        "Conv-22", "Relu-14", "MaxPool-22", "Conv-22", "Relu-14", "MaxPool-22", "Flatten-21", "Gemm-13", "Relu-14", "Gemm-13",
        "Relu-14", "Gemm-13",
      ])
    #expect(
      graph.nodes.map(\.name.string) == [
        "features.0", "features.1", "features.2", "features.3", "features.4", "features.5", "classifier.0", "classifier.1",
        "classifier.2", "classifier.3", "classifier.4", "classifier.5",
      ])
    #expect(graph.inputs.map { graph.values[Int($0)].name.string } == ["input"])
    #expect(graph.outputs.map { graph.values[Int($0)].name.string } == ["output"])
    #expect(definition.symbols.map(\.name.string) == ["N"])
    let n = Dimension.symbol(0)
    #expect(type(graph, "input")?.shape == Shape([n, .known(1), .known(28), .known(28)]))
    #expect(type(graph, "features.5")?.shape == Shape([n, .known(16), .known(5), .known(5)]))
    #expect(type(graph, "classifier.0")?.shape == Shape([n, .known(400)]))
    #expect(type(graph, "output")?.shape == Shape([n, .known(10)]))
    // Every parameter is an initializer under its own name, with its own bytes.
    for (name, tensor) in model.namedTensors {
      let value = try #require(graph.values.first { $0.name == Name(name) })
      let constant = definition.tensors[Int(try #require(value.constant))]
      #expect(constant.dimensions == tensor.shape)
      guard case .inline(let bytes) = constant.storage else {
        Issue.record("\(name) is not inline")
        continue
      }
      #expect(bytes == tensor.values.withUnsafeBytes { Array($0) })
    }
    let first = graph.nodes[0]
    #expect(first.attributes.contains(Attribute("kernel_shape", .ints([5, 5]))))
    #expect(first.attributes.contains(Attribute("pads", .ints([2, 2, 2, 2]))))
  }

  @Test func residualNetworksAreTracedInEvaluationMode() throws {
    var generator = RandomGenerator(seed: 1)
    let model = try SmallResNet(using: &generator)
    let context = try Context(threads: 1)
    context.isTraining = true
    let before = model.namedTensors.map(\.tensor.values)
    let definition = try model.traced(inputShape: [1, 28, 28], in: context)
    let names = operators(definition.graphs[0])
    #expect(names.filter { $0 == "BatchNormalization-15" }.count == 9)
    #expect(names.filter { $0 == "Add-14" }.count == 3)
    #expect(names.contains("GlobalAveragePool-22"))
    #expect(definition.graphs[0].nodes.allSatisfy { node in !node.attributes.contains { $0.name == "training_mode" } })
    #expect(context.isTraining && model.namedTensors.map(\.tensor.values) == before)
  }

  @Test func lstmsAreTracedWithTheirLayout() throws {
    var generator = RandomGenerator(seed: 1)
    for (direction, width) in [(LSTM.Direction.forward, 6), (.bidirectional, 12)] {
      for output in [LSTM.Output.last, .sequence] {
        let layer = try LSTM(5, hidden: 6, direction: direction, output: output, using: &generator)
        let definition = try layer.traced(inputShape: [7, 5], in: try Context(threads: 1))
        let graph = definition.graphs[0]
        let tail = output == .last ? ["Transpose-21", "Flatten-21"] : ["Transpose-21", "Reshape-21"]
        #expect(operators(graph) == ["Transpose-21", "LSTM-22"] + tail)
        let shape = Shape([.symbol(0)] + (output == .last ? [] : [.known(7)]) + [.known(width)])
        #expect(type(graph, "output")?.shape == shape)
      }
    }
  }

  @Test func dropoutLeavesAnIdentityWithoutTrainingAttributes() throws {
    let model = try SmallNetwork(seed: 1)
    let graph = try model.traced(inputShape: [1, 8, 8], in: try Context(threads: 1)).graphs[0]
    let dropout = try #require(graph.nodes.first { $0.operatorName == "Dropout" })
    #expect(dropout.attributes.isEmpty && dropout.inputs.count == 1)
  }

  @Test func constantsAndSharedLayersAreTraced() throws {
    let definition = try Unusual().traced(inputShape: [3], in: try Context(threads: 1))
    let graph = definition.graphs[0]
    #expect(graph.nodes.map(\.name.string) == ["Add", "layer", "layer_1", "Relu"])
    #expect(definition.tensors.map(\.name.string) == ["constant", "layer.weight", "layer.bias"])
    #expect(definition.tensors[0].dimensions == [3])
  }

  @Test func whatHasNoGraphIsRefused() throws {
    let context = try Context(threads: 1)
    for module: any Module in [BatchDependent(), Untouched()] {
      do {
        _ = try module.traced(inputShape: [2, 3], in: context)
        Issue.record("\(module) has a graph")
      } catch {
        #expect(error.status == .unsupported)
      }
    }
    #expect(throws: ApusError.self) { try Flatten().traced(inputShape: [2], inputName: "x", outputName: "x", in: context) }
  }

  /// The JSON of a checkpoint, read with Foundation's own reader: independent of the code that wrote it.
  @Test func checkpointsCarryTheGraphAsDescribed() throws {
    let path = FileManager.default.temporaryDirectory.appendingPathComponent("apus-\(UUID().uuidString).safetensors").path
    defer { try? FileManager.default.removeItem(atPath: path) }
    var generator = RandomGenerator(seed: 1)
    let layer = try LSTM(5, hidden: 6, output: .sequence, using: &generator)
    let context = try Context(threads: 1)
    var export = Export(inputShape: [7, 5])
    export.name = "lstm"
    let inputs = (0..<70).map { _ in generator.nextUniform() }
    export.testInputs = [try Tensor(inputs, shape: [2, 7, 5], context: context)]
    export.metadata = [("z", "1"), ("a", "\"2\"")]
    try Checkpoint.save(layer, export: export, in: context, to: path)

    let file = try SafetensorsFile(path: path)
    let text = try #require(file.metadataValue("apus.graph"))
    let json = try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
    #expect(
      Set(json.keys) == [
        "version", "name", "symbols", "inputs", "outputs", "values", "initializers", "nodes", "tests", "metadata",
      ])
    #expect(json["version"] as? Int == 1 && json["name"] as? String == "lstm")
    let input = try #require((json["inputs"] as? [[String: Any]])?.first)
    let shape = try #require((input["type"] as? [String: Any])?["shape"] as? [Any])
    #expect(shape[0] as? String == "N" && shape[1] as? Int == 7 && shape[2] as? Int == 5)
    let nodes = try #require(json["nodes"] as? [[String: Any]])
    #expect(nodes.map { $0["operator"] as? String } == ["Transpose", "LSTM", "Transpose", "Reshape"])
    #expect(
      nodes.allSatisfy { Set($0.keys) == ["name", "domain", "operator", "since_version", "inputs", "outputs", "attributes"] })
    let initializers = try #require(json["initializers"] as? [[String: Any]])
    #expect(initializers.contains { $0["integers"] as? [Int] == [0, 0, -1] && $0["element"] as? String == "int64" })
    for name in initializers.compactMap({ $0["tensor"] as? String }) { #expect(file.entry(named: name) != nil) }
    let tests = try #require(json["tests"] as? [String: Any])
    #expect(tests["count"] as? Int == 1 && tests["absolute_tolerance"] as? Double == 1e-4)
    #expect((json["metadata"] as? [[String: String]])?.map { $0["key"] } == ["a", "z"])

    let expected = try layer(try Tensor(inputs, shape: [2, 7, 5], context: context))
    let output = try #require(file.entry(named: "apus.test.0.output.output"))
    #expect(output.dimensions == expected.shape)
    #expect(try file.bytes(of: output) == expected.values.withUnsafeBytes { Array($0) })
    #expect(file.entry(named: "apus.test.0.input.input")?.dimensions == [2, 7, 5])
  }
}
