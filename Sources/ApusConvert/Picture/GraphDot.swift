import ApusGraph

/// Graphs in the language of Graphviz: one cluster a subgraph.
enum GraphDot {
  static func text(_ definition: ModelDefinition) -> String {
    var lines = [
      "digraph model {", "  rankdir=TB;", "  node [shape=box, style=\"rounded,filled\", fontname=\"sans-serif\", fontsize=11];",
      "  edge [fontname=\"sans-serif\", fontsize=9];",
    ]
    for index in definition.graphs.indices {
      let picture = GraphPicture(definition, graph: GraphID(index))
      let indentation = index == 0 ? "  " : "    "
      if index > 0 { lines += ["  subgraph cluster_\(index) {", "    label=\(quoted(picture.title));"] }
      for (number, box) in picture.boxes.enumerated() {
        let label = box.subtitle.isEmpty ? box.title : box.title + "\n" + box.subtitle
        let shape = box.kind == .node ? "" : ", shape=ellipse"
        let fill = quoted(PictureColor.fill(box.family))
        lines.append("\(indentation)g\(index)_\(number) [label=\(quoted(label)), fillcolor=\(fill)\(shape)];")
      }
      for edge in picture.edges {
        lines.append(
          "\(indentation)g\(index)_\(edge.from) -> g\(index)_\(edge.to) [label=\(quoted(edge.label))];")
      }
      if index > 0 { lines.append("  }") }
      for (number, box) in picture.boxes.enumerated() {
        for graph in box.subgraphs where definition.graphs.indices.contains(Int(graph)) {
          lines.append("  g\(index)_\(number) -> g\(graph)_0 [style=dashed, constraint=false];")
        }
      }
    }
    lines.append("}")
    return lines.joined(separator: "\n") + "\n"
  }

  private static func quoted(_ text: String) -> String {
    var result = "\""
    for character in text.unicodeScalars {
      switch character {
      case "\"": result += "\\\""
      case "\\": result += "\\\\"
      case "\n": result += "\\n"
      case _ where character.value < 0x20: result += " "
      default: result.unicodeScalars.append(character)
      }
    }
    return result + "\""
  }
}

/// A colour for each family of operators.
enum PictureColor {
  static let families: [(name: String, fill: String)] = [
    ("compute", "#cfe2ff"), ("pooling", "#d3f0ea"), ("normalization", "#e7dcfb"), ("elementwise", "#fdf0c9"),
    ("movement", "#e6e9ec"), ("control", "#ffd9d2"), ("quantization", "#dff3cf"), ("port", "#ffffff"),
  ]

  static func fill(_ family: String) -> String { families.first { $0.name == family }?.fill ?? "#ffffff" }
}
