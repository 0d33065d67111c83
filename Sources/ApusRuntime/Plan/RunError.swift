import ApusGraph
import CApusPlatform

extension Program {
  /// What an execution of the program's plan reported, in words.
  func error(_ outcome: apusp_outcome, _ plan: PreparedPlan) -> ApusError {
    let status = ApusError.Status(rawValue: outcome.status) ?? .internal
    let position = outcome.step >= 0 && outcome.step < Int64(plan.stepCount) ? plan.node(ofStep: Int(outcome.step)) : -1
    let node: ProgramNode? = position >= 0 ? nodes[position] : nil
    var error = ApusError(status, "the run failed", operatorName: node?.node.label ?? "")
    switch status {
    case .cancelled: error.message = "the run was cancelled"
    case .deadlineExceeded: error.message = "the run's time was up"
    case .valueOutOfRange:
      let fault = outcome.fault
      error.message = "a value is out of range at element \(fault.position)"
      error.expected = "\(fault.lower) <= value < \(fault.upper)"
      error.actual = "\(fault.value)"
      if let node, fault.operand >= 0, Int(fault.operand) < node.node.inputs.count, node.node.inputs[Int(fault.operand)] >= 0 {
        error.tensorName = graph.values[Int(node.node.inputs[Int(fault.operand)])].name.string
      }
    default: break
    }
    return error
  }
}
