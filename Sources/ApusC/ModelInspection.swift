import ApusFormat
import ApusGraph
import ApusRuntime
public import CApus

/// `index` as a position in a list of `count`.
func checkedIndex(_ index: UInt32, below count: Int, _ what: StaticString) throws(ApusError) -> Int {
  guard Int(index) < count else {
    throw ApusError(.indexOutOfRange, "no such " + what.text, expected: "below \(count)", actual: "\(index)")
  }
  return Int(index)
}

@c @implementation
public func apus_model_inspect(
  _ model: OpaquePointer?, _ info: UnsafeMutablePointer<apus_model_info>?, _ error: UnsafeMutablePointer<apus_error>?
) -> Int32 {
  call(error) { () throws(ApusError) in
    let loaded = try ModelHandle.find(model)
    try apus_model_info.write(loaded.info, to: try require(info, "info"), "apus_model_info")
  }
}

@c @implementation
public func apus_model_input(
  _ model: OpaquePointer?, _ index: UInt32, _ info: UnsafeMutablePointer<apus_tensor_info>?,
  _ error: UnsafeMutablePointer<apus_error>?
) -> Int32 {
  call(error) { () throws(ApusError) in
    let inputs = try ModelHandle.find(model).inputs
    let value = inputs[try checkedIndex(index, below: inputs.count, "input")]
    try apus_tensor_info.write(value, to: try require(info, "info"), "apus_tensor_info")
  }
}

@c @implementation
public func apus_model_output(
  _ model: OpaquePointer?, _ index: UInt32, _ info: UnsafeMutablePointer<apus_tensor_info>?,
  _ error: UnsafeMutablePointer<apus_error>?
) -> Int32 {
  call(error) { () throws(ApusError) in
    let outputs = try ModelHandle.find(model).outputs
    let value = outputs[try checkedIndex(index, below: outputs.count, "output")]
    try apus_tensor_info.write(value, to: try require(info, "info"), "apus_tensor_info")
  }
}

@c @implementation
public func apus_model_state(
  _ model: OpaquePointer?, _ index: UInt32, _ info: UnsafeMutablePointer<apus_state_info>?,
  _ error: UnsafeMutablePointer<apus_error>?
) -> Int32 {
  call(error) { () throws(ApusError) in
    let states = try ModelHandle.find(model).states
    let value = states[try checkedIndex(index, below: states.count, "state")]
    try apus_state_info.write(value, to: try require(info, "info"), "apus_state_info")
  }
}

/// A caller's name as bytes.
private func nameBytes(_ name: UnsafePointer<CChar>?, _ what: StaticString) throws(ApusError) -> Name {
  let text = try require(name, what)
  var bytes: [UInt8] = []
  var position = 0
  while text[position] != 0 {
    bytes.append(UInt8(bitPattern: text[position]))
    position += 1
  }
  return Name(bytes: bytes)
}

private func unknownName(_ name: Name, _ what: StaticString) -> ApusError {
  ApusError(.unknownName, "the model has no " + what.text + " of this name", actual: name.string)
}

private func find(
  _ name: UnsafePointer<CChar>?, _ index: UnsafeMutablePointer<UInt32>?, in ports: [Port], _ what: StaticString
) throws(ApusError) {
  let index = try require(index, "index")
  let name = try nameBytes(name, "name")
  guard let position = ports.firstIndex(where: { $0.name == name }) else { throw unknownName(name, what) }
  index.pointee = UInt32(clamping: position)
}

@c @implementation
public func apus_model_find_input(
  _ model: OpaquePointer?, _ name: UnsafePointer<CChar>?, _ index: UnsafeMutablePointer<UInt32>?,
  _ error: UnsafeMutablePointer<apus_error>?
) -> Int32 {
  call(error) { () throws(ApusError) in try find(name, index, in: try ModelHandle.find(model).model.inputs, "input") }
}

@c @implementation
public func apus_model_find_output(
  _ model: OpaquePointer?, _ name: UnsafePointer<CChar>?, _ index: UnsafeMutablePointer<UInt32>?,
  _ error: UnsafeMutablePointer<apus_error>?
) -> Int32 {
  call(error) { () throws(ApusError) in try find(name, index, in: try ModelHandle.find(model).model.outputs, "output") }
}

@c @implementation
public func apus_model_metadata(
  _ model: OpaquePointer?, _ index: UInt32, _ key: UnsafeMutablePointer<UnsafePointer<CChar>?>?,
  _ value: UnsafeMutablePointer<UnsafePointer<CChar>?>?, _ error: UnsafeMutablePointer<apus_error>?
) -> Int32 {
  call(error) { () throws(ApusError) in
    let metadata = try ModelHandle.find(model).metadata
    let entry = metadata[try checkedIndex(index, below: metadata.count, "metadata entry")]
    key?.pointee = entry.key
    value?.pointee = entry.value
  }
}

@c @implementation
public func apus_model_find_metadata(
  _ model: OpaquePointer?, _ key: UnsafePointer<CChar>?, _ value: UnsafeMutablePointer<UnsafePointer<CChar>?>?,
  _ error: UnsafeMutablePointer<apus_error>?
) -> Int32 {
  call(error) { () throws(ApusError) in
    let loaded = try ModelHandle.find(model)
    let value = try require(value, "value")
    let name = try nameBytes(key, "key")
    for entry in loaded.metadata where try nameBytes(entry.key, "key") == name {
      value.pointee = entry.value
      return
    }
    throw unknownName(name, "metadata entry")
  }
}

@c @implementation
public func apus_model_operator(
  _ model: OpaquePointer?, _ index: UInt32, _ info: UnsafeMutablePointer<apus_operator_info>?,
  _ error: UnsafeMutablePointer<apus_error>?
) -> Int32 {
  call(error) { () throws(ApusError) in
    let operators = try ModelHandle.find(model).operators
    let kind = operators[try checkedIndex(index, below: operators.count, "operator")]
    let value = apus_operator_info(
      struct_size: 0, domain: kind.domain, name: kind.name, since_version: kind.sinceVersion, node_count: kind.nodeCount)
    try apus_operator_info.write(value, to: try require(info, "info"), "apus_operator_info")
  }
}

/// The caller's input shapes; without any, those that the model fixes.
func inputShapes(_ model: Model, _ shapes: UnsafePointer<apus_shape>?, _ count: UInt32) throws(ApusError) -> [[Int]] {
  if shapes == nil, count == 0, let fixed = model.fixedShapes { return fixed }
  return try extents(of: shapes, count: count, expected: model.inputs.count)
}

@c @implementation
public func apus_model_memory(
  _ model: OpaquePointer?, _ shapes: UnsafePointer<apus_shape>?, _ count: UInt32, _ threads: UInt32,
  _ info: UnsafeMutablePointer<apus_memory_info>?, _ error: UnsafeMutablePointer<apus_error>?
) -> Int32 {
  call(error) { () throws(ApusError) in
    let info = try require(info, "info")
    let model = try ModelHandle.find(model).model
    let needed = try withReserve { () throws(ApusError) in
      try model.memoryRequirements(shapes: try inputShapes(model, shapes, count), threads: max(Int(threads), 1))
    }
    var value = apus_memory_info()
    value.arena_bytes = needed.arenaBytes
    value.scratch_bytes = needed.scratchBytes
    value.control_bytes = needed.controlBytes
    value.port_bytes = needed.portBytes
    // Each part is an allocation that the planner checked; four of them stay far below 2^64.
    value.session_bytes = needed.arenaBytes &+ needed.scratchBytes &+ needed.controlBytes &+ needed.portBytes
    value.packed_bytes = needed.packedBytes
    value.constant_bytes = needed.constantBytes
    try apus_memory_info.write(value, to: info, "apus_memory_info")
  }
}

@c @implementation
public func apus_model_memory_use(
  _ model: OpaquePointer?, _ in_use: UnsafeMutablePointer<UInt64>?, _ peak: UnsafeMutablePointer<UInt64>?,
  _ error: UnsafeMutablePointer<apus_error>?
) -> Int32 {
  call(error) { () throws(ApusError) in
    let memory = try ModelHandle.find(model).model.memory
    in_use?.pointee = memory.bytesInUse
    peak?.pointee = memory.peakBytes
  }
}

@c @implementation
public func apus_model_self_test(
  _ model: OpaquePointer?, _ pool: OpaquePointer?, _ info: UnsafeMutablePointer<apus_self_test_info>?,
  _ error: UnsafeMutablePointer<apus_error>?
) -> Int32 {
  call(error) { () throws(ApusError) in
    let model = try ModelHandle.find(model).model
    var threads: ThreadPool?
    if let pool { threads = try PoolHandle.find(pool) }
    let report = try withReserve { () throws(ApusError) in try model.selfTest(pool: threads) }
    if let info {
      var value = apus_self_test_info()
      value.vector_count = UInt32(clamping: report.vectors)
      value.output_count = UInt32(clamping: report.outputs.count)
      value.failed_output_count = UInt32(clamping: report.outputs.count { $0.failures > 0 })
      value.largest_difference = report.maximumAbsoluteError
      try apus_self_test_info.write(value, to: info, "apus_self_test_info")
    }
    for output in report.outputs where output.failures > 0 {
      throw ApusError(
        .selfTestFailed, "test vector '" + output.vector.string + "': elements outside of the tolerance",
        tensorName: output.output.string, expected: "0 of \(output.elements)", actual: "\(output.failures)")
    }
  }
}
