import ApusGraph
import Testing

@testable import ApusConvert

@Suite struct PictureTests {
  /// Layers of boxes where each reads one to three of those before it.
  private func edges(_ count: Int, seed: UInt64) -> [(from: Int, to: Int)] {
    var state = seed
    func next(_ bound: Int) -> Int {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int(state >> 33) % bound
    }
    var edges: [(from: Int, to: Int)] = []
    for box in 1..<count { for _ in 0...next(3) { edges.append((max(0, box - 1 - next(12)), box)) } }
    return edges
  }

  @Test(arguments: [1, 2, 40, 1000])
  func boxesDoNotOverlapAndArrowsPointDown(_ count: Int) {
    let edges = count > 1 ? edges(count, seed: 3) : []
    let layout = GraphLayout(boxCount: count, edges: edges)
    #expect(layout.boxes.count == count)
    for (edge, bends) in zip(edges, layout.bends) {
      var y = layout.boxes[edge.from].y
      for point in bends + [layout.boxes[edge.to]] {
        #expect(point.y > y)
        y = point.y
      }
    }
    var rows: [Double: [Double]] = [:]
    for place in layout.boxes { rows[place.y, default: []].append(place.x) }
    for row in rows.values {
      let sorted = row.sorted()
      for (left, right) in zip(sorted, sorted.dropFirst()) { #expect(right - left >= GraphLayout.boxWidth) }
      #expect((sorted.first ?? 0) >= GraphLayout.boxWidth / 2)
      #expect((sorted.last ?? 0) <= layout.width - GraphLayout.boxWidth / 2)
    }
  }

  @Test func aChainIsStraight() {
    let layout = GraphLayout(boxCount: 5, edges: (0..<4).map { ($0, $0 + 1) })
    #expect(Set(layout.boxes.map(\.x)).count == 1)
  }

  private var hostile: ModelDefinition {
    var graph = Graph(name: "</script><b>\"&")
    graph.values = [Value(name: "in\"\\\n", type: .tensor(TensorType(.float32, Shape([2])))), Value(name: "<out>")]
    graph.nodes = [Node(name: "a<b>&\"c", operatorName: "Relu", sinceVersion: 14, inputs: [0], outputs: [1])]
    graph.inputs = [0]
    graph.outputs = [1]
    return ModelDefinition(graphs: [graph])
  }

  @Test func namesCanNotBreakThePage() {
    let page = GraphPage(hostile, title: "</title><script>", summary: [("<k>", "<v>")]).text
    #expect(!page.contains("<b>"))
    #expect(!page.contains("<out>"))
    #expect(!page.contains("<v>"))
    #expect(page.components(separatedBy: "<script>").count == 2)
    #expect(page.components(separatedBy: "</script>").count == 2)
    // It loads nothing: the one address is the name of SVG's elements.
    #expect(page.components(separatedBy: "://").count == page.components(separatedBy: "\"http://www.w3.org/2000/svg\"").count)
    #expect(!page.contains("src="))
  }

  @Test func namesCanNotBreakTheDotFile() {
    let text = GraphDot.text(hostile)
    #expect(text.contains(#"label="in\"\\\n"#))
    #expect(text.filter { $0 == "{" }.count == 1)
    #expect(text.contains("g0_0 -> g0_1"))
    #expect(text.contains("g0_1 -> g0_2"))
  }
}
