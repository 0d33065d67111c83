import ApusGraph

extension HostContext {
  /// The elements of a sequence input, and their type.
  fileprivate func sequence(_ index: Int) throws(ApusError) -> ([RuntimeValue], ValueType) {
    guard index < inputs.count, case .sequence(let elements, let type) = inputs[index] else {
      throw error("input \(index) is no sequence", expected: "sequence")
    }
    return (elements, type)
  }

  /// A position in a sequence; negative ones count from the end.
  fileprivate func position(_ index: Int, below bound: Int, of count: Int) throws(ApusError) -> Int? {
    guard let stated = integer(index) else { return nil }
    guard stated >= -Int64(count), stated < Int64(bound) else {
      throw ApusError(
        .valueOutOfRange, "a position is out of range", operatorName: node.node.label, tensorName: "position",
        expected: "-\(count) <= position < \(bound)", actual: "\(stated)")
    }
    return stated < 0 ? Int(stated) + count : Int(stated)
  }
}

extension HostBinding {
  static let sequenceConstruct = HostBinding("SequenceConstruct") { context throws(ApusError) in
    var elements: [RuntimeValue] = []
    for index in context.inputs.indices { elements.append(.tensor(try context.tensor(index))) }
    let type = ValueType.tensor(TensorType(try context.tensor(0).elementType, nil))
    context.setOutput(0, .sequence(elements, type))
  }

  static let sequenceEmpty = HostBinding("SequenceEmpty") { context throws(ApusError) in
    let code = Int32(truncatingIfNeeded: context.attributes.int("dtype") ?? 1)
    context.setOutput(0, .sequence([], .tensor(TensorType(ElementType(rawValue: code) ?? .float32, nil))))
  }

  static let sequenceAt = HostBinding("SequenceAt") { context throws(ApusError) in
    let (elements, _) = try context.sequence(0)
    guard let position = try context.position(1, below: elements.count, of: elements.count) else {
      throw context.error("no position")
    }
    context.setOutput(0, elements[position])
  }

  static let sequenceInsert = HostBinding("SequenceInsert") { context throws(ApusError) in
    var (elements, type) = try context.sequence(0)
    guard let value = context.inputs[1] else { throw context.error("no value to insert") }
    let position = try context.position(2, below: elements.count + 1, of: elements.count)
    elements.insert(value, at: position ?? elements.count)
    context.setOutput(0, .sequence(elements, type))
  }

  static let sequenceErase = HostBinding("SequenceErase") { context throws(ApusError) in
    var (elements, type) = try context.sequence(0)
    guard !elements.isEmpty else { throw context.error("the sequence has no element", expected: "at least 1", actual: "0") }
    elements.remove(at: try context.position(1, below: elements.count, of: elements.count) ?? elements.count - 1)
    context.setOutput(0, .sequence(elements, type))
  }

  static let sequenceLength = HostBinding("SequenceLength") { context throws(ApusError) in
    let (elements, _) = try context.sequence(0)
    let length = try context.makeTensor(.int64, [])
    length.mutableBytes.storeBytes(of: Int64(elements.count), as: Int64.self)
    context.setOutput(0, .tensor(length))
  }

  static let splitToSequence = HostBinding("SplitToSequence") { context throws(ApusError) in
    let tensor = try context.tensor(0)
    let axis = try context.node.context.normalizedAxis(context.attributes.int("axis") ?? 0, rank: tensor.extents.count)
    let extent = tensor.extents[axis]
    var sizes: [Int] = []
    var squeezes = false
    if let split = context.optionalTensor(1) {
      let stated = split.elementType.integers(Array(split.bytes)) ?? []
      if split.extents.isEmpty {
        guard let size = stated.first, size > 0 else {
          throw context.error("a part's extent is not positive", expected: "1 or more", actual: "\(stated.first ?? 0)")
        }
        var rest = extent
        while rest > 0 {
          sizes.append(min(rest, Int(clamping: size)))
          rest -= min(rest, Int(clamping: size))
        }
      } else {
        var sum = 0
        for size in stated {
          guard size >= 0 else { throw context.error("a part's extent is negative", actual: "\(size)") }
          sizes.append(Int(clamping: size))
          sum = try sum.checkedAdding(Int(clamping: size))
        }
        guard sum == extent else {
          throw context.error("the parts do not make up the axis", expected: "\(extent)", actual: "\(sum)")
        }
      }
    } else {
      sizes = Array(repeating: 1, count: extent)
      squeezes = !context.attributes.flag("keepdims")
    }
    var parts: [RuntimeValue] = []
    var start = 0
    for size in sizes {
      var part = try context.slice(tensor, axis: axis, start: start, count: size)
      if squeezes {
        var extents = part.extents
        extents.remove(at: axis)
        part = part.reshaped(extents)
      }
      parts.append(.tensor(part))
      start += size
    }
    context.setOutput(0, .sequence(parts, .tensor(TensorType(tensor.elementType, nil))))
  }

  static let concatFromSequence = HostBinding("ConcatFromSequence") { context throws(ApusError) in
    let (elements, _) = try context.sequence(0)
    var tensors: [RuntimeTensor] = []
    for element in elements {
      guard let tensor = element.tensor else { throw context.error("an element is no tensor") }
      tensors.append(tensor)
    }
    let isNew = context.attributes.flag("new_axis")
    let rank = (tensors.first?.extents.count ?? 0) + (isNew ? 1 : 0)
    let axis = try context.node.context.normalizedAxis(context.attributes.int("axis") ?? 0, rank: rank)
    context.setOutput(
      0, .tensor(isNew ? try context.stack(tensors, axis: axis) : try context.concatenate(tensors, axis: axis)))
  }

  static let sequenceMap = HostBinding("SequenceMap") { context throws(ApusError) in
    let (first, _) = try context.sequence(0)
    let signature = try context.signature("body")
    var columns: [[RuntimeValue]] = Array(repeating: [], count: context.outputs.count)
    for index in first.indices {
      var arguments: [RuntimeValue] = []
      for input in context.inputs {
        guard case .sequence(let elements, _) = input else {
          guard let input else { throw context.error("an input is left out") }
          arguments.append(input)
          continue
        }
        guard elements.count == first.count else {
          throw context.error("sequences differ in length", expected: "\(first.count)", actual: "\(elements.count)")
        }
        arguments.append(elements[index])
      }
      let results = try context.run("body", arguments)
      guard results.count >= columns.count else {
        throw context.error("the body has too few outputs", expected: "\(columns.count)", actual: "\(results.count)")
      }
      for column in columns.indices { columns[column].append(results[column]) }
    }
    for (index, column) in columns.enumerated() {
      let declared = index < signature.outputs.count ? signature.outputs[index].type : nil
      let element = column.first?.tensor.map { ValueType.tensor(TensorType($0.elementType, nil)) } ?? column.first?.type
      context.setOutput(index, .sequence(column, element ?? declared ?? .tensor(TensorType(.float32, nil))))
    }
  }

  static let optional = HostBinding("Optional") { context throws(ApusError) in
    if let value = context.inputs.first ?? nil { return context.setOutput(0, value) }
    context.setOutput(0, .absent(context.attributes.type("type") ?? .tensor(TensorType(.float32, nil))))
  }

  static let optionalGetElement = HostBinding("OptionalGetElement") { context throws(ApusError) in
    guard let value = context.inputs.first ?? nil else { throw context.error("the input is left out") }
    if case .absent = value {
      throw ApusError(
        .valueOutOfRange, "the optional holds nothing", operatorName: context.node.node.label, expected: "an element")
    }
    context.setOutput(0, value)
  }

  static let optionalHasElement = HostBinding("OptionalHasElement") { context throws(ApusError) in
    var has: UInt8 = 1
    switch context.inputs.first ?? nil {
    case .none, .some(.absent): has = 0
    default: break
    }
    let result = try context.makeTensor(.bool, [])
    result.mutableBytes.storeBytes(of: has, as: UInt8.self)
    context.setOutput(0, .tensor(result))
  }
}
