/// The equation of an Einsum: a label for each axis of each operand and of the result.
///
/// Letters are labels 65 and above; the axes of an ellipsis have labels below 64, counted from the last axis, and are broadcast.
public struct EinsumEquation: Sendable {
  public var operands: [[Int]]
  public var result: [Int]

  /// Reads `ij,jk->ik`, with the ranks of the operands.
  ///
  /// Without an arrow the result has the ellipsis, then the letters that stand once, in alphabetical order.
  /// - Throws: `invalid_attribute` where the text is no equation for these ranks.
  public init(_ text: Name, ranks: [Int], context: InferenceContext) throws(ApusError) {
    let bytes = text.bytes.filter { $0 != 32 }
    func wrong(_ expected: String) -> ApusError {
      context.attributeError("equation", expected: expected, actual: text.string)
    }
    var left = bytes[...]
    var right: ArraySlice<UInt8>?
    if let dash = bytes.firstIndex(of: 45) {
      guard dash + 1 < bytes.count, bytes[dash + 1] == 62 else { throw wrong("'->'") }
      left = bytes[..<dash]
      right = bytes[(dash + 2)...]
    }
    let terms = left.split(separator: 44, omittingEmptySubsequences: false)
    guard terms.count == ranks.count else { throw wrong("\(ranks.count) terms") }
    operands = []
    var broadcastAxes = 0
    for (term, rank) in zip(terms, ranks) {
      let (before, after, hasEllipsis) = try EinsumEquation.split(term, wrong)
      let hidden = rank - before.count - after.count
      guard hidden >= 0, hasEllipsis || hidden == 0 else { throw wrong("a label for each of the \(rank) axes") }
      broadcastAxes = max(broadcastAxes, hidden)
      operands.append(before + (0..<hidden).reversed() + after)
    }
    let ellipsis = Array((0..<broadcastAxes).reversed())
    guard let right else {
      var letters: [Int] = []
      for label in 65..<128 where operands.reduce(0, { $0 + $1.count { $0 == label } }) == 1 { letters.append(label) }
      result = ellipsis + letters
      return
    }
    let (before, after, hasEllipsis) = try EinsumEquation.split(right, wrong)
    result = before + (hasEllipsis ? ellipsis : []) + after
    for (position, label) in result.enumerated() {
      guard !result[..<position].contains(label) else { throw wrong("each label once in the result") }
      guard operands.contains(where: { $0.contains(label) }) else { throw wrong("labels of the operands in the result") }
    }
  }

  /// The letters of a term before and after its ellipsis.
  private static func split(
    _ term: ArraySlice<UInt8>, _ wrong: (String) -> ApusError
  ) throws(ApusError) -> (before: [Int], after: [Int], hasEllipsis: Bool) {
    var before: [Int] = []
    var after: [Int] = []
    var hasEllipsis = false
    var position = term.startIndex
    while position < term.endIndex {
      let byte = term[position]
      if byte == 46 {
        guard !hasEllipsis, position + 2 < term.endIndex, term[position + 1] == 46, term[position + 2] == 46 else {
          throw wrong("one '...' in a term")
        }
        hasEllipsis = true
        position += 3
        continue
      }
      guard (65...90).contains(byte) || (97...122).contains(byte) else { throw wrong("letters") }
      if hasEllipsis { after.append(Int(byte)) } else { before.append(Int(byte)) }
      position += 1
    }
    return (before, after, hasEllipsis)
  }

  /// The extent of a label; ellipsis axes are broadcast, others must agree.
  public func extent(_ label: Int, _ shapes: [Shape], _ context: InferenceContext) throws(ApusError) -> Dimension {
    var extent = Dimension.known(1)
    var isFirst = true
    for (labels, shape) in zip(operands, shapes) {
      for (axis, candidate) in labels.enumerated() where candidate == label {
        if isFirst {
          extent = shape[axis]
          isFirst = false
        } else if let whole = broadcast(Shape([extent]), Shape([shape[axis]])) {
          extent = whole[0]
        } else {
          throw context.error(
            "axes with one label have two extents", expected: Shape([extent]).text(symbols: []),
            actual: Shape([shape[axis]]).text(symbols: []))
        }
      }
    }
    return extent
  }
}

extension OperatorSchema {
  /// Sums of products in Einstein's notation: the result has the axes after `->`, all others are summed over.
  public static let einsum = OperatorSchema(
    name: "Einsum", versions: [12], inputs: [Parameter("Inputs", .numeric, .variadic)],
    outputs: [Parameter("Output", .numeric)], attributes: [AttributeSchema("equation", .string, required: true)]
  ) { context throws(ApusError) in
    let type = try context.elementType(0)
    var shapes: [Shape] = []
    for index in context.inputs.indices {
      guard let shape = context.shape(index) else { return context.setOutput(0, type, nil) }
      shapes.append(shape)
    }
    let equation = try EinsumEquation(
      context.attributes.string("equation") ?? "", ranks: shapes.map { $0.rank }, context: context)
    for label in equation.operands.joined() { _ = try equation.extent(label, shapes, context) }
    context.setOutput(
      0, type, Shape(try equation.result.map { label throws(ApusError) in try equation.extent(label, shapes, context) }))
  }
}
