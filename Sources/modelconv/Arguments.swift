import Apus
import ArgumentParser

/// `name=1,3,224,224` on the command line; `name=` is a scalar.
struct ShapeArgument: ExpressibleByArgument {
  let name: Name
  let extents: [Int]

  init?(argument: String) {
    guard let equals = argument.lastIndex(of: "="), equals > argument.startIndex else { return nil }
    name = Name(String(argument[..<equals]))
    let text = argument[argument.index(after: equals)...]
    var extents: [Int] = []
    for part in text.split(separator: ",", omittingEmptySubsequences: false) where !text.isEmpty {
      guard let extent = Int(part), extent >= 0 else { return nil }
      extents.append(extent)
    }
    self.extents = extents
  }

  /// The shapes by name.
  /// - Throws: a usage error for a name that is given twice.
  static func byName(_ arguments: [ShapeArgument]) throws -> [Name: [Int]] {
    try Dictionary(arguments.map { ($0.name, $0.extents) }) { _, _ in
      throw ValidationError("a shape is given twice for one input")
    }
  }
}

/// `name=path` on the command line.
struct FileArgument: ExpressibleByArgument {
  let name: Name
  let path: String

  init?(argument: String) {
    guard let equals = argument.firstIndex(of: "="), equals > argument.startIndex else { return nil }
    name = Name(String(argument[..<equals]))
    path = String(argument[argument.index(after: equals)...])
    if path.isEmpty { return nil }
  }
}

/// `1,2,4` on the command line: numbers of threads.
struct ThreadList: ExpressibleByArgument {
  let counts: [Int]

  init?(argument: String) {
    var counts: [Int] = []
    for part in argument.split(separator: ",", omittingEmptySubsequences: false) {
      guard let count = Int(part), (1...1024).contains(count) else { return nil }
      counts.append(count)
    }
    self.counts = counts
  }

  init(_ counts: [Int]) { self.counts = counts }

  var defaultValueDescription: String { counts.map { "\($0)" }.joined(separator: ",") }
}

/// A number of threads, 1 to 1024.
struct ThreadCount: ExpressibleByArgument {
  let count: Int

  init?(argument: String) {
    guard let count = Int(argument), (1...1024).contains(count) else { return nil }
    self.count = count
  }

  init(_ count: Int) { self.count = count }

  var defaultValueDescription: String { "\(count)" }
}
