import ApusGraph

/// Parts of tensors, and tensors of parts, for host operators. Works on all types of whole bytes, and on strings.
extension HostContext {
  /// A tensor as `[outer, extent, inner]` around an axis.
  private struct Axis {
    let outer: Int
    let extent: Int
    /// Elements.
    let inner: Int

    init(_ extents: [Int], _ axis: Int) {
      outer = extents[..<axis].reduce(1, &*)
      extent = extents[axis]
      inner = extents[(axis + 1)...].reduce(1, &*)
    }
  }

  private func width(_ tensor: RuntimeTensor) throws(ApusError) -> Int {
    if let width = tensor.elementType.byteWidth { return width }
    throw ApusError(
      .unsupportedType, "the operator takes tensors of whole bytes", operatorName: node.node.label,
      actual: tensor.elementType.name.text)
  }

  /// `count` indices of `axis` from `start` on; the caller has checked that they are there.
  func slice(_ tensor: RuntimeTensor, axis: Int, start: Int, count: Int) throws(ApusError) -> RuntimeTensor {
    let view = Axis(tensor.extents, axis)
    var extents = tensor.extents
    extents[axis] = count
    if tensor.elementType == .string {
      let strings = tensor.strings
      var part: [[UInt8]] = []
      for outer in 0..<view.outer {
        let first = (outer * view.extent + start) * view.inner
        part += strings[first..<first + count * view.inner]
      }
      return try makeTensor(strings: part, extents)
    }
    let block = view.inner * (try width(tensor))
    let result = try makeTensor(tensor.elementType, extents)
    for outer in 0..<view.outer where count * block > 0 {
      let source = UnsafeRawBufferPointer(
        rebasing: tensor.bytes[((outer * view.extent + start) * block)...].prefix(count * block))
      UnsafeMutableRawBufferPointer(rebasing: result.mutableBytes[(outer * count * block)...]).copyMemory(from: source)
    }
    return result
  }

  /// The tensors joined along `axis`: one element type, and equal extents along the other axes.
  func concatenate(_ tensors: [RuntimeTensor], axis: Int) throws(ApusError) -> RuntimeTensor {
    guard let first = tensors.first else { throw error("nothing to join", expected: "at least one tensor") }
    var extents = first.extents
    guard axis >= 0, axis < extents.count else {
      throw error("axis out of range", expected: "below rank \(extents.count)", actual: "\(axis)")
    }
    extents[axis] = 0
    for tensor in tensors {
      var other = tensor.extents
      guard other.count == extents.count, tensor.elementType == first.elementType else {
        throw error(
          "tensors of a sequence differ", expected: Shape(first.extents).text(symbols: []),
          actual: Shape(other).text(symbols: []))
      }
      let extent = other[axis]
      other[axis] = extents[axis]
      guard other == extents else {
        throw error(
          "tensors of a sequence differ in extent", expected: Shape(first.extents).text(symbols: []),
          actual: Shape(tensor.extents).text(symbols: []))
      }
      extents[axis] = try extents[axis].checkedAdding(extent)
    }
    let outer = Axis(extents, axis).outer
    if first.elementType == .string {
      let lists = tensors.map { $0.strings }
      var joined: [[UInt8]] = []
      for row in 0..<outer {
        for (index, tensor) in tensors.enumerated() {
          let view = Axis(tensor.extents, axis)
          let length = view.extent * view.inner
          joined += lists[index][row * length..<(row + 1) * length]
        }
      }
      return try makeTensor(strings: joined, extents)
    }
    let width = try width(first)
    let result = try makeTensor(first.elementType, extents)
    var place = 0
    for row in 0..<outer {
      for tensor in tensors {
        let view = Axis(tensor.extents, axis)
        let length = view.extent * view.inner * width
        if length == 0 { continue }
        let source = UnsafeRawBufferPointer(rebasing: tensor.bytes[(row * length)...].prefix(length))
        UnsafeMutableRawBufferPointer(rebasing: result.mutableBytes[place...]).copyMemory(from: source)
        place += length
      }
    }
    return result
  }

  /// The tensors side by side along a new axis.
  func stack(_ tensors: [RuntimeTensor], axis: Int) throws(ApusError) -> RuntimeTensor {
    guard let rank = tensors.first?.extents.count, axis >= 0, axis <= rank else {
      throw error("axis out of range", expected: "at most the rank", actual: "\(axis)")
    }
    return try concatenate(
      tensors.map { tensor in
        var extents = tensor.extents
        extents.insert(1, at: min(axis, extents.count))
        return tensor.reshaped(extents)
      }, axis: axis)
  }
}
