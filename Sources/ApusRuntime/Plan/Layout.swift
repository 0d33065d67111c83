import ApusGraph

/// How the elements of a value lie in memory. Inputs, outputs and constants are plain.
public enum Layout: Sendable {
  /// Row-major in the model's own axis order.
  case plain
  /// `[N, D1, ..., C]` for a value of shape `[N, C, D1, ...]`.
  case channelsLast

  /// Whether a value of these extents lies the same way in both layouts.
  static func coincide(_ extents: [Int]) -> Bool {
    guard extents.count >= 3 else { return true }
    if extents[1] <= 1 { return true }
    for extent in extents[2...] where extent != 1 { return false }
    return true
  }

  /// The axis order that takes the plain layout to channels-last: `[0, 2, ..., 1]`.
  static func channelsLastOrder(rank: Int) -> [Int] { [0] + Array(2..<rank) + [1] }

  /// The axis order that takes channels-last to the plain layout: `[0, rank - 1, 1, ...]`.
  static func plainOrder(rank: Int) -> [Int] { [0, rank - 1] + Array(1..<(rank - 1)) }
}

extension PlanBuilder {
  /// The layout in which a value lies already; plain where both do.
  func layout(of id: ValueID) throws(ApusError) -> Layout {
    try isAvailable(id, .plain) || constantTensor(id) != nil ? .plain : .channelsLast
  }
}
