import ApusGraph

/// What a conversion may change of a graph. No level makes a result less exact.
public enum Optimization: String, CaseIterable, Sendable {
  /// The nodes as the source has them.
  case none
  /// Nodes and constants that nothing reads, and nodes that copy, are taken away.
  case safe
  /// Also nodes and constants that say twice what one says, and what the model computes of shapes that are known: the nodes
  /// of the source can no longer all be found again.
  case all
}
