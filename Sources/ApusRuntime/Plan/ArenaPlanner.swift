/// Places the arena buffers of a plan so that those that live at the same time do not overlap.
///
/// Greedy by size: the largest buffer first, each at the lowest offset that is free over its whole life.
struct ArenaPlanner {
  static let alignment = 64

  /// Sets `arenaOffset` of each arena buffer and returns the arena's size in bytes; nil on overflow.
  static func place(_ buffers: inout [PlannedBuffer]) -> Int? {
    let order = buffers.indices.filter { buffers[$0].isArena && buffers[$0].lastStep >= 0 }.sorted { a, b in
      if buffers[a].byteCount != buffers[b].byteCount { return buffers[a].byteCount > buffers[b].byteCount }
      return a < b
    }
    /// Positions of the buffers placed so far, by offset.
    var placed: [Int] = []
    var total = 0
    for index in order {
      let (padded, overflow) = max(buffers[index].byteCount, 1).addingReportingOverflow(alignment - 1)
      guard !overflow else { return nil }
      let size = padded / alignment * alignment
      var offset = 0
      for other in placed where overlap(buffers[index], buffers[other]) {
        if buffers[other].arenaOffset - offset >= size { break }
        let end = buffers[other].arenaOffset + (buffers[other].byteCount + alignment - 1) / alignment * alignment
        offset = max(offset, end)
      }
      buffers[index].arenaOffset = offset
      let (end, overflow2) = offset.addingReportingOverflow(size)
      guard !overflow2 else { return nil }
      total = max(total, end)
      let position = placed.firstIndex { buffers[$0].arenaOffset > offset } ?? placed.count
      placed.insert(index, at: position)
    }
    return total
  }

  private static func overlap(_ a: PlannedBuffer, _ b: PlannedBuffer) -> Bool {
    a.firstStep <= b.lastStep && b.firstStep <= a.lastStep
  }
}
