import ApusGraph

/// What a conversion may change of a graph. No level makes a result less exact.
public enum Optimization: String, CaseIterable, Sendable {
  /// The nodes as the source has them.
  case none
  /// Nodes that nothing reads, that copy, or that say twice what one says are taken away.
  case safe
  /// Also what depends on constants alone is computed: smaller graphs, though constants may grow.
  case all
}
