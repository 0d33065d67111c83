import ApusGraph

/// A graph as boxes and arrows, for pictures: nodes, inputs and outputs are boxes; constants stand in the boxes that read them.
struct GraphPicture {
  enum Kind: String { case input, output, node }

  struct Box {
    var kind: Kind
    /// The operator, or the name of an input or output.
    var title: String
    /// The family that an operator belongs to, for its colour: `compute`, `shape`, `normalization`, `elementwise`, `control`,
    /// `quantization` or `other`.
    var family: String
    /// A line under the title: the first output's type.
    var subtitle: String
    /// Everything else, (what, text) a line.
    var details: [(key: String, text: String)]
    /// Subgraphs that the node runs.
    var subgraphs: [GraphID] = []
  }

  struct Edge {
    var from: Int
    var to: Int
    /// The value's name and type.
    var label: String
  }

  let title: String
  private(set) var boxes: [Box] = []
  private(set) var edges: [Edge] = []

  init(_ definition: ModelDefinition, graph id: GraphID) {
    let graph = id == 0 ? definition.calledGraph : definition.graphs[Int(id)]
    let printer = NodePrinter(definition: definition, graph: graph)
    title = (id == 0 ? "graph" : "subgraph \(id)") + (graph.name.isEmpty ? "" : " " + graph.name.string)
    var writers: [ValueID: Int] = [:]
    for input in graph.inputs {
      writers[input] = boxes.count
      boxes.append(
        Box(
          kind: .input, title: printer.plainName(input), family: "port", subtitle: printer.type(input),
          details: [("input", printer.declaration(input))]))
    }
    for capture in graph.captures {
      writers[capture.inner] = boxes.count
      boxes.append(
        Box(
          kind: .input, title: printer.plainName(capture.inner), family: "port", subtitle: "from the graph around",
          details: [("captured", printer.declaration(capture.inner))]))
    }
    for node in graph.nodes {
      let index = boxes.count
      boxes.append(GraphPicture.box(node, printer))
      for id in node.inputs where id >= 0 {
        guard let from = writers[id] else { continue }
        edges.append(Edge(from: from, to: index, label: printer.declaration(id)))
      }
      for id in node.outputs where id >= 0 { writers[id] = index }
    }
    for output in graph.outputs {
      let index = boxes.count
      boxes.append(
        Box(
          kind: .output, title: printer.plainName(output), family: "port", subtitle: printer.type(output),
          details: [("output", printer.declaration(output))]))
      if let from = writers[output] { edges.append(Edge(from: from, to: index, label: printer.declaration(output))) }
    }
  }

  private static func box(_ node: Node, _ printer: NodePrinter) -> Box {
    var details: [(key: String, text: String)] = []
    if !node.name.isEmpty { details.append(("name", node.name.string)) }
    details.append(("operator", node.domain.string + "." + node.operatorName.string + "-\(node.sinceVersion)"))
    for id in node.inputs { details.append((printer.isConstant(id) ? "constant" : "input", printer.declaration(id))) }
    for id in node.outputs where id >= 0 { details.append(("output", printer.declaration(id))) }
    var subgraphs: [GraphID] = []
    for attribute in node.attributes {
      details.append(("attribute", attribute.name.string + " = " + printer.text(attribute.value)))
      switch attribute.value {
      case .graph(let id): subgraphs.append(id)
      case .graphs(let ids): subgraphs += ids
      default: break
      }
    }
    return Box(
      kind: .node, title: node.operatorName.string, family: family(of: node.operatorName),
      subtitle: node.outputs.first.map { $0 < 0 ? "" : printer.type($0) } ?? "", details: details, subgraphs: subgraphs)
  }

  private static let families: [(name: String, operators: [Name])] = [
    (
      "compute",
      [
        "Conv", "ConvTranspose", "ConvInteger", "QLinearConv", "DeformConv", "Gemm", "MatMul", "MatMulInteger", "QLinearMatMul",
        "MatMulNBits", "Einsum", "LSTM", "GRU", "RNN", "Attention", "FusedMatMul", "QGemm", "RotaryEmbedding",
      ]
    ),
    ("pooling", ["MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool", "LpPool", "GlobalLpPool", "MaxRoiPool"]),
    (
      "normalization",
      [
        "BatchNormalization", "LayerNormalization", "RMSNormalization", "GroupNormalization", "InstanceNormalization",
        "LpNormalization", "LRN", "MeanVarianceNormalization", "Softmax", "LogSoftmax", "SkipLayerNormalization",
      ]
    ),
    (
      "movement",
      [
        "Reshape", "Transpose", "Flatten", "Squeeze", "Unsqueeze", "Concat", "Split", "Slice", "Gather", "GatherND",
        "GatherElements", "ScatterND", "ScatterElements", "Pad", "Expand", "Tile", "Identity", "Resize", "Shape", "Size",
        "DepthToSpace", "SpaceToDepth", "Constant", "ConstantOfShape", "Range",
      ]
    ),
    ("control", ["If", "Loop", "Scan", "SequenceMap"]),
    ("quantization", ["QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear", "Cast", "CastLike"]),
  ]

  private static func family(of name: Name) -> String {
    families.first { $0.operators.contains(name) }?.name ?? "elementwise"
  }
}
