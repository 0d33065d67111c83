import ApusGraph

/// A regular expression as a tree. Greed does not show where the whole of a text must match.
indirect enum RegularExpressionNode {
  case set(CodePointSet)
  case assertion(RegularExpression.Assertion)
  case sequence([RegularExpressionNode])
  case alternatives([RegularExpressionNode])
  /// At least, and at most (nil: without bound) so many times.
  case repetition(RegularExpressionNode, Int, Int?)
}

/// Reads RE2's syntax (github.com/google/re2/wiki/Syntax) without Unicode classes.
struct RegularExpressionParser {
  private let pattern: [UInt32]
  private var position = 0
  private var depth = 0
  private var flags = Flags()

  private struct Flags {
    var ignoresCase = false
    var isMultiline = false
    var dotIsNewline = false
  }

  /// RE2's own bound of counted repetitions.
  private static let mostRepetitions = 1000
  private static let mostGroups = 200

  init(_ pattern: [UInt32]) { self.pattern = pattern }

  static func error(_ message: String, at position: Int) -> ApusError {
    ApusError(
      .invalidAttribute, "attribute 'pattern': " + message, expected: "a regular expression in RE2's syntax",
      actual: "at code point \(position)")
  }

  private func error(_ message: String) -> ApusError { RegularExpressionParser.error(message, at: position) }

  private static func code(_ character: Unicode.Scalar) -> UInt32 { character.value }

  private func peeks(_ character: Unicode.Scalar) -> Bool { position < pattern.count && pattern[position] == character.value }

  private mutating func takes(_ character: Unicode.Scalar) -> Bool {
    guard peeks(character) else { return false }
    position += 1
    return true
  }

  private mutating func next() throws(ApusError) -> UInt32 {
    guard position < pattern.count else { throw error("the pattern ends early") }
    position += 1
    return pattern[position - 1]
  }

  mutating func parse() throws(ApusError) -> RegularExpressionNode {
    let node = try alternatives()
    guard position == pattern.count else { throw error("a parenthesis closes none") }
    return node
  }

  private mutating func alternatives() throws(ApusError) -> RegularExpressionNode {
    depth += 1
    defer { depth -= 1 }
    guard depth <= RegularExpressionParser.mostGroups else { throw error("groups are nested too deep") }
    let outer = flags
    var branches = [try sequence()]
    while takes("|") { branches.append(try sequence()) }
    flags = outer
    return branches.count == 1 ? branches[0] : .alternatives(branches)
  }

  private mutating func sequence() throws(ApusError) -> RegularExpressionNode {
    var nodes: [RegularExpressionNode] = []
    while position < pattern.count, !peeks("|"), !peeks(")") {
      guard let atom = try atom() else { continue }
      nodes.append(try repeated(atom))
    }
    return .sequence(nodes)
  }

  /// The atom with the quantifiers that follow it.
  private mutating func repeated(_ atom: RegularExpressionNode) throws(ApusError) -> RegularExpressionNode {
    let node: RegularExpressionNode
    if takes("*") {
      node = .repetition(atom, 0, nil)
    } else if takes("+") {
      node = .repetition(atom, 1, nil)
    } else if takes("?") {
      node = .repetition(atom, 0, 1)
    } else if peeks("{"), let counts = try counts() {
      node = .repetition(atom, counts.least, counts.most)
    } else {
      return atom
    }
    _ = takes("?")
    if peeks("*") || peeks("+") || peeks("?") { throw error("a quantifier follows another one") }
    return node
  }

  /// `{n}`, `{n,}` or `{n,m}`; nil, and nothing read, where the brace is a plain one.
  private mutating func counts() throws(ApusError) -> (least: Int, most: Int?)? {
    let start = position
    position += 1
    guard let least = number() else {
      position = start
      return nil
    }
    var most: Int? = least
    if takes(",") { most = number() }
    guard takes("}") else {
      position = start
      return nil
    }
    guard least <= RegularExpressionParser.mostRepetitions, most ?? least <= RegularExpressionParser.mostRepetitions,
      most ?? least >= least
    else { throw error("a repetition count is out of range") }
    return (least, most)
  }

  private mutating func number() -> Int? {
    var value: Int?
    while position < pattern.count, CodePointSet.digit.contains(pattern[position]) {
      value = min((value ?? 0) * 10 + Int(pattern[position] - 0x30), 1_000_000)
      position += 1
    }
    return value
  }

  /// One element of a sequence; nil for what only sets flags.
  private mutating func atom() throws(ApusError) -> RegularExpressionNode? {
    // A brace that counts nothing is an ordinary character; these never are.
    if peeks("*") || peeks("+") || peeks("?") { throw error("a quantifier follows nothing") }
    if takes("(") { return try group() }
    if takes("[") { return .set(try bracket()) }
    if takes(".") { return .set(flags.dotIsNewline ? .all : .notNewline) }
    if takes("^") { return .assertion(flags.isMultiline ? .lineBegin : .textBegin) }
    if takes("$") { return .assertion(flags.isMultiline ? .lineEnd : .textEnd) }
    if takes("\\") { return try escape() }
    return .set(literal(try next()))
  }

  private func literal(_ point: UInt32) -> CodePointSet {
    var set = CodePointSet([point...point])
    set.ignoresCase = flags.ignoresCase
    return set
  }

  private mutating func group() throws(ApusError) -> RegularExpressionNode? {
    let outer = flags
    if takes("?") {
      if takes("P") || peeks("<") {
        guard takes("<") else { throw error("a group of unknown kind") }
        while !peeks(">") { _ = try next() }
        position += 1
      } else if try !groupFlags() {
        return nil
      }
    }
    let node = try alternatives()
    guard takes(")") else { throw error("a parenthesis is not closed") }
    flags = outer
    return node
  }

  /// `i`, `m`, `s`, `U`, with `-` before those taken back, up to `:` (true) or `)` (false: they hold from here on).
  private mutating func groupFlags() throws(ApusError) -> Bool {
    var value = true
    while true {
      let letter = try next()
      switch letter {
      case 0x69: flags.ignoresCase = value
      case 0x6d: flags.isMultiline = value
      case 0x73: flags.dotIsNewline = value
      case 0x55: continue
      case 0x2d: value = false
      case 0x3a: return true
      case 0x29: return false
      default: throw error("a flag of unknown name")
      }
    }
  }

  private mutating func escape() throws(ApusError) -> RegularExpressionNode {
    switch pattern.count > position ? pattern[position] : 0 {
    case 0x41: position += 1; return .assertion(.textBegin)
    case 0x7a: position += 1; return .assertion(.textEnd)
    case 0x62: position += 1; return .assertion(.wordBoundary)
    case 0x42: position += 1; return .assertion(.noWordBoundary)
    case 0x51:
      position += 1
      return .sequence(try quoted())
    default: break
    }
    if let set = escapedClass() { return .set(set) }
    return .set(literal(try escapedPoint()))
  }

  /// What follows `\Q`, up to `\E` or the end.
  private mutating func quoted() throws(ApusError) -> [RegularExpressionNode] {
    var nodes: [RegularExpressionNode] = []
    while position < pattern.count {
      if peeks("\\"), position + 1 < pattern.count, pattern[position + 1] == 0x45 {
        position += 2
        break
      }
      nodes.append(.set(literal(try next())))
    }
    return nodes
  }

  /// `\d`, `\w`, `\s` and their opposites.
  private mutating func escapedClass() -> CodePointSet? {
    if takes("d") { return .digit }
    if takes("D") { return CodePointSet.digit.inverted }
    if takes("w") { return .word }
    if takes("W") { return CodePointSet.word.inverted }
    if takes("s") { return .space }
    if takes("S") { return CodePointSet.space.inverted }
    return nil
  }

  private mutating func escapedPoint() throws(ApusError) -> UInt32 {
    let point = try next()
    switch point {
    case 0x61: return 7
    case 0x66: return 12
    case 0x6e: return 10
    case 0x72: return 13
    case 0x74: return 9
    case 0x76: return 11
    case 0x78: return try hexadecimal()
    default:
      guard point < 0x80, !CodePointSet.word.contains(point) || point == 0x5f else { throw error("an escape of unknown name") }
      return point
    }
  }

  /// `HH` or `{H...}`.
  private mutating func hexadecimal() throws(ApusError) -> UInt32 {
    func digit(_ point: UInt32) -> UInt32? {
      switch CodePoints.lowercased(point) {
      case 0x30...0x39: point - 0x30
      case 0x61...0x66: CodePoints.lowercased(point) - 0x57
      default: nil
      }
    }
    let isBraced = takes("{")
    var value: UInt32 = 0
    var count = 0
    while !(isBraced ? takes("}") : count == 2) {
      guard let digit = digit(try next()), count < 6 else { throw error("a hexadecimal number is expected") }
      value = value * 16 + digit
      count += 1
    }
    guard count > 0, value <= CodePointSet.largest else { throw error("no code point has this number") }
    return value
  }

  /// What follows `[`.
  private mutating func bracket() throws(ApusError) -> CodePointSet {
    let isInverted = takes("^")
    var ranges: [ClosedRange<UInt32>] = []
    var isFirst = true
    while isFirst || !peeks("]") {
      isFirst = false
      if peeks("["), position + 1 < pattern.count, pattern[position + 1] == 0x3a {
        ranges += try namedClass().ranges
        continue
      }
      if takes("\\") {
        if let set = escapedClass() {
          ranges += set.ranges
          continue
        }
        position -= 1
      }
      let low = try bracketPoint()
      guard peeks("-"), position + 1 < pattern.count, pattern[position + 1] != 0x5d else {
        ranges.append(low...low)
        continue
      }
      position += 1
      let high = try bracketPoint()
      guard low <= high else { throw error("a range runs backwards") }
      ranges.append(low...high)
    }
    position += 1
    // Of the letters' other cases first: what is inverted must leave both out.
    if flags.ignoresCase {
      for range in ranges {
        for point in range where point < 0x2000 {
          let (lower, upper) = (CodePoints.lowercased(point), CodePoints.uppercased(point))
          if lower != point { ranges.append(lower...lower) }
          if upper != point { ranges.append(upper...upper) }
        }
      }
    }
    let set = CodePointSet(ranges)
    return isInverted ? set.inverted : set
  }

  private mutating func bracketPoint() throws(ApusError) -> UInt32 {
    takes("\\") ? try escapedPoint() : try next()
  }

  /// `[:alpha:]` and its like, inside of brackets.
  private mutating func namedClass() throws(ApusError) -> CodePointSet {
    position += 2
    let isInverted = takes("^")
    var name: [UInt8] = []
    while !peeks(":") {
      guard let letter = UInt8(exactly: try next()), name.count < 8 else { throw error("a class of unknown name") }
      name.append(letter)
    }
    position += 1
    guard takes("]"), let set = RegularExpressionParser.classes(Name(bytes: name)) else { throw error("a class of unknown name") }
    return isInverted ? set.inverted : set
  }

  private static func classes(_ name: Name) -> CodePointSet? {
    let (digits, upper, lower): (ClosedRange<UInt32>, ClosedRange<UInt32>, ClosedRange<UInt32>) =
      (0x30...0x39, 0x41...0x5a, 0x61...0x7a)
    let table: [(name: Name, ranges: [ClosedRange<UInt32>])] = [
      ("alnum", [digits, upper, lower]), ("alpha", [upper, lower]), ("ascii", [0...0x7f]),
      ("blank", [9...9, 32...32]), ("cntrl", [0...31, 127...127]), ("digit", [digits]), ("graph", [33...126]),
      ("lower", [lower]), ("print", [32...126]), ("punct", [33...47, 58...64, 91...96, 123...126]),
      ("space", [9...13, 32...32]), ("upper", [upper]), ("word", CodePointSet.word.ranges),
      ("xdigit", [digits, 0x41...0x46, 0x61...0x66]),
    ]
    for entry in table where entry.name == name { return CodePointSet(entry.ranges) }
    return nil
  }
}
