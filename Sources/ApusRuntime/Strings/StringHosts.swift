import ApusGraph

extension HostContext {
  /// The elements of an input of strings.
  fileprivate func strings(_ index: Int) throws(ApusError) -> [[UInt8]] {
    let tensor = try tensor(index)
    guard tensor.elementType == .string else {
      throw error("input \(index) is no tensor of strings", expected: "string", actual: tensor.elementType.name.text)
    }
    return tensor.strings
  }
}

extension HostBinding {
  static let stringConcat = HostBinding("StringConcat") { context throws(ApusError) in
    let (x, y) = (try context.strings(0), try context.strings(1))
    let (a, b) = (try context.tensor(0).extents, try context.tensor(1).extents)
    guard let extents = broadcast(Shape(a), Shape(b))?.known else {
      throw context.error(
        "shapes can not be broadcast", expected: Shape(a).text(symbols: []), actual: Shape(b).text(symbols: []))
    }
    var result: [[UInt8]] = []
    for index in 0..<(try checkedElementCount(extents)) {
      result.append(x[place(index, extents, in: a)] + y[place(index, extents, in: b)])
    }
    context.setOutput(0, .tensor(try context.makeTensor(strings: result, extents)))
  }

  /// The element of a tensor of extents `own` that element `index` of a result of `extents` is made of.
  private static func place(_ index: Int, _ extents: [Int], in own: [Int]) -> Int {
    var (rest, stride, place) = (index, 1, 0)
    for axis in extents.indices.reversed() {
      let position = rest % extents[axis]
      rest /= extents[axis]
      let ownAxis = axis - (extents.count - own.count)
      guard ownAxis >= 0 else { break }
      if own[ownAxis] != 1 { place += position * stride }
      stride *= own[ownAxis]
    }
    return place
  }

  static let stringSplit = HostBinding("StringSplit") { context throws(ApusError) in
    let delimiter = context.attributes.string("delimiter")?.bytes ?? []
    let stated = context.attributes.int("maxsplit") ?? -1
    let limit = stated < 0 ? Int.max : stated
    var parts: [[[UInt8]]] = []
    for text in try context.strings(0) {
      parts.append(delimiter.isEmpty ? words(text, limit) : split(text, delimiter, limit))
    }
    let longest = parts.map { $0.count }.max() ?? 0
    var padded: [[UInt8]] = []
    for part in parts { padded += part + Array(repeating: [], count: longest - part.count) }
    let extents = try context.tensor(0).extents
    let counts = try context.makeTensor(.int64, extents)
    for (index, part) in parts.enumerated() {
      counts.mutableBytes.storeBytes(of: Int64(part.count), toByteOffset: 8 * index, as: Int64.self)
    }
    context.setOutput(0, .tensor(try context.makeTensor(strings: padded, extents + [longest])))
    context.setOutput(1, .tensor(counts))
  }

  private static func isSpace(_ byte: UInt8) -> Bool { byte == 32 || (byte >= 9 && byte <= 13) }

  /// The words between white space; after `limit` cuts the rest is one word.
  private static func words(_ text: [UInt8], _ limit: Int) -> [[UInt8]] {
    var result: [[UInt8]] = []
    var index = 0
    while true {
      while index < text.count, isSpace(text[index]) { index += 1 }
      guard index < text.count else { return result }
      let start = index
      if result.count == limit {
        result.append(Array(text[start...]))
        return result
      }
      while index < text.count, !isSpace(text[index]) { index += 1 }
      result.append(Array(text[start..<index]))
    }
  }

  /// The parts between delimiters, at most `limit` of which cut.
  private static func split(_ text: [UInt8], _ delimiter: [UInt8], _ limit: Int) -> [[UInt8]] {
    var result: [[UInt8]] = []
    var (start, index) = (0, 0)
    while index + delimiter.count <= text.count, result.count < limit {
      if text[index..<(index + delimiter.count)].elementsEqual(delimiter) {
        result.append(Array(text[start..<index]))
        index += delimiter.count
        start = index
      } else {
        index += 1
      }
    }
    result.append(Array(text[start...]))
    return result
  }

  static let regexFullMatch = HostBinding("RegexFullMatch") { context throws(ApusError) in
    let expression = try RegularExpression(context.attributes.string("pattern")?.bytes ?? [])
    let result = try context.makeTensor(.bool, try context.tensor(0).extents)
    for (index, text) in try context.strings(0).enumerated() {
      result.mutableBytes[index] = expression.matches(text) ? 1 : 0
    }
    context.setOutput(0, .tensor(result))
  }

  static let stringNormalizer = HostBinding("StringNormalizer") { context throws(ApusError) in
    let action = context.attributes.string("case_change_action") ?? "NONE"
    guard action == "NONE" || action == "LOWER" || action == "UPPER" else {
      throw context.node.context.attributeError(
        "case_change_action", expected: "NONE, LOWER or UPPER", actual: action.string)
    }
    func changed(_ text: [UInt8], _ action: Name) -> [UInt8] {
      if action == "NONE" { return text }
      let points = CodePoints.decoded(text)
      return CodePoints.encoded(points.map { action == "LOWER" ? CodePoints.lowercased($0) : CodePoints.uppercased($0) })
    }
    // Without regard to case, words are compared as they would be in small letters.
    let comparison: Name = context.attributes.flag("is_case_sensitive") ? "NONE" : "LOWER"
    let stopwords = (context.attributes.strings("stopwords") ?? []).map { changed($0.bytes, comparison) }
    var result: [[UInt8]] = []
    for text in try context.strings(0) where !stopwords.contains(changed(text, comparison)) {
      result.append(changed(text, action))
    }
    // Where nothing is left, one empty string is.
    if result.isEmpty { result = [[]] }
    let rank = try context.tensor(0).extents.count
    context.setOutput(0, .tensor(try context.makeTensor(strings: result, rank == 2 ? [1, result.count] : [result.count])))
  }
}
