import ApusGraph

extension HostBinding {
  static let ifElse = HostBinding("If") { context throws(ApusError) in
    let condition = try context.truth(0) ?? false
    let results = try context.run(condition ? "then_branch" : "else_branch", [])
    try context.setOutputs(results)
  }

  /// Carried values and one slice of each scan output an iteration.
  static let loop = HostBinding("Loop") { context throws(ApusError) in
    let trips = context.integer(0)
    var condition = try context.truth(1) ?? true
    var carried: [RuntimeValue] = []
    for index in context.inputs.indices.dropFirst(2) {
      guard let value = context.inputs[index] else { throw context.error("a carried value is left out") }
      carried.append(value)
    }
    let signature = try context.signature("body")
    let scans = signature.outputs.count - 1 - carried.count
    guard scans >= 0, signature.inputs.count == carried.count + 2 else {
      throw context.error(
        "the body has another number of inputs or outputs", expected: "\(carried.count + 2) inputs",
        actual: "\(signature.inputs.count)")
    }
    var slices: [[RuntimeTensor]] = Array(repeating: [], count: scans)
    var iteration: Int64 = 0
    while condition, trips.map({ iteration < $0 }) ?? true {
      guard iteration < context.limits.iterations else {
        throw ApusError(
          .limitExceeded, "a loop over the limit", operatorName: context.node.node.label,
          expected: "at most \(context.limits.iterations) iterations")
      }
      let number = try context.makeTensor(.int64, [])
      number.mutableBytes.storeBytes(of: iteration, as: Int64.self)
      let flag = try context.makeTensor(.bool, [])
      flag.mutableBytes.storeBytes(of: 1, as: UInt8.self)
      let results = try context.run("body", [.tensor(number), .tensor(flag)] + carried)
      guard results.count == 1 + carried.count + scans, let next = results[0].tensor, let byte = next.bytes.first else {
        throw context.error("the body's first output is no condition", expected: "bool")
      }
      condition = byte != 0
      carried = Array(results[1..<1 + carried.count])
      for (index, value) in results[(1 + carried.count)...].enumerated() {
        guard let tensor = value.tensor else { throw context.error("a scan output is no tensor") }
        slices[index].append(tensor)
      }
      iteration += 1
    }
    var outputs = carried
    for (index, list) in slices.enumerated() {
      outputs.append(.tensor(try context.stacked(list, 0, signature.outputs[1 + carried.count + index])))
    }
    try context.setOutputs(outputs)
  }

  static let scan = HostBinding("Scan") { context throws(ApusError) in
    let count = context.attributes.int("num_scan_inputs") ?? 0
    let inputs = try context.inputs.indices.map { index throws(ApusError) in try context.tensor(index) }
    let signature = try context.signature("body")
    let states = inputs.count - count
    guard count >= 1, states >= 0, signature.inputs.count == inputs.count, signature.outputs.count >= states else {
      throw context.error(
        "the body has another number of inputs or outputs", expected: "\(inputs.count) inputs",
        actual: "\(signature.inputs.count)")
    }
    let axes = try (0..<count).map { index throws(ApusError) in
      try context.scanAxis("scan_input_axes", index, rank: inputs[states + index].extents.count)
    }
    let length = inputs[states].extents[axes[0]]
    for index in 0..<count where inputs[states + index].extents[axes[index]] != length {
      throw context.error(
        "scan inputs differ in length", expected: "\(length)", actual: "\(inputs[states + index].extents[axes[index]])")
    }
    let outputs = signature.outputs.count - states
    let inputDirections = try context.directions("scan_input_directions", count)
    let outputDirections = try context.directions("scan_output_directions", outputs)
    var carried = inputs[..<states].map { RuntimeValue.tensor($0) }
    var slices: [[RuntimeTensor]] = Array(repeating: [], count: outputs)
    for step in 0..<length {
      var arguments = carried
      for index in 0..<count {
        let part = try context.slice(
          inputs[states + index], axis: axes[index], start: inputDirections[index] ? length - 1 - step : step, count: 1)
        var extents = part.extents
        extents.remove(at: axes[index])
        arguments.append(.tensor(part.reshaped(extents)))
      }
      let results = try context.run("body", arguments)
      carried = Array(results[..<states])
      for (index, value) in results[states...].enumerated() {
        guard let tensor = value.tensor else { throw context.error("a scan output is no tensor") }
        slices[index].append(tensor)
      }
    }
    for (index, list) in slices.enumerated() {
      let rank = list.first.map { $0.extents.count + 1 } ?? (signature.outputs[states + index].type?.tensor?.shape?.rank ?? 0) + 1
      let axis = try context.scanAxis("scan_output_axes", index, rank: rank)
      let ordered = outputDirections[index] ? Array(list.reversed()) : list
      carried.append(.tensor(try context.stacked(ordered, axis, signature.outputs[states + index])))
    }
    try context.setOutputs(carried)
  }
}

extension HostContext {
  /// The value of a scalar bool input; nil where it is left out.
  fileprivate func truth(_ index: Int) throws(ApusError) -> Bool? {
    guard let tensor = optionalTensor(index) else { return nil }
    guard tensor.elementType == .bool, tensor.byteCount == 1, let byte = tensor.bytes.first else {
      throw error("a condition is no single bool", expected: "bool []", actual: Shape(tensor.extents).text(symbols: []))
    }
    return byte != 0
  }

  fileprivate func setOutputs(_ values: [RuntimeValue]) throws(ApusError) {
    guard values.count >= outputs.count else {
      throw error("a subgraph has too few outputs", expected: "\(outputs.count)", actual: "\(values.count)")
    }
    for index in outputs.indices { outputs[index] = values[index] }
  }

  /// Slices side by side; where there are none, a tensor without elements of the declared type.
  fileprivate func stacked(_ slices: [RuntimeTensor], _ axis: Int, _ declared: Value) throws(ApusError) -> RuntimeTensor {
    if !slices.isEmpty { return try stack(slices, axis: axis) }
    guard let type = declared.type?.tensor else {
      throw error("no iteration, and the body's output has no declared type", expected: "a tensor type")
    }
    // Extents that only an iteration would tell are 0, as that of the new axis is.
    var extents = type.shape?.dimensions.map { $0.value ?? 0 } ?? []
    extents.insert(0, at: min(axis, extents.count))
    if type.elementType == .string { return try makeTensor(strings: [], extents) }
    return try makeTensor(type.elementType, extents)
  }

  fileprivate func scanAxis(_ name: StaticString, _ index: Int, rank: Int) throws(ApusError) -> Int {
    let axes = attributes.ints(name) ?? []
    return try node.context.normalizedAxis(index < axes.count ? axes[index] : 0, rank: rank, attribute: name)
  }

  /// Whether each input or output runs backward.
  fileprivate func directions(_ name: StaticString, _ count: Int) throws(ApusError) -> [Bool] {
    let stated = attributes.ints(name) ?? []
    return (0..<count).map { $0 < stated.count && stated[$0] == 1 }
  }
}
