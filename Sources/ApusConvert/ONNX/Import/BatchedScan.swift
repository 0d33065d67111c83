import ApusGraph

extension ModelImport {
  /// Scan of operator set 8, which has a batch axis: a Scan over the batch whose body is a Scan over each sequence.
  ///
  /// Its first input, lengths of the sequences, must be left out: the newer form has no such thing.
  func importBatchedScan(_ proto: ONNXNodeProto, _ scope: ImportScope) throws(ApusError) {
    guard let bodyProto = proto.attribute.first(where: { $0.name == "body" && $0.type == .graph }),
      let count = proto.attribute.first(where: { $0.name == "num_scan_inputs" && $0.type == .int })?.i
    else { throw ApusError(.invalidAttribute, "Scan lacks its body or its number of scan inputs") }
    let operands = try inputs(of: proto, scope)
    guard let lengths = operands.first, lengths < 0 else {
      throw ApusError(.unsupported, "Scan of operator set 8 with lengths of sequences has no counterpart in newer ones")
    }
    let arguments = Array(operands.dropFirst())
    guard count >= 1, count <= Int64(arguments.count), !arguments.contains(.absent) else {
      throw ApusError(
        .invalidModel, "Scan's inputs do not fit its number of scan inputs", expected: "1 to \(arguments.count)",
        actual: "\(count)")
    }
    let sequence = try builder.addGraph(name: Name(bodyProto.g.name + "/sequence"), parent: scope.graph)
    let body = try importGraph(bodyProto.g, outer: scope, parent: sequence)
    var inner = Node(
      name: Name(scope.prefix + proto.name), operatorName: "Scan", sinceVersion: ONNXImporter.newestOperatorSet, inputs: [],
      outputs: [], attributes: [Attribute("body", .graph(body)), Attribute("num_scan_inputs", .int(count))])
    for argument in arguments {
      let type = builder.type(of: ValueReference(graph: scope.graph, id: argument))?.tensor
      let input = builder.addValue(.empty, type.map { .tensor(TensorType($0.elementType, nil)) }, in: sequence)
      builder.addInput(input)
      inner.inputs.append(input.id)
    }
    if let directions = proto.attribute.first(where: { $0.name == "directions" && $0.type == .ints }) {
      inner.attributes.append(Attribute("scan_input_directions", .ints(directions.ints)))
    }
    for _ in proto.output { inner.outputs.append(builder.addValue(.empty, nil, in: sequence).id) }
    try Adaptation(inner, in: sequence, builder).run()
    for id in inner.outputs { builder.addOutput(ValueReference(graph: sequence, id: id)) }

    let outer = Node(
      name: inner.name, operatorName: "Scan", sinceVersion: ONNXImporter.newestOperatorSet, inputs: arguments,
      outputs: try outputs(of: proto, scope),
      attributes: [
        Attribute("body", .graph(sequence)), Attribute("num_scan_inputs", .int(Int64(arguments.count))),
      ])
    try Adaptation(outer, in: scope.graph, builder).run()
  }
}
