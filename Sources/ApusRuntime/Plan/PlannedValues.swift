import ApusGraph

/// What bindings ask of the values of a plan.
extension PlanBuilder {
  /// The extents of a value.
  func extents(_ id: ValueID) throws(ApusError) -> [Int] {
    guard let extents = inference.type(id)?.shape?.known else {
      throw ApusError(
        .unsupported, "the shape depends on data", tensorName: name(id), expected: "a shape that follows from the inputs'")
    }
    return extents
  }

  func elementType(_ id: ValueID) throws(ApusError) -> ElementType {
    guard let type = inference.type(id) else {
      throw ApusError(.unsupported, "the value is not a tensor", tensorName: name(id))
    }
    return type.elementType
  }

  func byteCount(_ id: ValueID) throws(ApusError) -> Int {
    let count = try checkedElementCount(try extents(id))
    let type = try elementType(id)
    guard let bytes = type.byteCount(of: count) else {
      throw ApusError(.unsupportedType, "this version runs tensors of numbers", tensorName: name(id), actual: type.name.text)
    }
    return bytes
  }

  func name(_ id: ValueID) -> String { id < 0 ? "" : program.graph.values[Int(id)].name.string }

  /// Demands an element type that a kernel has.
  func require(_ id: ValueID, _ types: TypeSet) throws(ApusError) {
    let type = try elementType(id)
    guard types.contains(type) else {
      throw ApusError(
        .unsupportedType, "this version has no kernel for the element type", tensorName: name(id), expected: types.text,
        actual: type.name.text)
    }
  }

  /// The constant tensor that a value is, or nil.
  func constantTensor(_ id: ValueID) -> TensorID? { program.graph.values[Int(id)].constant }

  /// Turns a kernel family's answer to a plan request into an error.
  func check(_ status: Int32) throws(ApusError) {
    guard status != 0 else { return }
    let known = ApusError.Status(rawValue: status) ?? .internal
    throw ApusError(known == .limitExceeded ? .shapeInference : known, "the kernel can not run these sizes")
  }

  /// The same for kernels that exist for some element types only.
  func check(_ status: Int32, _ type: ElementType, to target: ElementType? = nil, of id: ValueID) throws(ApusError) {
    guard status == ApusError.Status.unsupportedType.rawValue else { return try check(status) }
    throw ApusError(
      .unsupportedType, "this version has no kernel for the element type", tensorName: name(id),
      actual: type.name.text + (target.map { " to " + $0.name.text } ?? ""))
  }
}
