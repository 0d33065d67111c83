import ApusGraph

/// A regular expression in RE2's syntax, compiled to a nondeterministic automaton that is run state set by state set: a match
/// takes time in proportion to text times pattern, whatever the pattern (Thompson 1968; Cox, swtch.com/~rsc/regexp).
struct RegularExpression {
  /// States of an automaton at most: counted repetitions multiply.
  static let maximumStates = 50_000

  /// What must hold between two code points.
  enum Assertion {
    case textBegin, textEnd, lineBegin, lineEnd, wordBoundary, noWordBoundary
  }

  /// One instruction of the automaton.
  private enum Instruction {
    case accept
    /// Reads a code point of a set.
    case read(CodePointSet)
    /// Goes on at both places.
    case fork(Int, Int)
    case check(Assertion)
  }

  private var program: [Instruction] = []
  private var visits = 0

  /// - Throws: `invalid_attribute` for a pattern that is no regular expression, or too large.
  init(_ pattern: [UInt8]) throws(ApusError) {
    var parser = RegularExpressionParser(CodePoints.decoded(pattern))
    try append(try parser.parse())
    program.append(.accept)
  }

  private mutating func add(_ instruction: Instruction) throws(ApusError) {
    guard program.count < RegularExpression.maximumStates else {
      throw RegularExpressionParser.error("the pattern is too large", at: 0)
    }
    program.append(instruction)
  }

  private mutating func append(_ node: RegularExpressionNode) throws(ApusError) {
    // Nodes that read nothing leave no instruction, but may be repeated as often.
    visits += 1
    guard visits <= 4 * RegularExpression.maximumStates else {
      throw RegularExpressionParser.error("the pattern is too large", at: 0)
    }
    switch node {
    case .set(let set): try add(.read(set))
    case .assertion(let assertion): try add(.check(assertion))
    case .sequence(let nodes):
      for node in nodes { try append(node) }
    case .alternatives(let nodes): try appendAlternatives(nodes)
    case .repetition(let node, let least, let most):
      for _ in 0..<least { try append(node) }
      if let most {
        // Each further copy may be left out, and all after it with it.
        var forks: [Int] = []
        for _ in least..<max(least, most) {
          forks.append(program.count)
          try add(.accept)
          try append(node)
        }
        for fork in forks { program[fork] = .fork(fork + 1, program.count) }
      } else {
        let fork = program.count
        try add(.accept)
        try append(node)
        try add(.fork(fork, fork))
        program[fork] = .fork(fork + 1, program.count)
      }
    }
  }

  private mutating func appendAlternatives(_ nodes: [RegularExpressionNode]) throws(ApusError) {
    var ends: [Int] = []
    for (index, node) in nodes.enumerated() {
      guard index < nodes.count - 1 else {
        try append(node)
        break
      }
      let fork = program.count
      try add(.accept)
      try append(node)
      ends.append(program.count)
      try add(.accept)
      program[fork] = .fork(fork + 1, program.count)
    }
    for end in ends { program[end] = .fork(program.count, program.count) }
  }

  /// Whether the whole of a text matches.
  func matches(_ bytes: [UInt8]) -> Bool {
    let text = CodePoints.decoded(bytes)
    var states = StateSet(program.count), next = StateSet(program.count)
    var isAccepted = reach(0, text, 0, &states)
    for (position, point) in text.enumerated() {
      next.removeAll()
      isAccepted = false
      for state in states.members {
        guard case .read(let set) = program[state], set.contains(point) else { continue }
        if reach(state + 1, text, position + 1, &next) { isAccepted = true }
      }
      swap(&states, &next)
      if states.members.isEmpty { return false }
    }
    return isAccepted
  }

  /// Adds the states that are reached from `start` without reading. Returns whether one of them accepts.
  private func reach(_ start: Int, _ text: [UInt32], _ position: Int, _ states: inout StateSet) -> Bool {
    var isAccepted = false
    var pending = [start]
    while let state = pending.popLast() {
      guard states.insert(state) else { continue }
      switch program[state] {
      case .accept: isAccepted = true
      case .read: break
      case .fork(let a, let b):
        pending.append(b)
        pending.append(a)
      case .check(let assertion):
        if RegularExpression.holds(assertion, text, position) { pending.append(state + 1) }
      }
    }
    return isAccepted
  }

  private static func holds(_ assertion: Assertion, _ text: [UInt32], _ position: Int) -> Bool {
    let newline: UInt32 = 10
    switch assertion {
    case .textBegin: return position == 0
    case .textEnd: return position == text.count
    case .lineBegin: return position == 0 || text[position - 1] == newline
    case .lineEnd: return position == text.count || text[position] == newline
    case .wordBoundary, .noWordBoundary:
      let before = position > 0 && CodePointSet.word.contains(text[position - 1])
      let after = position < text.count && CodePointSet.word.contains(text[position])
      return (before != after) == (assertion == .wordBoundary)
    }
  }

  /// A set of states that remembers the order of insertion.
  private struct StateSet {
    private(set) var members: [Int] = []
    private var isMember: [Bool]

    init(_ count: Int) { isMember = Array(repeating: false, count: count) }

    mutating func insert(_ state: Int) -> Bool {
      if isMember[state] { return false }
      isMember[state] = true
      members.append(state)
      return true
    }

    mutating func removeAll() {
      for state in members { isMember[state] = false }
      members.removeAll(keepingCapacity: true)
    }
  }
}

/// A set of code points: ranges, ascending and apart.
struct CodePointSet {
  private(set) var ranges: [ClosedRange<UInt32>]
  /// Whether a letter stands for its other case too.
  var ignoresCase = false

  static let largest: UInt32 = 0x10ffff
  static let digit = CodePointSet([0x30...0x39])
  static let word = CodePointSet([0x30...0x39, 0x41...0x5a, 0x5f...0x5f, 0x61...0x7a])
  static let space = CodePointSet([0x09...0x0a, 0x0c...0x0d, 0x20...0x20])
  static let all = CodePointSet([0...largest])
  static let notNewline = CodePointSet([0...9, 11...largest])

  init(_ ranges: [ClosedRange<UInt32>]) {
    let sorted = ranges.inOrder { $0.lowerBound < $1.lowerBound }
    self.ranges = []
    for range in sorted {
      if let last = self.ranges.last, range.lowerBound <= last.upperBound {
        self.ranges[self.ranges.count - 1] = last.lowerBound...max(last.upperBound, range.upperBound)
      } else {
        self.ranges.append(range)
      }
    }
  }

  func contains(_ point: UInt32) -> Bool {
    holds(point) || (ignoresCase && (holds(CodePoints.lowercased(point)) || holds(CodePoints.uppercased(point))))
  }

  private func holds(_ point: UInt32) -> Bool {
    for range in ranges where range.contains(point) { return true }
    return false
  }

  /// All other code points.
  var inverted: CodePointSet {
    var result: [ClosedRange<UInt32>] = []
    var next: UInt32 = 0
    for range in ranges {
      if range.lowerBound > next { result.append(next...(range.lowerBound - 1)) }
      next = range.upperBound + 1
    }
    if next <= CodePointSet.largest { result.append(next...CodePointSet.largest) }
    return CodePointSet(result)
  }
}
