/// Places of boxes in layers: every arrow points down. The method of Sugiyama, Tagawa and Toda (Methods for visual understanding
/// of hierarchical system structures, 1981): layers by longest path, order within layers by barycentres, then positions. Arrows
/// over several layers pass through points of their own, so that they do not run through boxes.
struct GraphLayout {
  struct Place {
    var x: Double
    var y: Double
  }

  /// The centre of each box.
  private(set) var boxes: [Place] = []
  /// The points of each arrow from box to box, both ends left out.
  private(set) var bends: [[Place]] = []
  private(set) var width = 0.0
  private(set) var height = 0.0

  /// Of a box; the points of long arrows take `bendWidth`.
  static let boxWidth = 168.0
  static let boxHeight = 40.0
  private static let bendWidth = 14.0
  private static let gap = 22.0
  private static let layerHeight = 84.0
  private static let margin = 24.0
  private static let sweeps = 8
  /// An arrow over more layers than this goes straight: its points would make large pictures slow.
  private static let longestBend = 60

  private var layerOf: [Int] = []
  private var layers: [[Int]] = []
  private var above: [[Int]] = []
  private var below: [[Int]] = []
  private var boxCount: Int
  private var x: [Double] = []

  /// - Parameter edges: from and to; `from` comes before `to` in the order of the boxes.
  init(boxCount: Int, edges: [(from: Int, to: Int)]) {
    self.boxCount = boxCount
    layerOf = Array(repeating: 0, count: boxCount)
    for edge in edges { layerOf[edge.to] = max(layerOf[edge.to], layerOf[edge.from] + 1) }
    // Each box stands right above its first reader: what is computed of constants alone is not all on top.
    var readers: [[Int]] = Array(repeating: [], count: boxCount)
    for edge in edges { readers[edge.from].append(edge.to) }
    for box in (0..<boxCount).reversed() {
      if let first = readers[box].map({ layerOf[$0] }).min() { layerOf[box] = first - 1 }
    }
    above = Array(repeating: [], count: boxCount)
    below = Array(repeating: [], count: boxCount)
    let chains = edges.map { route($0.from, $0.to) }
    layers = Array(repeating: [], count: (layerOf.max() ?? -1) + 1)
    for item in layerOf.indices { layers[layerOf[item]].append(item) }
    order()
    position()
    let shift = (x.min() ?? 0) - GraphLayout.boxWidth / 2 - GraphLayout.margin
    func place(_ item: Int) -> Place {
      Place(
        x: x[item] - shift,
        y: Double(layerOf[item]) * GraphLayout.layerHeight + GraphLayout.boxHeight / 2 + GraphLayout.margin)
    }
    boxes = (0..<boxCount).map(place)
    bends = chains.map { $0.map(place) }
    width = (x.max() ?? 0) - shift + GraphLayout.boxWidth / 2 + GraphLayout.margin
    height = Double(max(layers.count, 1) - 1) * GraphLayout.layerHeight + GraphLayout.boxHeight + 2 * GraphLayout.margin
  }

  /// Adds a point to each layer between two boxes.
  private mutating func route(_ from: Int, _ to: Int) -> [Int] {
    let distance = layerOf[to] - layerOf[from]
    var chain: [Int] = []
    var last = from
    if distance <= GraphLayout.longestBend {
      for layer in (layerOf[from] + 1)..<max(layerOf[to], layerOf[from] + 1) {
        let point = layerOf.count
        layerOf.append(layer)
        above.append([last])
        below.append([])
        below[last].append(point)
        chain.append(point)
        last = point
      }
    }
    below[last].append(to)
    above[to].append(last)
    return chain
  }

  /// Sorts each layer by the mean place of the neighbours above, then below, a few times.
  private mutating func order() {
    var rank = Array(repeating: 0.0, count: layerOf.count)
    func number(_ layer: [Int]) { for (index, item) in layer.enumerated() { rank[item] = Double(index) } }
    for layer in layers { number(layer) }
    for sweep in 0..<GraphLayout.sweeps {
      let down = sweep % 2 == 0
      for index in down ? Array(layers.indices) : layers.indices.reversed() {
        var keys: [(key: Double, position: Int, item: Int)] = []
        for (position, item) in layers[index].enumerated() {
          let neighbours = down ? above[item] : below[item]
          let mean = neighbours.isEmpty ? rank[item] : neighbours.reduce(0) { $0 + rank[$1] } / Double(neighbours.count)
          keys.append((mean, position, item))
        }
        keys.sort { ($0.key, $0.position) < ($1.key, $1.position) }
        layers[index] = keys.map(\.item)
        number(layers[index])
      }
    }
  }

  private func halfWidth(_ item: Int) -> Double { (item < boxCount ? GraphLayout.boxWidth : GraphLayout.bendWidth) / 2 }

  /// Gives each item the mean x of its neighbours as far as the order and the widths of its layer allow.
  private mutating func position() {
    x = Array(repeating: 0, count: layerOf.count)
    for layer in layers {
      var right = 0.0
      for item in layer {
        x[item] = right + halfWidth(item)
        right = x[item] + halfWidth(item) + GraphLayout.gap
      }
      for item in layer { x[item] -= right / 2 }
    }
    for sweep in 0..<GraphLayout.sweeps {
      let down = sweep % 2 == 0
      for index in down ? Array(layers.indices) : layers.indices.reversed() { settle(layers[index], down) }
    }
  }

  /// The least-squares places of one layer under the order: pools of neighbouring items that touch move as one (isotonic
  /// regression by pooling adjacent violators).
  private mutating func settle(_ layer: [Int], _ down: Bool) {
    // Each item's wish in a coordinate in which items that touch have the same place.
    var pools: [(sum: Double, count: Double, items: Int)] = []
    var offsets: [Double] = []
    var offset = 0.0
    for (position, item) in layer.enumerated() {
      if position > 0 { offset += halfWidth(layer[position - 1]) + GraphLayout.gap + halfWidth(item) }
      offsets.append(offset)
      let neighbours = down ? above[item] : below[item]
      let wish = neighbours.isEmpty ? x[item] : neighbours.reduce(0) { $0 + x[$1] } / Double(neighbours.count)
      // Points of one long arrow pull harder: straight arrows are easy to follow.
      let weight = item >= boxCount ? 2.0 : 1.0
      pools.append(((wish - offset) * weight, weight, 1))
      while pools.count > 1,
        pools[pools.count - 2].sum / pools[pools.count - 2].count > pools[pools.count - 1].sum / pools[pools.count - 1].count
      {
        let last = pools.removeLast()
        pools[pools.count - 1].sum += last.sum
        pools[pools.count - 1].count += last.count
        pools[pools.count - 1].items += last.items
      }
    }
    var position = 0
    for pool in pools {
      for _ in 0..<pool.items {
        x[layer[position]] = pool.sum / pool.count + offsets[position]
        position += 1
      }
    }
  }
}
