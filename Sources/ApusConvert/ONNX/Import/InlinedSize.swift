import ApusGraph

/// Counts the nodes that a model has once its functions are inlined, without inlining them: 60 functions that call each other
/// twice stand for 2^60 nodes in a file of 4 kB.
///
/// Too small where functions call each other in a cycle, or through more than `ModelImport.maximumCalls` calls, which inlining
/// refuses.
struct InlinedSize {
  private let functions: [FunctionKey: ONNXFunctionProto]
  private var known: [FunctionKey: Int] = [:]

  init(_ functions: [FunctionKey: ONNXFunctionProto]) { self.functions = functions }

  /// Nodes of a graph with those of the functions that it calls; `Int.max` where that is too many for an `Int`.
  mutating func nodes(of graph: ONNXGraphProto) -> Int { count(graph.node, depth: 0) }

  private mutating func count(_ nodes: [ONNXNodeProto], depth: Int) -> Int {
    var sum = 0
    for node in nodes {
      var (size, overflows) = sum.addingReportingOverflow(self.size(node, depth: depth))
      for attribute in node.attribute {
        for graph in attribute.graphs + (attribute.hasG ? [attribute.g] : []) where !overflows {
          (size, overflows) = size.addingReportingOverflow(count(graph.node, depth: depth))
        }
      }
      if overflows { return .max }
      sum = size
    }
    return sum
  }

  private mutating func size(_ node: ONNXNodeProto, depth: Int) -> Int {
    let key = FunctionKey(node)
    guard let function = functions[key] else { return key.domain == .onnx && node.opType == "Constant" ? 0 : 1 }
    if let size = known[key] { return size }
    guard depth < ModelImport.maximumCalls else { return 0 }
    // What it calls of itself, in a cycle, counts nothing.
    known[key] = 0
    let size = count(function.node, depth: depth + 1)
    known[key] = size
    return size
  }
}
