/// A version of the Apus runtime.
public struct RuntimeVersion: Equatable, Comparable, Sendable {
  public var major: UInt16
  public var minor: UInt16
  public var patch: UInt16

  /// This release; APUS_VERSION_MAJOR and its fellows in include/apus.h are the same.
  public static let current = RuntimeVersion(0, 1, 0)

  public init(_ major: UInt16, _ minor: UInt16, _ patch: UInt16) {
    self.major = major
    self.minor = minor
    self.patch = patch
  }

  public static func < (a: RuntimeVersion, b: RuntimeVersion) -> Bool {
    (a.major, a.minor, a.patch) < (b.major, b.minor, b.patch)
  }
}

/// What running a model takes, whatever the implementation.
public struct Needs: Equatable, Sendable {
  /// An operator that the model uses.
  public struct Operator: Equatable, Comparable, Sendable {
    public var domain: Name
    public var name: Name
    public var sinceVersion: Int32

    public init(domain: Name, name: Name, sinceVersion: Int32) {
      self.domain = domain
      self.name = name
      self.sinceVersion = sinceVersion
    }

    public static func < (a: Operator, b: Operator) -> Bool {
      if a.domain != b.domain { return a.domain < b.domain }
      if a.name != b.name { return a.name < b.name }
      return a.sinceVersion < b.sinceVersion
    }
  }

  /// Ascending, each once.
  public var operators: [Operator]
  /// Floating-point or integer operations of one run, with every symbolic dimension at its smallest allowed value that is
  /// not 0. A multiply-add counts as two. 0 where nobody computed it.
  public var flops: UInt64
  /// Bytes of the largest set of values alive at once, with the same dimensions. 0 where nobody computed it.
  public var liveBytes: UInt64
  public var minimumRuntime: RuntimeVersion

  public init(
    operators: [Operator] = [], flops: UInt64 = 0, liveBytes: UInt64 = 0, minimumRuntime: RuntimeVersion = RuntimeVersion(0, 0, 0)
  ) {
    self.operators = operators
    self.flops = flops
    self.liveBytes = liveBytes
    self.minimumRuntime = minimumRuntime
  }
}

extension RuntimeVersion {
  /// `0.1.0`
  public var text: String { "\(major).\(minor).\(patch)" }
}

extension ModelDefinition {
  /// The operators that nodes of any graph use, ascending, each once.
  public func usedOperators() -> [Needs.Operator] {
    var all: [Needs.Operator] = []
    for graph in graphs {
      for node in graph.nodes {
        all.append(Needs.Operator(domain: node.domain, name: node.operatorName, sinceVersion: node.sinceVersion))
      }
    }
    var unique: [Needs.Operator] = []
    for candidate in all.inOrder() where unique.last != candidate { unique.append(candidate) }
    return unique
  }
}
