import ApusGraph

/// What training throws; see `ApusError.Status`.
public typealias ApusError = ApusGraph.ApusError
/// What a traced module becomes.
public typealias ModelDefinition = ApusGraph.ModelDefinition
