import ApusGraph

/// Places the arena buffers of a plan so that those that live at the same time do not overlap.
struct ArenaPlanner {
  static let alignment = 64
  /// Greedy by size takes time in the square of the buffers: for more than these, first fit in order of time must do.
  static let greedyBuffers = 8192

  /// Sets `arenaOffset` of each arena buffer and returns the arena's size in bytes; nil on overflow.
  static func place(_ buffers: inout [PlannedBuffer]) -> Int? {
    let count = buffers.count { $0.isArena && $0.lastStep >= 0 }
    return count <= greedyBuffers ? placeBySize(&buffers) : placeByTime(&buffers)
  }

  /// The most bytes that live at a time: the lower bound of an arena.
  static func liveBytes(_ buffers: [PlannedBuffer]) -> Int {
    let used = used(buffers)
    var most = 0
    for moment in used {
      // A maximum begins with a buffer.
      let step = buffers[moment].firstStep
      var sum = 0
      for index in used where buffers[index].firstStep <= step && step <= buffers[index].lastStep {
        sum += paddedSize(buffers[index]) ?? 0
      }
      most = max(most, sum)
    }
    return most
  }

  /// The largest buffer first, each at the lowest offset that is free over its whole life.
  static func placeBySize(_ buffers: inout [PlannedBuffer]) -> Int? {
    let order = used(buffers).inOrder { a, b in
      (buffers[b].byteCount, a) < (buffers[a].byteCount, b)
    }
    /// Positions of the buffers placed so far, by offset.
    var placed: [Int] = []
    var total = 0
    for index in order {
      let rivals = placed.filter { overlap(buffers[index], buffers[$0]) }
      guard let end = fit(index, among: rivals, &buffers) else { return nil }
      total = max(total, end)
      let offset = buffers[index].arenaOffset
      placed.insert(index, at: placed.firstIndex { buffers[$0].arenaOffset > offset } ?? placed.count)
    }
    return total
  }

  /// In order of their first step, each at the lowest offset that is free then.
  static func placeByTime(_ buffers: inout [PlannedBuffer]) -> Int? {
    let order = used(buffers).inOrder { a, b in
      (buffers[a].firstStep, a) < (buffers[b].firstStep, b)
    }
    /// Positions of the buffers that live, by offset.
    var alive: [Int] = []
    var total = 0
    for index in order {
      alive.removeAll { buffers[$0].lastStep < buffers[index].firstStep }
      guard let end = fit(index, among: alive, &buffers) else { return nil }
      total = max(total, end)
      let offset = buffers[index].arenaOffset
      alive.insert(index, at: alive.firstIndex { buffers[$0].arenaOffset > offset } ?? alive.count)
    }
    return total
  }

  private static func used(_ buffers: [PlannedBuffer]) -> [Int] {
    buffers.indices.filter { buffers[$0].isArena && buffers[$0].lastStep >= 0 }
  }

  /// Places a buffer in the lowest gap among others, which are given by offset. Returns where it ends; nil on overflow.
  private static func fit(_ index: Int, among others: [Int], _ buffers: inout [PlannedBuffer]) -> Int? {
    guard let size = paddedSize(buffers[index]) else { return nil }
    var offset = 0
    for other in others {
      if buffers[other].arenaOffset - offset >= size { break }
      // It was placed, so its size and end are known to fit.
      offset = max(offset, buffers[other].arenaOffset + (paddedSize(buffers[other]) ?? 0))
    }
    let (end, overflow) = offset.addingReportingOverflow(size)
    guard !overflow else { return nil }
    buffers[index].arenaOffset = offset
    return end
  }

  /// At least one unit, so that no two buffers share an address.
  private static func paddedSize(_ buffer: PlannedBuffer) -> Int? {
    let (padded, overflow) = max(buffer.byteCount, 1).addingReportingOverflow(alignment - 1)
    return overflow ? nil : padded / alignment * alignment
  }

  private static func overlap(_ a: PlannedBuffer, _ b: PlannedBuffer) -> Bool {
    a.firstStep <= b.lastStep && b.firstStep <= a.lastStep
  }
}
