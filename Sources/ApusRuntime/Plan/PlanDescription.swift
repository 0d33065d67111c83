import ApusGraph

/// A plan to be printed: the steps that a run would take for given shapes, and the memory they use.
public struct PlanDescription: Sendable {
  /// A piece of memory.
  public struct Buffer: Sendable {
    /// `arena`, `input`, `output`, `constant`, `packed`, `table`, or `part` of another one.
    public let kind: StaticString
    public let byteCount: Int
    /// Offset in the arena; nil for memory elsewhere.
    public let offset: Int?
    /// The values that lie here, one after the other in time; empty for a node's own work space.
    public let values: [Name]
  }

  /// A call of a kernel.
  public struct Step: Sendable {
    /// The node it works for, with what was fused into it; `outputs` for the copies at the end.
    public let label: String
    /// Which of an operator's kernels it is, and what for; empty where there is one.
    public let kernel: StaticString
    /// Independent pieces of work, and how many of them are worth a thread.
    public let units: Int64
    public let grain: Int64
    /// Positions in `buffers`, operands before results.
    public let buffers: [Int]
  }

  public let buffers: [Buffer]
  public let steps: [Step]
  public let arenaBytes: Int
  /// The most bytes of the arena that are in use at a time: no plan of these steps can do with less.
  public let liveBytes: Int
  /// Work space of one thread.
  public let scratchBytes: Int
}

extension Model {
  /// What `Session.prepare` would plan, without taking memory for it.
  /// - Parameters:
  ///   - shapes: one for each input, in order.
  ///   - threads: of the pool that the session would use.
  /// - Throws: `unsupported` where shapes depend on data.
  public func describePlan(shapes: [[Int]], threads: Int) throws(ApusError) -> PlanDescription {
    let builder = try staticPlan(shapes, threads: threads)
    let sizes = try PlanSizes(builder, threads: threads)
    let buffers = sizes.buffers.map { buffer in
      let names = buffer.values.map { builder.program.graph.values[Int($0)].name }
      let kind: StaticString
      switch buffer.kind {
      case .arena: kind = "arena"
      case .input: kind = "input"
      case .output: kind = "output"
      case .constant: kind = "constant"
      case .packed: kind = "packed"
      case .table: kind = "table"
      case .part: kind = "part"
      }
      return PlanDescription.Buffer(
        kind: kind, byteCount: buffer.byteCount, offset: buffer.isArena ? buffer.arenaOffset : nil, values: names)
    }
    let steps = builder.steps.map { step in
      PlanDescription.Step(
        label: step.node >= 0 ? builder.program.nodes[Int(step.node)].label : "outputs", kernel: step.note,
        units: step.units, grain: step.grain,
        buffers: step.buffers.map { $0.index })
    }
    return PlanDescription(
      buffers: buffers, steps: steps, arenaBytes: sizes.scratchOffset, liveBytes: ArenaPlanner.liveBytes(sizes.buffers),
      scratchBytes: sizes.scratch)
  }
}
