extension OperatorSchema {
  private static let controlFlowVersions: [Int32] = [21, 23, 24, 25]
  private static let anyValue = Parameter("outputs", .all, group: 0, .variadicOptional, kind: .any)

  /// Runs one of two subgraphs. The types of the results are those of the branch that is run.
  public static let ifElse = OperatorSchema(
    name: "If", versions: controlFlowVersions, inputs: [Parameter("cond", TypeSet(.bool))], outputs: [anyValue],
    attributes: [
      AttributeSchema("then_branch", .graph, required: true), AttributeSchema("else_branch", .graph, required: true),
    ]
  ) { _ throws(ApusError) in }

  /// Runs a subgraph again and again: body(iteration, condition, carried...) -> (condition, carried..., scan outputs...).
  public static let loop = OperatorSchema(
    name: "Loop", versions: controlFlowVersions,
    inputs: [
      Parameter("M", TypeSet(.int64), group: 0, .optional), Parameter("cond", TypeSet(.bool), group: 0, .optional),
      Parameter("v_initial", .all, group: 0, .variadicOptional, kind: .any),
    ],
    outputs: [anyValue], attributes: [AttributeSchema("body", .graph, required: true)]
  ) { _ throws(ApusError) in }

  /// Runs a subgraph on the slices of its scan inputs: body(states..., slices...) -> (states..., slices...).
  public static let scan = OperatorSchema(
    name: "Scan", versions: controlFlowVersions,
    inputs: [Parameter("initial_state_and_scan_inputs", .all, group: 0, .variadic)],
    outputs: [Parameter("final_state_and_scan_outputs", .all, group: 0, .variadicOptional)],
    attributes: [
      AttributeSchema("body", .graph, required: true), AttributeSchema("num_scan_inputs", .int, required: true),
      AttributeSchema("scan_input_axes", .ints), AttributeSchema("scan_input_directions", .ints),
      AttributeSchema("scan_output_axes", .ints), AttributeSchema("scan_output_directions", .ints),
    ]
  ) { _ throws(ApusError) in }
}
