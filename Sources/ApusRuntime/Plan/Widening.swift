import ApusGraph
import CApusKernels
import CApusPlatform

/// The operands and results of a node in element types that its kernels take.
///
/// Half-precision and 8-bit floats become float32, integers the next wider type that the kernels have, packed integers bytes;
/// the results are converted back. All of it is exact but for the one rounding of each result.
struct Widening {
  /// The node with its wide operands and results.
  private(set) var node: ProgramNode
  private var results: [(wide: ValueID, narrow: ValueID)] = []

  /// Emits the conversions of the operands.
  init(
    _ builder: PlanBuilder, _ original: ProgramNode, _ schema: OperatorSchema, _ binding: KernelBinding
  ) throws(ApusError) {
    node = original
    let native = binding.native
    var inputs = original.node.inputs
    for (position, id) in inputs.enumerated() where id >= 0 {
      // What steers is read while the plan is made, in its own type.
      if schema.parameter(position, of: schema.inputs).steers { continue }
      let type = try builder.elementType(id)
      guard let wide = Widening.widened(type, native) else { continue }
      // One conversion for an operand that is read twice.
      if let earlier = original.node.inputs[..<position].firstIndex(of: id) {
        inputs[position] = inputs[earlier]
        continue
      }
      let readers = original.node.inputs.count { $0 == id }
      var constant: TensorID?
      if let source = builder.constantTensor(id) { constant = try builder.widenedConstant(source, wide) }
      let value = builder.addValue(
        wide, try builder.extents(id), name: builder.program.graph.values[Int(id)].name, readers: readers,
        constant: constant)
      if constant == nil { try builder.emitCast(id, value) }
      inputs[position] = value
    }
    var outputs = original.node.outputs
    for (position, id) in outputs.enumerated() where id >= 0 {
      let type = try builder.elementType(id)
      guard let wide = Widening.widened(type, native) else { continue }
      let value = builder.addValue(
        wide, try builder.extents(id), name: builder.program.graph.values[Int(id)].name, readers: 1)
      outputs[position] = value
      results.append((value, id))
    }
    guard inputs != original.node.inputs || !results.isEmpty else { return }
    node.node.inputs = inputs
    node.node.outputs = outputs
    builder.replaceCurrent(node)
  }

  func narrowResults(_ builder: PlanBuilder) throws(ApusError) {
    for result in results { try builder.emitCast(result.wide, result.narrow) }
  }

  /// The type in which kernels of the types `native` compute with `type`; nil where they take it, or none does.
  static func widened(_ type: ElementType, _ native: TypeSet) -> ElementType? {
    if native.contains(type) { return nil }
    let candidates: [ElementType]
    switch type {
    case .float16, .bfloat16, .float8e4m3fn, .float8e4m3fnuz, .float8e5m2, .float8e5m2fnuz, .float8e8m0, .float4e2m1:
      candidates = [.float32, .float64]
    case .int2, .int4: candidates = [.int8, .int16, .int32, .int64]
    case .uint2, .uint4: candidates = [.uint8, .uint16, .int32, .uint32, .int64, .uint64]
    case .int8: candidates = [.int16, .int32, .int64]
    case .int16: candidates = [.int32, .int64]
    case .uint8: candidates = [.uint16, .int32, .uint32, .int64, .uint64]
    case .uint16: candidates = [.int32, .uint32, .int64, .uint64]
    case .int32: candidates = [.int64]
    case .uint32: candidates = [.int64, .uint64]
    default: candidates = []
    }
    return candidates.first { native.contains($0) }
  }
}

extension PlanBuilder {
  /// A constant's elements in a wider type: made once a model.
  fileprivate func widenedConstant(_ id: TensorID, _ type: ElementType) throws(ApusError) -> TensorID {
    let tensor = constants.tensors[Int(id)]
    if type == .float32, tensor.elementType.isHalf { return constants.widened(id) }
    return try constants.converted(id, to: type) { source, target throws(ApusError) in
      var arguments = apusk_cast_args()
      arguments.count = Int64(try checkedElementCount(tensor.dimensions))
      arguments.from = tensor.elementType.rawValue
      arguments.to = type.rawValue
      arguments.input = source
      arguments.output = target
      var plan = apusk_plan()
      try check(apusk_cast_plan(level, &arguments, &plan), tensor.elementType, to: type, of: .absent)
      var worker = apusp_worker()
      guard let kernel = plan.kernel, plan.units > 0 else { return }
      try check(kernel(&arguments, 0, plan.units, &worker))
    }
  }

  /// Converts the elements of a value into those of another one.
  func emitCast(_ source: ValueID, _ target: ValueID) throws(ApusError) {
    var arguments = apusk_cast_args()
    let (from, to) = (try elementType(source), try elementType(target))
    arguments.count = Int64(try checkedElementCount(try extents(source)))
    arguments.from = from.rawValue
    arguments.to = to.rawValue
    var plan = apusk_plan()
    try check(apusk_cast_plan(level, &arguments, &plan), from, to: to, of: source)
    let input = try input(source)
    let output = try output(target)
    try emit(plan, arguments, from: input, to: output)
  }
}
