import ApusGraph
import CApusKernels

extension HostContext {
  /// Memory for `count` numbers, for the operator's own use.
  fileprivate func numbers(_ count: Int) throws(ApusError) -> RuntimeTensor {
    try RuntimeTensor(.int64, [count], memory: memory)
  }

  fileprivate func unsupportedType(_ tensor: RuntimeTensor) -> ApusError {
    ApusError(
      .unsupportedType, "the operator does not run with this element type", operatorName: node.node.node.label,
      actual: tensor.elementType.name.text)
  }

  /// Bytes of an element of a type of whole bytes.
  fileprivate func width(_ tensor: RuntimeTensor) throws(ApusError) -> Int {
    guard let width = tensor.elementType.byteWidth else { throw unsupportedType(tensor) }
    return width
  }

  /// The slices of `tensor` along `axis` at the places `kept`, as a new tensor.
  fileprivate func slices(
    _ tensor: RuntimeTensor, axis: Int, at kept: UnsafeBufferPointer<Int64>, extents: [Int]
  ) throws(ApusError) -> RuntimeTensor {
    let result = try makeTensor(tensor.elementType, extents)
    let block = try checkedElementCount(Array(tensor.extents[(axis + 1)...])).checkedMultiplied(by: try width(tensor))
    let outer = try checkedElementCount(Array(tensor.extents[..<axis]))
    guard block > 0, let source = tensor.bytes.baseAddress, let target = result.mutableBytes.baseAddress else { return result }
    for row in 0..<outer {
      for (position, place) in kept.enumerated() {
        (target + (row * kept.count + position) * block).copyMemory(
          from: source + (row * tensor.extents[axis] + Int(place)) * block, byteCount: block)
      }
    }
    return result
  }
}

extension RuntimeTensor {
  fileprivate var mutableNumbers: UnsafeMutableBufferPointer<Int64> { mutableBytes.bindMemory(to: Int64.self) }
}

extension HostBinding {
  static let nonZero = HostBinding("NonZero") { context throws(ApusError) in
    let tensor = try context.tensor(0)
    let type = tensor.elementType.rawValue
    let found = apusk_count_non_zero(type, tensor.bytes.baseAddress, Int64(tensor.elementCount))
    guard found >= 0 else { throw context.unsupportedType(tensor) }
    // A scalar is looked at as a tensor of one element.
    let extents = tensor.extents.isEmpty ? [1] : tensor.extents
    let result = try context.makeTensor(.int64, [tensor.extents.count, Int(found)])
    if !tensor.extents.isEmpty {
      _ = apusk_non_zero(
        type, tensor.bytes.baseAddress, Int32(extents.count), extents.map { Int64($0) }, found,
        result.mutableNumbers.baseAddress)
    }
    context.setOutput(0, .tensor(result))
  }

  static let compress = HostBinding("Compress") { context throws(ApusError) in
    var tensor = try context.tensor(0)
    let condition = try context.tensor(1)
    var axis = 0
    if let stated = context.attributes.int("axis") {
      axis = try context.node.context.normalizedAxis(stated, rank: tensor.extents.count)
    } else {
      tensor = tensor.reshaped([tensor.elementCount])
    }
    let extent = tensor.extents[axis]
    var count = 0
    for (place, flag) in condition.bytes.enumerated() where flag != 0 {
      guard place < extent else {
        throw ApusError(
          .valueOutOfRange, "a condition is true beyond the axis", operatorName: context.node.node.node.label,
          expected: "a place below \(extent)", actual: "\(place)")
      }
      count += 1
    }
    let places = try context.numbers(count)
    var next = 0
    for (place, flag) in condition.bytes.enumerated() where flag != 0 {
      places.mutableNumbers[next] = Int64(place)
      next += 1
    }
    var extents = tensor.extents
    extents[axis] = count
    context.setOutput(
      0, .tensor(try context.slices(tensor, axis: axis, at: UnsafeBufferPointer(places.mutableNumbers), extents: extents)))
  }

  static let unique = HostBinding("Unique") { context throws(ApusError) in
    var tensor = try context.tensor(0)
    var axis = 0
    if let stated = context.attributes.int("axis") {
      axis = try context.node.context.normalizedAxis(stated, rank: tensor.extents.count)
    } else {
      tensor = tensor.reshaped([tensor.elementCount])
    }
    let count = tensor.extents[axis]
    let (order, groups, scratch) = (try context.numbers(count), try context.numbers(count), try context.numbers(count))
    let classes = Int(
      apusk_unique(
        tensor.elementType.rawValue, tensor.bytes.baseAddress,
        Int64(try checkedElementCount(Array(tensor.extents[..<axis]))), Int64(count),
        Int64(try checkedElementCount(Array(tensor.extents[(axis + 1)...]))), order.mutableNumbers.baseAddress,
        groups.mutableNumbers.baseAddress, scratch.mutableNumbers.baseAddress))
    guard classes >= 0 else { throw context.unsupportedType(tensor) }
    let first = try context.makeTensor(.int64, [classes])
    let inverse = try context.makeTensor(.int64, [count])
    let counts = try context.makeTensor(.int64, [classes])
    // In order of value. The sort is stable: the first of a class is the first in the tensor.
    counts.mutableNumbers.update(repeating: 0)
    for position in 0..<count {
      let (group, place) = (Int(groups.mutableNumbers[position]), order.mutableNumbers[position])
      if counts.mutableNumbers[group] == 0 { first.mutableNumbers[group] = place }
      counts.mutableNumbers[group] += 1
      inverse.mutableNumbers[Int(place)] = Int64(group)
    }
    if !context.attributes.flag("sorted") { reorder(first.mutableNumbers, inverse.mutableNumbers, counts.mutableNumbers) }
    var extents = tensor.extents
    extents[axis] = classes
    context.setOutput(
      0, .tensor(try context.slices(tensor, axis: axis, at: UnsafeBufferPointer(first.mutableNumbers), extents: extents)))
    context.setOutput(1, .tensor(first))
    context.setOutput(2, .tensor(inverse))
    context.setOutput(3, .tensor(counts))
  }

  /// Renumbers classes by their first places in the tensor.
  private static func reorder(
    _ first: UnsafeMutableBufferPointer<Int64>, _ inverse: UnsafeMutableBufferPointer<Int64>,
    _ counts: UnsafeMutableBufferPointer<Int64>
  ) {
    let order = sortedOrder(first.count) { first[$0] < first[$1] }
    let (oldFirst, oldCounts) = (Array(first), Array(counts))
    var numbers = Array(repeating: Int64(0), count: order.count)
    for (new, old) in order.enumerated() {
      first[new] = oldFirst[old]
      counts[new] = oldCounts[old]
      numbers[old] = Int64(new)
    }
    for index in inverse.indices { inverse[index] = numbers[Int(inverse[index])] }
  }

  static let nonMaxSuppression = HostBinding("NonMaxSuppression") { context throws(ApusError) in
    let (boxes, scores) = (try context.tensor(0), try context.tensor(1))
    guard boxes.extents.count == 3, scores.extents.count == 3, boxes.extents[2] == 4, boxes.extents[0] == scores.extents[0],
      boxes.extents[1] == scores.extents[2]
    else {
      throw context.error(
        "boxes and scores do not fit", expected: "[batch, boxes, 4] and [batch, classes, boxes]",
        actual: Shape(boxes.extents).text(symbols: []) + " and " + Shape(scores.extents).text(symbols: []))
    }
    let (batch, classes, count) = (scores.extents[0], scores.extents[1], scores.extents[2])
    let limit = min(max(Int(context.integer(2) ?? 0), 0), count)
    let overlap = context.float(3) ?? 0
    let threshold = context.float(4) ?? -.infinity
    guard overlap >= 0, overlap <= 1 else {
      throw ApusError(
        .valueOutOfRange, "iou_threshold is out of range", operatorName: context.node.node.node.label, expected: "0 to 1",
        actual: "\(overlap)")
    }
    let lists = try batch.checkedMultiplied(by: classes)
    let selected = try context.numbers(try lists.checkedMultiplied(by: limit))
    let scratch = try context.numbers(try count.checkedMultiplied(by: 2))
    var counts: [Int] = []
    var total = 0
    if limit > 0 {
      let boxValues = boxes.bytes.bindMemory(to: Float.self), scoreValues = scores.bytes.bindMemory(to: Float.self)
      for list in 0..<lists {
        guard let box = boxValues.baseAddress, let score = scoreValues.baseAddress,
          let target = selected.mutableNumbers.baseAddress
        else { break }
        let found = Int(
          apusk_non_max_suppression(
            box + list / classes * count * 4, score + list * count, Int64(count),
            context.attributes.flag("center_point_box") ? 1 : 0, overlap, threshold, Int64(limit),
            scratch.mutableNumbers.baseAddress, target + list * limit))
        counts.append(found)
        total += found
      }
    }
    let result = try context.makeTensor(.int64, [total, 3])
    var next = 0
    for (list, found) in counts.enumerated() {
      for position in 0..<found {
        result.mutableNumbers[next] = Int64(list / classes)
        result.mutableNumbers[next + 1] = Int64(list % classes)
        result.mutableNumbers[next + 2] = selected.mutableNumbers[list * limit + position]
        next += 3
      }
    }
    context.setOutput(0, .tensor(result))
  }
}

extension HostContext {
  /// The first element of a float32 input; nil where it is left out or empty.
  fileprivate func float(_ index: Int) -> Float? {
    guard let tensor = optionalTensor(index), tensor.elementType == .float32, tensor.byteCount >= 4 else { return nil }
    return tensor.bytes.loadUnaligned(as: Float.self)
  }
}
